# What has to be there before: docs/install.md.

variable "cluster_name" {
  type        = string
  description = "The ECS cluster to serve; the broker and the agents run in it too."
}

variable "vpc_id" {
  type = string
}

variable "subnet_ids" {
  type        = list(string)
  description = "Private subnets for the broker and its file system, one for each availability zone."
}

variable "instance_security_group_id" {
  type        = string
  description = "The group of the container instances. Tasks in bridge and host mode are reached through it."
}

variable "task_security_group_ids" {
  type        = map(string)
  description = "The groups of tasks in awsvpc mode that are to be served, each under a name of your choice."
}

variable "broker_launch_type" {
  type    = string
  default = "EC2"

  validation {
    condition     = contains(["EC2", "FARGATE"], var.broker_launch_type)
    error_message = "EC2 or FARGATE."
  }
}

variable "broker_count" {
  type        = number
  default     = 1
  description = "0 for the first time, until Vault knows the role that the broker logs in as."

  validation {
    condition     = contains([0, 1], var.broker_count)
    error_message = "0 or 1: two brokers would have two memories of what was delivered."
  }
}

variable "vault_address" {
  type        = string
  description = "As broker and containers reach it, such as https://vault.example.com:8200."
}

variable "vault_port" {
  type    = number
  default = 8200
}

variable "vault_cidr" {
  type        = string
  description = "Where Vault is, such as 10.0.8.0/24."
}

variable "vault_aws_role" {
  type        = string
  default     = "vaultbuddy-broker"
  description = "The role of Vault's auth method aws that the broker logs in under."
}

variable "vault_server_id" {
  type        = string
  description = "Vault's iam_server_id_header_value, such as vault.example.com."
}

variable "vault_policy_path" {
  type        = string
  default     = "secret/vaultbuddy"
  description = "Where in Vault's KV engine the policy document is."
}

variable "broker_image" {
  type = string
}

variable "agent_image" {
  type = string
}

variable "master_key_secret_arn" {
  type        = string
  description = "The secret in Secrets Manager that holds the master key (vaultbuddy-broker keys generate)."
}
