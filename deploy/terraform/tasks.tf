# The broker's service and the agents'. The task definitions are those of deploy/ecs, filled in.

locals {
  hardened = {
    readonlyRootFilesystem = true
    linuxParameters        = { capabilities = { drop = ["ALL"] } }
  }

  logging = {
    for name, group in aws_cloudwatch_log_group.daemon : name => {
      logDriver = "awslogs"
      options = {
        "awslogs-group"         = group.name
        "awslogs-region"        = local.region
        "awslogs-stream-prefix" = "ecs"
      }
    }
  }
}

resource "aws_ecs_task_definition" "broker" {
  family                   = "vaultbuddy-broker"
  network_mode             = "awsvpc"
  requires_compatibilities = ["EC2", "FARGATE"]
  cpu                      = "256"
  memory                   = "512"
  task_role_arn            = aws_iam_role.broker.arn
  execution_role_arn       = aws_iam_role.start["broker"].arn

  volume {
    name = "files"
  }

  volume {
    name = "ledger"

    efs_volume_configuration {
      file_system_id     = aws_efs_file_system.ledger.id
      transit_encryption = "ENABLED"

      authorization_config {
        access_point_id = aws_efs_access_point.ledger.id
        iam             = "ENABLED"
      }
    }
  }

  container_definitions = jsonencode([
    merge(local.hardened, {
      name       = "files"
      image      = var.broker_image
      essential  = false
      entryPoint = ["node", "/app/place.cjs"]
      command    = ["/run/vaultbuddy", "MASTER_KEY=hmac-master"]
      secrets    = [{ name = "MASTER_KEY", valueFrom = var.master_key_secret_arn }]
      mountPoints      = [{ sourceVolume = "files", containerPath = "/run/vaultbuddy" }]
      logConfiguration = local.logging.broker
    }),
    merge(local.hardened, {
      name      = "broker"
      image     = var.broker_image
      essential = true
      command   = ["serve"]
      dependsOn = [{ containerName = "files", condition = "SUCCESS" }]
      environment = [
        { name = "AWS_REGION", value = local.region },
        { name = "VAULT_ADDR", value = var.vault_address },
        { name = "AWS_IAM_ROLE", value = var.vault_aws_role },
        { name = "AWS_IAM_SERVER_ID", value = var.vault_server_id },
        { name = "HMAC_KEY_FILE", value = "/run/vaultbuddy/hmac-master" },
        { name = "GATE_POLICIES", value = var.vault_policy_path },
        { name = "ALLOWED_CLUSTERS", value = data.aws_ecs_cluster.served.arn },
        { name = "LEDGER", value = "sqlite:/var/lib/vaultbuddy/claims.db" },
      ]
      portMappings = [{ containerPort = 9201 }]
      mountPoints = [
        { sourceVolume = "files", containerPath = "/run/vaultbuddy", readOnly = true },
        { sourceVolume = "ledger", containerPath = "/var/lib/vaultbuddy" },
      ]
      healthCheck      = { command = ["CMD", "node", "/app/health.cjs", "broker"], interval = 10, timeout = 5, retries = 3, startPeriod = 30 }
      stopTimeout      = 30
      logConfiguration = local.logging.broker
    }),
  ])
}

# Never two at once: they would have two memories of what was delivered. A new one starts when the old one has ended.
resource "aws_ecs_service" "broker" {
  name                               = "vaultbuddy-broker"
  cluster                            = data.aws_ecs_cluster.served.arn
  task_definition                    = aws_ecs_task_definition.broker.arn
  launch_type                        = var.broker_launch_type
  desired_count                      = var.broker_count
  deployment_minimum_healthy_percent = 0
  deployment_maximum_percent         = 100
  depends_on                         = [aws_efs_mount_target.ledger, aws_iam_role_policy.broker, aws_iam_role_policy.start]

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [aws_security_group.broker.id]
    assign_public_ip = false
  }

  service_registries {
    registry_arn = aws_service_discovery_service.broker.arn
  }
}

# Root without a capability: whoever can open Docker's socket is root on the instance, whatever his number is.
resource "aws_ecs_task_definition" "agent" {
  family                   = "vaultbuddy-agent"
  network_mode             = "host"
  requires_compatibilities = ["EC2"]
  execution_role_arn       = aws_iam_role.start["agent"].arn

  volume {
    name      = "docker"
    host_path = "/var/run/docker.sock"
  }

  container_definitions = jsonencode([
    merge(local.hardened, {
      name              = "agent"
      image             = var.agent_image
      essential         = true
      cpu               = 32
      memory            = 160
      memoryReservation = 96
      user              = "0:0"
      environment       = [{ name = "BROKER_URL", value = "http://broker.vaultbuddy.internal:9201" }]
      mountPoints       = [{ sourceVolume = "docker", containerPath = "/var/run/docker.sock" }]
      healthCheck       = { command = ["CMD", "node", "/app/health.cjs", "agent"], interval = 10, timeout = 5, retries = 3, startPeriod = 30 }
      logConfiguration  = local.logging.agent
    }),
  ])
}

resource "aws_ecs_service" "agent" {
  name                               = "vaultbuddy-agent"
  cluster                            = data.aws_ecs_cluster.served.arn
  task_definition                    = aws_ecs_task_definition.agent.arn
  launch_type                        = "EC2"
  scheduling_strategy                = "DAEMON"
  deployment_minimum_healthy_percent = 0
  deployment_maximum_percent         = 100
  depends_on                         = [aws_iam_role_policy.start]
}
