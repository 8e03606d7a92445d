path "auth/token/create/vaultbuddy*" { capabilities = ["update"] min_wrapping_ttl = "1s" max_wrapping_ttl = "120s" }
path "auth/token/revoke-accessor"    { capabilities = ["update"] }
path "auth/token/lookup-accessor"    { capabilities = ["update"] }
path "auth/token/roles/vaultbuddy*"  { capabilities = ["read"] }
# Only with --policies secret/vaultbuddy; the last two only with --policies-nested. Without data/ and metadata/ for a
# KV engine of version 1.
path "secret/data/vaultbuddy"        { capabilities = ["read"] }
path "secret/data/vaultbuddy/*"      { capabilities = ["read"] }
path "secret/metadata/vaultbuddy/*"  { capabilities = ["list"] }
