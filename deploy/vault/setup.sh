#!/bin/sh
# Gives a Vault what the broker needs: its policy, the token role that it mints under, and its AppRole. Needs the `vault`
# command, VAULT_ADDR, and a token that may do this (VAULT_TOKEN or `vault login`). It can be run again at any time: it
# says how things are to be, and makes a new SecretID only when told where to put it.
#
#   deploy/vault/setup.sh web batch             # the Vault policies that families may have
#   deploy/vault/setup.sh --secret-id FILE web  # also make a SecretID, into FILE, which only its owner can read
#
# Nothing secret is printed. Print the RoleID, which is none, with:
#   vault read -field=role_id auth/approle/role/vaultbuddy-broker/role-id
set -eu

here=${0%/*}
role=vaultbuddy
secret_id_file=
if [ "${1-}" = --secret-id ]; then
  secret_id_file=${2:?--secret-id needs the name of a file}
  shift 2
fi
if [ $# -eq 0 ]; then
  echo "usage: $0 [--secret-id FILE] POLICY…: name the Vault policies that families may have" >&2
  exit 2
fi
policies=$1
shift
for policy in "$@"; do policies=$policies,$policy; done

# What the broker itself may do: mint wrapped tokens under roles named vaultbuddy*, and take back what it minted.
vault policy write vaultbuddy-broker "$here/broker-policy.hcl"

# What it mints. Orphan, so that a restarted broker kills no app; only the policies named here, whatever it asks for.
vault write "auth/token/roles/$role" \
  orphan=true renewable=true token_no_default_policy=false \
  "allowed_policies=$policies" token_explicit_max_ttl=24h

# How it logs in. Its token is renewed, and made anew before it ends.
vault read sys/auth/approle/tune >/dev/null 2>&1 || vault auth enable approle
vault write auth/approle/role/vaultbuddy-broker \
  token_policies=vaultbuddy-broker token_ttl=20m token_max_ttl=24h

if [ -n "$secret_id_file" ]; then
  umask 077
  vault write -f -field=secret_id auth/approle/role/vaultbuddy-broker/secret-id >"$secret_id_file"
fi
