# The ledger of claims: a file on storage that outlives the broker's task and is not the task's.

resource "aws_efs_file_system" "ledger" {
  encrypted = true

  tags = {
    Name = "vaultbuddy-ledger"
  }

  lifecycle {
    prevent_destroy = true
  }
}

# With a policy of its own a file system no longer lets in everybody who reaches it: only whose role allows it.
data "aws_iam_policy_document" "ledger" {
  statement {
    sid       = "OnlyWithTls"
    effect    = "Deny"
    actions   = ["*"]
    resources = [aws_efs_file_system.ledger.arn]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_efs_file_system_policy" "ledger" {
  file_system_id = aws_efs_file_system.ledger.id
  policy         = data.aws_iam_policy_document.ledger.json
}

resource "aws_efs_access_point" "ledger" {
  file_system_id = aws_efs_file_system.ledger.id

  posix_user {
    uid = 65532
    gid = 65532
  }

  root_directory {
    path = "/vaultbuddy"

    creation_info {
      owner_uid   = 65532
      owner_gid   = 65532
      permissions = "0700"
    }
  }
}

resource "aws_efs_mount_target" "ledger" {
  count           = length(var.subnet_ids)
  file_system_id  = aws_efs_file_system.ledger.id
  subnet_id       = var.subnet_ids[count.index]
  security_groups = [aws_security_group.ledger.id]
}
