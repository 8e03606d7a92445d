// The HTTP door of the account: read a request, check its signature, let a planned fault strike, throttle, answer, and
// note it. The order is AWS's: who is not known is not throttled, and who is throttled is not looked up.

import { randomUUID } from "node:crypto";
import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { type ActionContext, ec2Actions, ecsActions } from "./actions.ts";
import type { Audit } from "./audit.ts";
import { AwsError } from "../aws/error.ts";
import { throttled } from "./aws-error.ts";
import type { Buckets } from "./bucket.ts";
import { type Fault, type FaultPlan } from "./fault-plan.ts";
import { readBody } from "./http-body.ts";
import {
  type Ask,
  checkVersion,
  errorReply,
  jsonReply,
  readAsk,
  readJson,
  type Reply,
  unknownAction,
  xmlReply,
} from "./protocol.ts";
import { verifySignature } from "../aws/sigv4.ts";
import { response as xmlResponse } from "./xml.ts";

export interface DoorOptions {
  readonly context: ActionContext;
  readonly buckets: Buckets;
  readonly faults: FaultPlan;
  readonly audit: Audit;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly closed: AbortSignal;
}

const maxBodyBytes = 1_048_576;
/** What `huge` sends: more than any client should be willing to hold. */
const hugeBytes = 64 * 1_048_576;

export function awsServer(options: DoorOptions): Server {
  const server = createServer((request, response) => {
    handle(options, request, response).catch(() => response.destroy());
  });
  // A request that hangs on purpose is ended by its client or by close(), not by a timeout of ours.
  server.requestTimeout = 0;
  server.keepAliveTimeout = 20_000;
  return server;
}

async function handle(
  options: DoorOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { store } = options.context;
  const time = store.clock.now();
  const requestId = randomUUID();
  const body = await readBody(request, maxBodyBytes);
  if (body === undefined)
    return send(
      options,
      response,
      requestId,
      jsonReply(413, { __type: "RequestEntityTooLarge" }),
    );
  let ask: Ask | undefined;
  let arns = 0;
  const note = (status: number): void =>
    options.audit.add({ time, action: ask?.action ?? "", arns, status });
  let reply: Reply;
  try {
    ask = readAsk({
      method: request.method ?? "",
      contentType: request.headers["content-type"] ?? "",
      amzTarget: one(request.headers["x-amz-target"]),
      body,
    });
    arns = countNamed(ask, body);
    authenticate(options, request, body, ask.service, time);
    const fault = options.faults.next(ask.action);
    if (
      fault !== undefined &&
      (await strike(options, fault, ask, requestId, response)) === "over"
    ) {
      return note(
        response.statusCode === 200 && !response.headersSent
          ? 0
          : response.statusCode,
      );
    }
    reply = answer(options, ask, body, requestId);
  } catch (error) {
    reply = errorReply(ask?.service ?? "ecs", error, requestId);
  }
  note(reply.status);
  send(options, response, requestId, reply);
}

function authenticate(
  options: DoorOptions,
  request: IncomingMessage,
  body: Uint8Array,
  service: "ecs" | "ec2",
  now: number,
): void {
  const { accessKeyId, secretAccessKey } = options;
  const { region } = options.context.store.place;
  const signed = {
    method: request.method ?? "",
    target: request.url ?? "/",
    headers: request.headers,
    body,
  };
  verifySignature(
    signed,
    { accessKeyId, secretAccessKey, region, service },
    now,
  );
}

function answer(
  { context, buckets }: DoorOptions,
  ask: Ask,
  body: Uint8Array,
  requestId: string,
): Reply {
  if (ask.service === "ecs") {
    const action = ecsActions.get(ask.action);
    if (action === undefined) throw unknownAction(ask);
    if (!buckets[action.bucket].take()) throw throttled();
    return jsonReply(200, action.answer(context, readJson(body)));
  }
  const action = ec2Actions.get(ask.action);
  if (action === undefined) throw unknownAction(ask);
  checkVersion(ask.form);
  if (!buckets[action.bucket].take()) throw throttled();
  return xmlReply(
    200,
    xmlResponse(ask.action, requestId, action.answer(context, ask.form)),
  );
}

/** Does the fault. `over`: the request has had its answer, or will have none. */
async function strike(
  options: DoorOptions,
  fault: Fault,
  ask: Ask,
  requestId: string,
  response: ServerResponse,
): Promise<"over" | "goes on"> {
  switch (fault.kind) {
    case "delay":
      await options.context.store.clock.sleep(fault.ms, options.closed);
      return "goes on";
    case "throttled":
      throw throttled();
    case "error500":
      throw new AwsError(
        "ServerException",
        "Service Unavailable. Please try again later.",
        500,
      );
    case "error":
      throw new AwsError(fault.code, fault.message, fault.status ?? 400);
    case "html":
      send(options, response, requestId, {
        status: 200,
        contentType: "text/html",
        text: "<html><body><h1>It works!</h1></body></html>",
      });
      return "over";
    case "truncated":
      // Well-formed HTTP, JSON that ends in the middle.
      send(options, response, requestId, {
        ...jsonReply(200, {}),
        text: '{"tasks":[{"taskArn":"arn:aws:ecs',
      });
      return "over";
    case "huge":
      sendHuge(options, response, requestId, ask.service);
      return "over";
    case "hang":
      return "over";
    case "reset":
      response.destroy();
      return "over";
  }
}

function sendHuge(
  options: DoorOptions,
  response: ServerResponse,
  requestId: string,
  service: "ecs" | "ec2",
): void {
  response.writeHead(
    200,
    headers(
      options,
      requestId,
      service === "ecs" ? "application/x-amz-json-1.1" : "text/xml",
    ),
  );
  response.write(service === "ecs" ? '{"tasks":[],"padding":"' : "<padding>");
  const chunk = Buffer.alloc(65_536, "x");
  let left = hugeBytes;
  const more = (): void => {
    while (left > 0 && !response.destroyed) {
      left -= chunk.length;
      if (!response.write(chunk)) return;
    }
    response.end(service === "ecs" ? '"}' : "</padding>");
  };
  response.on("drain", more);
  more();
}

function send(
  options: DoorOptions,
  response: ServerResponse,
  requestId: string,
  reply: Reply,
): void {
  response.writeHead(reply.status, {
    ...headers(options, requestId, reply.contentType),
    "Content-Length": Buffer.byteLength(reply.text),
  });
  response.end(reply.text);
}

function headers(
  { context }: DoorOptions,
  requestId: string,
  contentType: string,
): Record<string, string> {
  return {
    "x-amzn-RequestId": requestId,
    "Content-Type": contentType,
    // Said by the stand-in's clock, not the machine's: who validates ages goes by this header.
    Date: new Date(context.store.clock.now()).toUTCString(),
  };
}

/** How many tasks, instances or clusters a request names, for the audit; 0 when that can't be said. */
function countNamed(ask: Ask, body: Uint8Array): number {
  if (ask.service === "ec2")
    return [...ask.form.keys()].filter((name) => name.startsWith("InstanceId."))
      .length;
  try {
    const { raw } = readJson(body);
    const lists = [raw["tasks"], raw["containerInstances"], raw["clusters"]];
    return lists.reduce<number>(
      (sum, value) => sum + (Array.isArray(value) ? value.length : 0),
      0,
    );
  } catch {
    return 0;
  }
}

function one(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
