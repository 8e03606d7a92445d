# What each may do. The agent calls nothing of AWS: it has no task role.

data "aws_iam_policy_document" "for_tasks" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["${local.ecs_arn}:*"]
    }
  }
}

data "aws_iam_policy_document" "broker" {
  statement {
    sid       = "TasksOfThisCluster"
    actions   = ["ecs:DescribeTasks"]
    resources = ["${local.ecs_arn}:task/${var.cluster_name}/*"]
  }

  statement {
    sid       = "InstancesOfThisCluster"
    actions   = ["ecs:DescribeContainerInstances"]
    resources = ["${local.ecs_arn}:container-instance/${var.cluster_name}/*"]
  }

  statement {
    sid       = "TheseTwoKnowNoResources"
    actions   = ["ecs:DescribeTaskDefinition", "ec2:DescribeInstances"]
    resources = ["*"]
  }

  statement {
    sid       = "KeepTheLedger"
    actions   = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]
    resources = [aws_efs_file_system.ledger.arn]

    condition {
      test     = "StringEquals"
      variable = "elasticfilesystem:AccessPointArn"
      values   = [aws_efs_access_point.ledger.arn]
    }
  }
}

resource "aws_iam_role" "broker" {
  name               = "vaultbuddy-broker"
  assume_role_policy = data.aws_iam_policy_document.for_tasks.json
}

resource "aws_iam_role_policy" "broker" {
  name   = "ask-ecs"
  role   = aws_iam_role.broker.id
  policy = data.aws_iam_policy_document.broker.json
}

# What ECS needs to start each: its image, its log, and for the broker its master key.

data "aws_iam_policy_document" "start" {
  for_each = {
    broker = [var.master_key_secret_arn]
    agent  = []
  }

  statement {
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = ["arn:${data.aws_partition.current.partition}:ecr:${local.region}:${local.account}:repository/vaultbuddy-*"]
  }

  statement {
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.daemon[each.key].arn}:*"]
  }

  dynamic "statement" {
    for_each = length(each.value) == 0 ? [] : [each.value]

    content {
      actions   = ["secretsmanager:GetSecretValue"]
      resources = statement.value
    }
  }
}

resource "aws_iam_role" "start" {
  for_each           = data.aws_iam_policy_document.start
  name               = "vaultbuddy-${each.key}-execution"
  assume_role_policy = data.aws_iam_policy_document.for_tasks.json
}

resource "aws_iam_role_policy" "start" {
  for_each = data.aws_iam_policy_document.start
  name     = "start"
  role     = aws_iam_role.start[each.key].id
  policy   = each.value.json
}

resource "aws_cloudwatch_log_group" "daemon" {
  for_each          = { broker = 90, agent = 30 }
  name              = "/vaultbuddy/${each.key}"
  retention_in_days = each.value
}
