// The settings of the broker's way to Vault: where it is, and how the broker gets a token of its own. Of the ways to log
// in exactly one is given. No token, SecretID or password is ever a flag.

import { durationWithin, httpUrl, listOf, plainText } from "@vaultbuddy/common";
import type { SettingTable } from "@vaultbuddy/common/daemon";
import { pathGlob, plainName, roleName, secret, vaultPath } from "./parsers.ts";

export const vaultSettings = {
  vault: {
    flag: "vault",
    env: "VAULT_ADDR",
    placeholder: "url",
    required: true,
    describe: "address of Vault",
    parse: httpUrl,
  },
  namespace: {
    flag: "vault-namespace",
    env: "VAULT_NAMESPACE",
    placeholder: "name",
    describe: "namespace in Vault (Enterprise)",
    parse: plainText,
  },
  caCert: {
    flag: "ca-cert",
    env: "VAULT_CACERT",
    placeholder: "file",
    describe: "PEM of the CA to trust for Vault, instead of the machine's",
    parse: plainText,
  },
  vaultTimeout: {
    flag: "vault-timeout",
    env: "VAULT_TIMEOUT",
    placeholder: "duration",
    fallback: "10s",
    describe: "how long one call to Vault may take",
    parse: durationWithin("100ms", "90s"),
  },
} as const satisfies SettingTable;

export const mintSettings = {
  deliveredAddr: {
    flag: "delivered-vault-addr",
    env: "DELIVERED_VAULT_ADDR",
    placeholder: "url",
    describe: "the address of Vault that containers use (default: --vault)",
    parse: httpUrl,
  },
  wrapTtl: {
    flag: "wrap-ttl",
    env: "WRAP_TTL",
    placeholder: "duration",
    fallback: "60s",
    describe: "life of a wrapping token unless the rule says otherwise",
    parse: durationWithin("1s", "120s"),
  },
  tokenRole: {
    flag: "token-role",
    env: "TOKEN_ROLE",
    placeholder: "role",
    fallback: "vaultbuddy",
    describe: "Vault token role unless the rule names one",
    parse: roleName,
  },
} as const satisfies SettingTable;

export const loginSettings = {
  approleRoleId: {
    flag: "approle-role-id",
    env: "APPROLE_ROLE_ID",
    placeholder: "id",
    describe: "login by AppRole: the broker's RoleID",
    parse: plainText,
  },
  approleMount: {
    flag: "approle-mount",
    env: "APPROLE_MOUNT",
    placeholder: "path",
    fallback: "approle",
    describe: "where AppRole is mounted",
    parse: vaultPath,
  },
  approleSecretIdFile: {
    flag: "approle-secret-id-file",
    env: "APPROLE_SECRET_ID_FILE",
    placeholder: "file",
    describe: "file with the SecretID, read at each login",
    parse: plainText,
  },
  awsIamRole: {
    flag: "aws-iam-role",
    env: "AWS_IAM_ROLE",
    placeholder: "role",
    describe:
      "login by AWS IAM: the role of Vault's aws auth method; credentials are found as the AWS SDK finds them",
    parse: plainName,
  },
  awsIamMount: {
    flag: "aws-iam-mount",
    env: "AWS_IAM_MOUNT",
    placeholder: "path",
    fallback: "aws",
    describe: "where the aws auth method is mounted",
    parse: vaultPath,
  },
  awsIamServerId: {
    flag: "aws-iam-server-id",
    env: "AWS_IAM_SERVER_ID",
    placeholder: "text",
    describe:
      "what is signed as X-Vault-AWS-IAM-Server-ID; Vault's iam_server_id_header_value must be equal",
    parse: headerText,
  },
  awsStsRegion: {
    flag: "aws-sts-region",
    env: "AWS_STS_REGION",
    placeholder: "region",
    fallback: "us-east-1",
    describe:
      "region that the login is signed for; Vault's sts_region must be equal",
    parse: regionName,
  },
  awsStsUrl: {
    flag: "aws-sts-url",
    env: "AWS_ENDPOINT_URL_STS",
    placeholder: "url",
    describe:
      "the STS endpoint as Vault's sts_endpoint names it (default: https://sts.amazonaws.com in us-east-1, else the region's)",
    parse: httpUrl,
  },
  wrappedToken: {
    env: "WRAPPED_TOKEN_AUTH",
    placeholder: "token",
    describe: "login by a wrapped token: a wrapping token with the broker's",
    parse: secret,
  },
  wrappedTokenFile: {
    flag: "wrapped-token-file",
    env: "WRAPPED_TOKEN_AUTH_FILE",
    placeholder: "file",
    describe:
      "file with the wrapping token; a new one may be put there when the broker's own has ended",
    parse: plainText,
  },
  wrappedTokenPaths: {
    flag: "wrapped-token-paths",
    env: "WRAPPED_TOKEN_PATHS",
    placeholder: "paths",
    fallback: "auth/token/create,auth/token/create-orphan,auth/token/create/*",
    describe:
      "where the wrapping token may have been made, separated by commas; one made elsewhere is not opened",
    parse: listOf(pathGlob),
  },
  userpassUsername: {
    flag: "userpass-username",
    env: "USERPASS_USERNAME",
    placeholder: "name",
    describe: "login by userpass: the broker's user name",
    parse: plainName,
  },
  userpassMount: {
    flag: "userpass-mount",
    env: "USERPASS_MOUNT",
    placeholder: "path",
    fallback: "userpass",
    describe: "where userpass is mounted",
    parse: vaultPath,
  },
  userpassPasswordFile: {
    flag: "userpass-password-file",
    env: "USERPASS_PASSWORD_FILE",
    placeholder: "file",
    describe: "file with the password, read at each login",
    parse: plainText,
  },
  cubbyToken: {
    env: "CUBBY_TOKEN",
    placeholder: "token",
    describe:
      "login by cubbyhole: the temporary token whose cubbyhole holds the broker's",
    parse: secret,
  },
  cubbyPath: {
    flag: "cubby-path",
    env: "CUBBY_PATH",
    placeholder: "path",
    fallback: "vault-token",
    describe: "where in that cubbyhole it is, under the key token",
    parse: vaultPath,
  },
  vaultToken: {
    env: "VAULT_TOKEN",
    placeholder: "token",
    describe: "login by token: the broker's own Vault token",
    parse: secret,
  },
  vaultTokenFile: {
    flag: "vault-token-file",
    env: "VAULT_TOKEN_FILE",
    placeholder: "file",
    describe: "file with the broker's own Vault token, read at each login",
    parse: plainText,
  },
} as const satisfies SettingTable;

function headerText(text: string): string {
  if (!/^[\x21-\x7e](?:[\x20-\x7e]{0,254}[\x21-\x7e])?$/.test(text)) {
    throw new Error("must be 1 to 256 printable characters");
  }
  return text;
}

function regionName(text: string): string {
  if (!/^[a-z0-9-]{1,32}$/.test(text)) {
    throw new Error("must be a region such as eu-west-1");
  }
  return text;
}
