#!/bin/sh
# What docker-compose.yml runs once against its Vault: the same set-up as anywhere, then what only this example has.
set -eu

here=${0%/*}
login=${1:?usage: setup.sh DIRECTORY}

sh "$here/../vault/setup.sh" --approle --secret-id "$login/secret-id" sample

# A RoleID that docker-compose.yml can name. Elsewhere let Vault choose one.
vault write auth/approle/role/vaultbuddy-broker/role-id role_id=vaultbuddy-compose

# One family of tasks, and the secret it may read.
vault policy write sample - <<'POLICY'
path "secret/data/sample" { capabilities = ["read"] }
POLICY
vault kv put secret/sample DB_USER=compose-user DB_PASSWORD=compose-example-only >/dev/null
echo "Vault is set up."
