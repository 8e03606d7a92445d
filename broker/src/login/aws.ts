// Login by AWS IAM: the broker signs a GetCallerIdentity with whatever credentials AWS lends it (in ECS those of its
// task role), and Vault sends it to STS to learn who signed. No credential of Vault's is kept anywhere.
// https://developer.hashicorp.com/vault/docs/auth/aws#iam-auth-method

import { ECSClient } from "@aws-sdk/client-ecs";
import { Refusal, Secret } from "@vaultbuddy/common";
import type { Clock } from "@vaultbuddy/common";
import type { LoginMethod } from "./method.ts";
import { signForm } from "./sigv4.ts";
import type { AwsCredentials } from "./sigv4.ts";

/** What the login needs. */
export interface AwsLogin {
  readonly mount: string;
  readonly role: string;
  /** Signed as X-Vault-AWS-IAM-Server-ID, so that another Vault cannot use the request for a login here. */
  readonly serverId: string | undefined;
  readonly region: string;
  /** STS's address, as Vault has it. */
  readonly url: string;
  readonly credentials: () => Promise<AwsCredentials>;
  readonly clock: Pick<Clock, "now">;
}

const BODY = "Action=GetCallerIdentity&Version=2011-06-15";

/** The way to log in. */
export function awsLogin(deps: AwsLogin): LoginMethod {
  return {
    kind: "aws iam",
    repeatable: true,
    login: async (api) =>
      await api.login(
        "the broker's AWS IAM login (role, mount, server id, region and STS address must be those of Vault)",
        `auth/${deps.mount}/login`,
        signedLogin(deps, await deps.credentials()),
      ),
  };
}

/** The body of the login: who wants which role, and the request that proves it. */
export function signedLogin(
  deps: Omit<AwsLogin, "credentials">,
  credentials: AwsCredentials,
): Readonly<Record<string, string>> {
  const url = new URL(deps.url).href;
  const headers = signForm(
    {
      url,
      region: deps.region,
      service: "sts",
      body: BODY,
      headers:
        deps.serverId === undefined
          ? {}
          : { "X-Vault-AWS-IAM-Server-ID": deps.serverId },
    },
    credentials,
    deps.clock.now(),
  );
  return {
    role: deps.role,
    iam_http_request_method: "POST",
    iam_request_url: base64(url),
    iam_request_body: base64(BODY),
    iam_request_headers: base64(JSON.stringify(headers)),
  };
}

/** STS's own address in a region; in us-east-1 the global one, which is Vault's default. */
export function stsUrl(region: string): string {
  if (region === "us-east-1") {
    return "https://sts.amazonaws.com";
  }
  const suffix = region.startsWith("cn-")
    ? "amazonaws.com.cn"
    : "amazonaws.com";
  return `https://sts.${region}.${suffix}`;
}

/**
 * Credentials as the AWS SDK finds them: environment, profile, web identity, ECS task role, instance role. `timeout` in
 * milliseconds. Throws Refusal `vault_unavailable` when none are found in time: those of a task role may come later.
 */
export function sdkCredentials(
  region: string,
  timeout: number,
  clock: Pick<Clock, "sleep">,
): () => Promise<AwsCredentials> {
  // A client that sends nothing: it is the SDK's door to its own search for credentials.
  const client = new ECSClient({ region });
  return async () => {
    const ended = new AbortController();
    const late = clock.sleep(timeout, ended.signal).then(() => undefined);
    const found = client.config.credentials().catch(() => undefined);
    const credentials = await Promise.race([found, late]);
    ended.abort(new Error("the search for credentials has ended"));
    await late.catch(() => undefined);
    if (credentials === undefined) {
      throw new Refusal(
        "vault_unavailable",
        "the AWS SDK found no credentials to log in to Vault with: give the broker's task a role",
      );
    }
    const { accessKeyId, secretAccessKey, sessionToken } = credentials;
    return {
      accessKeyId,
      secretAccessKey: new Secret(secretAccessKey),
      ...(sessionToken === undefined
        ? {}
        : { sessionToken: new Secret(sessionToken) }),
    };
  };
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
