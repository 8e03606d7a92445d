#!/bin/sh
# Gives a Vault what the broker needs: its policy, the token role that it mints under, and a way to log in. Needs the
# command `vault`, VAULT_ADDR, and a token that may do this (VAULT_TOKEN or `vault login`). It says how things are to be
# and can be run again at any time.
#
#   setup.sh --aws-iam ROLE_ARN --server-id NAME [--unresolved] POLICY…   the broker logs in as its ECS task role
#   setup.sh --approle [--secret-id FILE] POLICY…                         the broker logs in with a SecretID
#
# POLICY… are the Vault policies that families of tasks may have. Nothing secret is printed. The RoleID is none:
#   vault read -field=role_id auth/approle/role/vaultbuddy-broker/role-id
set -eu

here=${0%/*}
login= role_arn= server_id= secret_id= resolve=true
while [ $# -gt 0 ]; do
  case $1 in
    --aws-iam) login=aws role_arn=${2:?--aws-iam needs the ARN of the task role of the broker} && shift 2 ;;
    --server-id) server_id=${2:?--server-id needs the name of this Vault} && shift 2 ;;
    --unresolved) resolve=false && shift ;;
    --approle) login=approle && shift ;;
    --secret-id) secret_id=${2:?--secret-id needs the name of a file} && shift 2 ;;
    *) break ;;
  esac
done
case $login:$server_id:$# in
  :* | aws::* | *:0)
    echo "usage: $0 --aws-iam ROLE_ARN --server-id NAME [--unresolved] POLICY…" >&2
    echo "       $0 --approle [--secret-id FILE] POLICY…" >&2
    exit 2
    ;;
esac
policies=$1
shift
for policy in "$@"; do policies=$policies,$policy; done

# What the broker itself may do: mint wrapped tokens under roles named vaultbuddy*, and take back what it minted.
vault policy write vaultbuddy-broker "$here/broker-policy.hcl"

# What it mints. Orphan, so that a restarted broker kills no app; only the policies named here, whatever it asks for; and
# an end that no renewal can put off.
vault write auth/token/roles/vaultbuddy orphan=true renewable=true token_no_default_policy=false \
  "allowed_policies=$policies" token_explicit_max_ttl=24h

# How it logs in. Its token is renewed, and made anew before it ends.
vault read "sys/auth/$login/tune" >/dev/null 2>&1 || vault auth enable "$login"
if [ "$login" = aws ]; then
  # The name is signed with each login, so that a login to another Vault is of no use here.
  vault write auth/aws/config/client "iam_server_id_header_value=$server_id"
  # Resolved, Vault asks IAM for the role's own number, so that a later role of the same name does not do: it needs
  # iam:GetRole for that. --unresolved is for a Vault that has no credentials of AWS.
  vault write auth/aws/role/vaultbuddy-broker auth_type=iam "bound_iam_principal_arn=$role_arn" \
    "resolve_aws_unique_ids=$resolve" token_policies=vaultbuddy-broker token_ttl=20m token_max_ttl=24h
else
  vault write auth/approle/role/vaultbuddy-broker \
    token_policies=vaultbuddy-broker token_ttl=20m token_max_ttl=24h
fi

if [ -n "$secret_id" ]; then
  umask 077
  vault write -f -field=secret_id auth/approle/role/vaultbuddy-broker/secret-id >"$secret_id"
fi
