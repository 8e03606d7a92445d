// The stand-in for AWS STS: one action, GetCallerIdentity, which tells whoever has signed the request who he is. Vault's
// login by AWS IAM is built on it. Protocol: the query protocol with XML, version 2011-06-15.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html

import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { AwsError } from "../aws/error.ts";
import { claimedKey, verifySignature } from "../aws/sigv4.ts";
import { readBody } from "../ecs/http-body.ts";
import { element } from "../ecs/xml.ts";

/** Somebody STS knows. */
export interface Principal {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of temporary credentials, such as a task role's. */
  readonly sessionToken?: string;
  /** arn:aws:iam::123456789012:user/NAME or arn:aws:sts::123456789012:assumed-role/ROLE/SESSION */
  readonly arn: string;
  /** AIDA… of a user, AROA…:SESSION of a role's session. */
  readonly userId: string;
}

export interface StsOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default us-east-1. */
  readonly region?: string;
  readonly principals: readonly Principal[];
  /** The present in milliseconds; default Date.now. */
  readonly now?: () => number;
}

export interface StsServer {
  /** http://host:port */
  readonly endpoint: string;
  readonly region: string;
  /** The status of each answer so far. */
  readonly answers: readonly number[];
  close(): Promise<void>;
}

const mostBytes = 64 * 1024;
const version = "2011-06-15";
const namespace = `https://sts.amazonaws.com/doc/${version}/`;

/** Starts one. */
export async function startSts(options: StsOptions): Promise<StsServer> {
  const { host = "127.0.0.1", region = "us-east-1", now = Date.now } = options;
  const answers: number[] = [];
  const account = { principals: options.principals, region, now };
  const server = createServer((request, response) => {
    answer(account, request, response)
      .then((status) => answers.push(status))
      .catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://${host}:${port}`,
    region,
    answers,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface Account {
  readonly principals: readonly Principal[];
  readonly region: string;
  readonly now: () => number;
}

async function answer(
  account: Account,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<number> {
  const requestId = randomUUID();
  const body = await readBody(request, mostBytes);
  let status = 200;
  let xml: string;
  try {
    xml = identity(account, request, body, requestId);
  } catch (error) {
    const known =
      error instanceof AwsError
        ? error
        : new AwsError("InternalFailure", "", 500);
    const own = names[known.code] ?? { code: known.code, status: known.status };
    status = own.status;
    xml = errorBody(own.code, known.message, requestId);
  }
  response.writeHead(status, {
    "x-amzn-RequestId": requestId,
    // Exactly this, without a charset: Vault takes no other.
    "Content-Type": "text/xml",
    "Content-Length": Buffer.byteLength(xml),
    Date: new Date(account.now()).toUTCString(),
  });
  response.end(xml);
  return status;
}

/** STS's names and statuses for what the check of the signature calls otherwise. */
const names: Readonly<Record<string, { code: string; status: number }>> = {
  MissingAuthenticationTokenException: {
    code: "MissingAuthenticationToken",
    status: 403,
  },
  IncompleteSignatureException: { code: "IncompleteSignature", status: 400 },
  UnrecognizedClientException: { code: "InvalidClientTokenId", status: 403 },
  InvalidSignatureException: { code: "SignatureDoesNotMatch", status: 403 },
};

function identity(
  { principals, region, now }: Account,
  request: IncomingMessage,
  body: Buffer | undefined,
  requestId: string,
): string {
  if (body === undefined) {
    throw new AwsError("RequestEntityTooLarge", "", 413);
  }
  const form = new URLSearchParams(body.toString("utf8"));
  const action = form.get("Action");
  const known = action === "GetCallerIdentity" && request.method === "POST";
  if (!known || form.get("Version") !== version) {
    throw new AwsError(
      "InvalidAction",
      `Could not find operation for version ${version}`,
    );
  }
  const signed = {
    method: "POST",
    target: request.url ?? "/",
    headers: request.headers,
    body,
  };
  const key = claimedKey(signed);
  const principal = principals.find((one) => one.accessKeyId === key);
  verifySignature(
    signed,
    {
      accessKeyId: "",
      secretAccessKey: "",
      ...principal,
      region,
      service: "sts",
    },
    now(),
  );
  if (principal === undefined) {
    throw new AwsError("UnrecognizedClientException", "");
  }
  return resultBody(principal, requestId);
}

function resultBody({ arn, userId }: Principal, requestId: string): string {
  const result = [
    element("Arn", arn),
    element("UserId", userId),
    element("Account", arn.split(":")[4] ?? ""),
  ].join("");
  return `<GetCallerIdentityResponse xmlns="${namespace}"><GetCallerIdentityResult>${result}</GetCallerIdentityResult><ResponseMetadata>${element("RequestId", requestId)}</ResponseMetadata></GetCallerIdentityResponse>`;
}

function errorBody(code: string, message: string, requestId: string): string {
  const error = `<Error>${element("Type", "Sender")}${element("Code", code)}${element("Message", message)}</Error>`;
  return `<ErrorResponse xmlns="${namespace}">${error}${element("RequestId", requestId)}</ErrorResponse>`;
}
