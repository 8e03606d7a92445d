// AWS Signature Version 4 of the one request the broker signs by hand: sts:GetCallerIdentity, which Vault sends in its
// place. Everything else that goes to AWS is signed by the SDK.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html

import { createHash, createHmac } from "node:crypto";
import type { Secret } from "@vaultbuddy/common";

/** A key pair of AWS's, with its session when it is a temporary one. */
export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: Secret;
  readonly sessionToken?: Secret;
}

/** What is signed: a POST of a short form. */
export interface FormRequest {
  readonly url: string;
  readonly region: string;
  readonly service: string;
  readonly body: string;
  /** Further headers, all of which are signed. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Signs the request as of `now` (milliseconds since 1970); answers all its headers, names as AWS writes them. */
export function signForm(
  request: FormRequest,
  credentials: AwsCredentials,
  now: number,
): Readonly<Record<string, string>> {
  const { host, pathname } = new URL(request.url);
  const time = new Date(now).toISOString().replaceAll(/[-:]|\.\d+/g, "");
  const { sessionToken } = credentials;
  const headers: Record<string, string> = {
    Host: host,
    "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
    "X-Amz-Date": time,
    ...(sessionToken === undefined
      ? {}
      : { "X-Amz-Security-Token": sessionToken.expose() }),
    ...request.headers,
  };
  const sorted = Object.entries(headers)
    .map(([name, value]) => [name.toLowerCase(), squeezed(value)] as const)
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  const signed = sorted.map(([name]) => name).join(";");
  const canonical = [
    "POST",
    pathname,
    "",
    ...sorted.map(([name, value]) => `${name}:${value}`),
    "",
    signed,
    sha256(request.body),
  ].join("\n");
  const { region, service } = request;
  const scope = [time.slice(0, 8), region, service, "aws4_request"];
  const toSign = ["AWS4-HMAC-SHA256", time, scope.join("/"), sha256(canonical)];
  const key = scope.reduce<Buffer>(
    (previous, part) => hmac(previous, part),
    Buffer.from(`AWS4${credentials.secretAccessKey.expose()}`),
  );
  const signature = hmac(key, toSign.join("\n")).toString("hex");
  return {
    ...headers,
    Authorization: `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope.join("/")}, SignedHeaders=${signed}, Signature=${signature}`,
  };
}

/** Runs of spaces count as one, and those at the ends not at all. */
function squeezed(value: string): string {
  return value.trim().replaceAll(/ +/g, " ");
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}
