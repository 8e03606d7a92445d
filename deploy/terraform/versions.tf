terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.0, < 7.0"
    }
  }
}

data "aws_partition" "current" {}

data "aws_region" "current" {}

data "aws_caller_identity" "current" {}

data "aws_ecs_cluster" "served" {
  cluster_name = var.cluster_name
}

locals {
  region  = data.aws_region.current.region
  account = data.aws_caller_identity.current.account_id
  ecs_arn = "arn:${data.aws_partition.current.partition}:ecs:${local.region}:${local.account}"
}
