# What deploy/vault/setup.sh does, as Terraform: the broker's policy, its token role, and its way to log in.

terraform {
  required_version = ">= 1.5"

  required_providers {
    vault = {
      source  = "hashicorp/vault"
      version = ">= 5.0, < 6.0"
    }
  }
}

variable "family_policies" {
  type        = set(string)
  description = "The Vault policies that families of tasks may have, such as [\"web\", \"batch\"]."
}

variable "broker_role_arn" {
  type        = string
  default     = null
  description = "The broker's ECS task role, to log in by AWS IAM; null: by AppRole."
}

variable "server_id" {
  type        = string
  default     = null
  description = "The name of this Vault, which each login by AWS IAM signs, such as vault.example.com."
}

variable "mount_login" {
  type        = bool
  default     = true
  description = "Whether to mount the auth method; false where it is there already."
}

locals {
  aws  = var.broker_role_arn == null ? 0 : 1
  path = local.aws == 1 ? "aws" : "approle"
}

# What the broker itself may do: mint wrapped tokens under roles named vaultbuddy*, and take back what it minted.
resource "vault_policy" "broker" {
  name   = "vaultbuddy-broker"
  policy = file("${path.module}/../broker-policy.hcl")
}

# What it mints. Orphan, so that a restarted broker kills no app; only the policies named here, whatever it asks for; and
# an end that no renewal can put off.
resource "vault_token_auth_backend_role" "vaultbuddy" {
  role_name               = "vaultbuddy"
  orphan                  = true
  renewable               = true
  token_no_default_policy = false
  allowed_policies        = var.family_policies
  token_explicit_max_ttl  = 86400
}

# How it logs in. Its token is renewed, and made anew before it ends.
resource "vault_auth_backend" "login" {
  count = var.mount_login ? 1 : 0
  type  = local.path
}

# The name is signed with each login, so that a login to another Vault is of no use here.
resource "vault_aws_auth_backend_client" "login" {
  count                      = local.aws
  iam_server_id_header_value = var.server_id
  depends_on                 = [vault_auth_backend.login]
}

# Resolved, Vault asks IAM for the role's own number, so that a later role of the same name does not do: it needs
# iam:GetRole for that.
resource "vault_aws_auth_backend_role" "broker" {
  count                    = local.aws
  role                     = "vaultbuddy-broker"
  auth_type                = "iam"
  bound_iam_principal_arns = [var.broker_role_arn]
  resolve_aws_unique_ids   = true
  token_policies           = [vault_policy.broker.name]
  token_ttl                = 1200
  token_max_ttl            = 86400
  depends_on               = [vault_auth_backend.login]
}

# The SecretID is not made here: it would be in Terraform's state.
#   vault write -f -field=secret_id auth/approle/role/vaultbuddy-broker/secret-id
resource "vault_approle_auth_backend_role" "broker" {
  count          = 1 - local.aws
  role_name      = "vaultbuddy-broker"
  token_policies = [vault_policy.broker.name]
  token_ttl      = 1200
  token_max_ttl  = 86400
  depends_on     = [vault_auth_backend.login]
}

output "role_id" {
  description = "For the broker's APPROLE_ROLE_ID; it is no secret."
  value       = one(vault_approle_auth_backend_role.broker[*].role_id)
}
