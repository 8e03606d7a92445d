// Verification of AWS Signature Version 4 in the Authorization header ("AWS Signature Version 4 for API requests"): what
// the SDK signs, computed again with the key pair that the request names.

import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { AwsError } from "./error.ts";

/** A request as it was received. */
export interface SignedRequest {
  readonly method: string;
  /** Path and query as on the request line. */
  readonly target: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Uint8Array;
}

/** Whose signature is expected, for what. */
export interface Expected {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of temporary credentials only. */
  readonly sessionToken?: string;
  readonly region: string;
  readonly service: string;
}

const algorithm = "AWS4-HMAC-SHA256";
const maxSkewMs = 5 * 60_000;

/** Returns when the request is signed as it should be; throws the {@link AwsError} AWS answers with otherwise. */
export function verifySignature(
  request: SignedRequest,
  expected: Expected,
  now: number,
): void {
  const header = headerOf(request, "authorization");
  if (header === undefined) {
    throw new AwsError(
      "MissingAuthenticationTokenException",
      "Missing Authentication Token",
    );
  }
  const claim = parseAuthorization(header);
  // A pair of long-term keys has no session token: AWS knows no such session either.
  const session = headerOf(request, "x-amz-security-token");
  if (
    claim.accessKeyId !== expected.accessKeyId ||
    session !== expected.sessionToken
  ) {
    throw new AwsError(
      "UnrecognizedClientException",
      "The security token included in the request is invalid.",
    );
  }
  const time = headerOf(request, "x-amz-date") ?? "";
  checkScope(claim, expected, time, now);
  if (
    !["host", "x-amz-date"].every((name) => claim.signedHeaders.includes(name))
  ) {
    throw mismatch(
      "'Host' and 'X-Amz-Date' must be signed headers in the AWS Signature.",
    );
  }
  if (
    session !== undefined &&
    !claim.signedHeaders.includes("x-amz-security-token")
  ) {
    throw mismatch(
      "'X-Amz-Security-Token' must be a signed header in the AWS Signature.",
    );
  }
  const right = signature(request, claim.signedHeaders, time, expected);
  const given = Buffer.from(claim.signature, "hex");
  if (given.length !== right.length || !timingSafeEqual(given, right)) {
    throw mismatch(
      "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
    );
  }
}

/** The access key id that a request says it is signed with; undefined when it says none. */
export function claimedKey(request: SignedRequest): string | undefined {
  const header = headerOf(request, "authorization");
  return header === undefined
    ? undefined
    : parseAuthorization(header).accessKeyId;
}

interface Claim {
  readonly accessKeyId: string;
  readonly date: string;
  readonly region: string;
  readonly service: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
}

function parseAuthorization(header: string): Claim {
  const match =
    /^AWS4-HMAC-SHA256 +Credential=([^/, ]+)\/(\d{8})\/([^/, ]+)\/([^/, ]+)\/aws4_request, *SignedHeaders=([^, ]+), *Signature=([0-9a-f]{64})$/.exec(
      header,
    );
  if (match === null) {
    throw new AwsError(
      "IncompleteSignatureException",
      "Authorization header is not a complete AWS4-HMAC-SHA256 signature.",
    );
  }
  const [
    ,
    accessKeyId = "",
    date = "",
    region = "",
    service = "",
    headers = "",
    signatureHex = "",
  ] = match;
  return {
    accessKeyId,
    date,
    region,
    service,
    signedHeaders: headers.split(";"),
    signature: signatureHex,
  };
}

function checkScope(
  claim: Claim,
  expected: Expected,
  time: string,
  now: number,
): void {
  if (claim.region !== expected.region) {
    throw mismatch(`Credential should be scoped to a valid region.`);
  }
  if (claim.service !== expected.service) {
    throw mismatch(
      `Credential should be scoped to correct service: '${expected.service}'.`,
    );
  }
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(time);
  if (match === null || !time.startsWith(claim.date)) {
    throw mismatch(
      "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP",
    );
  }
  const [year = 0, month = 0, ...rest] = match.slice(1).map(Number);
  const signedAt = Date.UTC(
    year,
    month - 1,
    rest[0],
    rest[1],
    rest[2],
    rest[3],
  );
  if (now - signedAt > maxSkewMs) {
    throw mismatch(
      `Signature expired: ${time} is now earlier than ${basicIso(now - maxSkewMs)} (${basicIso(now)} - 5 min.)`,
    );
  }
  if (signedAt - now > maxSkewMs) {
    throw mismatch(
      `Signature not yet current: ${time} is still later than ${basicIso(now + maxSkewMs)} (${basicIso(now)} + 5 min.)`,
    );
  }
}

function signature(
  request: SignedRequest,
  signedHeaders: readonly string[],
  time: string,
  expected: Expected,
): Buffer {
  const { region, service, secretAccessKey } = expected;
  const date = time.slice(0, 8);
  const toSign = [
    algorithm,
    time,
    `${date}/${region}/${service}/aws4_request`,
    sha256(canonicalRequest(request, signedHeaders)),
  ].join("\n");
  const key = [date, region, service, "aws4_request"].reduce<Buffer>(
    (previous, part) => hmac(previous, part),
    Buffer.from(`AWS4${secretAccessKey}`),
  );
  return hmac(key, toSign);
}

function canonicalRequest(
  request: SignedRequest,
  signedHeaders: readonly string[],
): string {
  const [path = "/", query = ""] = request.target.split(/\?(.*)/s);
  const headers = signedHeaders.map(
    (name) =>
      `${name}:${(headerOf(request, name) ?? "").trim().replaceAll(/ +/g, " ")}\n`,
  );
  return [
    request.method,
    path.split("/").map(encode).join("/"),
    canonicalQuery(query),
    headers.join(""),
    signedHeaders.join(";"),
    sha256(request.body),
  ].join("\n");
}

function canonicalQuery(query: string): string {
  return query
    .split("&")
    .filter((pair) => pair !== "")
    .map((pair) => {
      const [name = "", value = ""] = pair.split(/=(.*)/s);
      return `${encode(decode(name))}=${encode(decode(value))}`;
    })
    .toSorted()
    .join("&");
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new AwsError(
      "IncompleteSignatureException",
      "the query string is not percent-encoded UTF-8",
    );
  }
}

/** RFC 3986: unlike encodeURIComponent, AWS encodes `!'()*` too. */
function encode(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function headerOf(request: SignedRequest, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(",") : value;
}

function mismatch(message: string): AwsError {
  return new AwsError("InvalidSignatureException", message);
}

function basicIso(ms: number): string {
  return new Date(ms).toISOString().replaceAll(/[-:]|\.\d+/g, "");
}

function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

function hmac(key: Uint8Array, data: string): Buffer {
  return createHmac("sha256", key).update(data).digest();
}
