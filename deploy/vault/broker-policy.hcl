path "auth/token/create/vaultbuddy*" { capabilities = ["update"] min_wrapping_ttl = "1s" max_wrapping_ttl = "120s" }
path "auth/token/revoke-accessor"    { capabilities = ["update"] }
path "auth/token/lookup-accessor"    { capabilities = ["update"] }
