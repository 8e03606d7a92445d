// AWS's two protocols at the door: AWS JSON 1.1 for ECS, the query protocol with XML for EC2. A request becomes an
// action with its input, an answer or an error becomes status, content type and text.

import { AwsError } from "../aws/error.ts";
import { Input } from "./input.ts";
import { errorResponse } from "./xml.ts";

const target = "AmazonEC2ContainerServiceV20141113.";
const ec2Version = "2016-11-15";

/** What a request asks for. */
export type Ask =
  | { readonly service: "ecs"; readonly action: string }
  | {
      readonly service: "ec2";
      readonly action: string;
      readonly form: URLSearchParams;
    };

/** What goes back. */
export interface Reply {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
}

/** Which service and action; throws UnknownOperationException for what is neither protocol. */
export function readAsk(request: {
  readonly method: string;
  readonly contentType: string;
  readonly amzTarget: string | undefined;
  readonly body: Uint8Array;
}): Ask {
  const type = request.contentType.split(";")[0]?.trim().toLowerCase();
  if (
    request.method === "POST" &&
    type === "application/x-amz-json-1.1" &&
    request.amzTarget?.startsWith(target)
  ) {
    return { service: "ecs", action: request.amzTarget.slice(target.length) };
  }
  if (
    request.method === "POST" &&
    type === "application/x-www-form-urlencoded"
  ) {
    const form = new URLSearchParams(
      Buffer.from(request.body).toString("utf8"),
    );
    const action = form.get("Action");
    if (action !== null) return { service: "ec2", action, form };
  }
  throw new AwsError("UnknownOperationException", "", 404);
}

export function unknownAction(ask: Ask): AwsError {
  if (ask.service === "ecs")
    return new AwsError("UnknownOperationException", "", 400);
  const version = ask.form.get("Version") ?? "";
  return new AwsError(
    "InvalidAction",
    `The action ${ask.action.slice(0, 64)} is not valid for this web service (version ${version.slice(0, 16)}).`,
  );
}

/** EC2 refuses versions it does not have. */
export function checkVersion(form: URLSearchParams): void {
  if (form.get("Version") !== ec2Version) {
    throw new AwsError(
      "NoSuchVersion",
      `The requested version (${(form.get("Version") ?? "").slice(0, 16)}) of service AmazonEC2 does not exist`,
    );
  }
}

/** The request's JSON. Throws SerializationException. */
export function readJson(body: Uint8Array): Input {
  let value: unknown;
  try {
    value =
      body.length === 0
        ? {}
        : JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    throw new AwsError("SerializationException", "the request is no JSON");
  }
  return new Input(value);
}

export function jsonReply(status: number, value: unknown): Reply {
  return {
    status,
    contentType: "application/x-amz-json-1.1",
    text: JSON.stringify(value),
  };
}

export function xmlReply(status: number, text: string): Reply {
  return { status, contentType: "text/xml;charset=UTF-8", text };
}

/** EC2's names and statuses for what ECS calls otherwise ("Common client error codes" of EC2). */
const ec2Names: Readonly<
  Record<
    string,
    {
      readonly code: string;
      readonly status: number;
      readonly message?: string;
    }
  >
> = {
  MissingAuthenticationTokenException: {
    code: "MissingAuthenticationToken",
    status: 403,
  },
  IncompleteSignatureException: { code: "IncompleteSignature", status: 400 },
  UnrecognizedClientException: {
    code: "AuthFailure",
    status: 401,
    message: "AWS was not able to validate the provided access credentials",
  },
  InvalidSignatureException: { code: "SignatureDoesNotMatch", status: 403 },
  ThrottlingException: {
    code: "RequestLimitExceeded",
    status: 503,
    message: "Request limit exceeded.",
  },
  AccessDeniedException: { code: "UnauthorizedOperation", status: 403 },
  ServerException: { code: "InternalError", status: 500 },
};

/** An error in the service's own shape. What is no {@link AwsError} becomes ECS's ServerException, without its text. */
export function errorReply(
  service: "ecs" | "ec2",
  error: unknown,
  requestId: string,
): Reply {
  const known =
    error instanceof AwsError
      ? error
      : new AwsError(
          "ServerException",
          "Service Unavailable. Please try again later.",
          500,
        );
  if (service === "ecs")
    return jsonReply(known.status, {
      __type: known.code,
      message: known.message,
    });
  const own = ec2Names[known.code];
  return xmlReply(
    own?.status ?? known.status,
    errorResponse(
      own?.code ?? known.code,
      own?.message ?? known.message,
      requestId,
    ),
  );
}
