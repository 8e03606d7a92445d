# Who may speak to whom. The groups of instances and tasks are yours: rules are added to them, none is taken away.

resource "aws_security_group" "broker" {
  name        = "vaultbuddy-broker"
  description = "VaultBuddy broker"
  vpc_id      = var.vpc_id
}

resource "aws_security_group" "ledger" {
  name        = "vaultbuddy-ledger"
  description = "VaultBuddy ledger"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_egress_rule" "broker_to_vault" {
  description       = "Vault"
  security_group_id = aws_security_group.broker.id
  ip_protocol       = "tcp"
  from_port         = var.vault_port
  to_port           = var.vault_port
  cidr_ipv4         = var.vault_cidr
}

resource "aws_vpc_security_group_egress_rule" "broker_to_aws" {
  description       = "ECS, EC2, Secrets Manager, ECR and CloudWatch Logs, by NAT or VPC endpoints"
  security_group_id = aws_security_group.broker.id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_ingress_rule" "broker_from_agents" {
  description                  = "Notices of the agents"
  security_group_id            = aws_security_group.broker.id
  ip_protocol                  = "tcp"
  from_port                    = 9201
  to_port                      = 9201
  referenced_security_group_id = var.instance_security_group_id
}

resource "aws_vpc_security_group_egress_rule" "agents_to_broker" {
  description                  = "Notices of VaultBuddy's agents"
  security_group_id            = var.instance_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = 9201
  to_port                      = 9201
  referenced_security_group_id = aws_security_group.broker.id
}

# Deliveries: 9202 where a task has its own address or the instance's, and the ports that Docker chooses in bridge mode.

resource "aws_vpc_security_group_egress_rule" "broker_to_tasks" {
  for_each                     = var.task_security_group_ids
  description                  = "Entrypoints of tasks in awsvpc mode"
  security_group_id            = aws_security_group.broker.id
  ip_protocol                  = "tcp"
  from_port                    = 9202
  to_port                      = 9202
  referenced_security_group_id = each.value
}

resource "aws_vpc_security_group_ingress_rule" "tasks_from_broker" {
  for_each                     = var.task_security_group_ids
  description                  = "VaultBuddy's deliveries"
  security_group_id            = each.value
  ip_protocol                  = "tcp"
  from_port                    = 9202
  to_port                      = 9202
  referenced_security_group_id = aws_security_group.broker.id
}

locals {
  # The map's keys name the rules.
  instance_ports = {
    host   = { from = 9202, to = 9202 }
    bridge = { from = 32768, to = 65535 }
  }
}

resource "aws_vpc_security_group_egress_rule" "broker_to_instances" {
  for_each                     = local.instance_ports
  description                  = "Entrypoints of tasks in ${each.key} mode"
  security_group_id            = aws_security_group.broker.id
  ip_protocol                  = "tcp"
  from_port                    = each.value.from
  to_port                      = each.value.to
  referenced_security_group_id = var.instance_security_group_id
}

resource "aws_vpc_security_group_ingress_rule" "instances_from_broker" {
  for_each                     = local.instance_ports
  description                  = "VaultBuddy's deliveries to tasks in ${each.key} mode"
  security_group_id            = var.instance_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = each.value.from
  to_port                      = each.value.to
  referenced_security_group_id = aws_security_group.broker.id
}

resource "aws_vpc_security_group_egress_rule" "served_to_vault" {
  for_each          = merge(var.task_security_group_ids, { "container-instances" = var.instance_security_group_id })
  description       = "VaultBuddy's entrypoints open their tokens at Vault"
  security_group_id = each.value
  ip_protocol       = "tcp"
  from_port         = var.vault_port
  to_port           = var.vault_port
  cidr_ipv4         = var.vault_cidr
}

# NFS to the ledger: the broker's task mounts it itself on Fargate, its instance does so for it on EC2.

locals {
  mounters = {
    broker   = aws_security_group.broker.id
    instance = var.instance_security_group_id
  }
}

resource "aws_vpc_security_group_ingress_rule" "ledger_from" {
  for_each                     = local.mounters
  description                  = "NFS from the broker's task or its instance"
  security_group_id            = aws_security_group.ledger.id
  ip_protocol                  = "tcp"
  from_port                    = 2049
  to_port                      = 2049
  referenced_security_group_id = each.value
}

resource "aws_vpc_security_group_egress_rule" "to_ledger" {
  for_each                     = local.mounters
  description                  = "NFS to VaultBuddy's ledger"
  security_group_id            = each.value
  ip_protocol                  = "tcp"
  from_port                    = 2049
  to_port                      = 2049
  referenced_security_group_id = aws_security_group.ledger.id
}

# Where agents find the broker: http://broker.vaultbuddy.internal:9201

resource "aws_service_discovery_private_dns_namespace" "vaultbuddy" {
  name = "vaultbuddy.internal"
  vpc  = var.vpc_id
}

resource "aws_service_discovery_service" "broker" {
  name = "broker"

  dns_config {
    namespace_id   = aws_service_discovery_private_dns_namespace.vaultbuddy.id
    routing_policy = "MULTIVALUE"

    dns_records {
      type = "A"
      ttl  = 5
    }
  }

  health_check_custom_config {}
}
