// The control port: what a test in another process asks of the stand-in that no AWS has, in plain JSON. Only there when
// asked for, only on loopback; it has no authentication.
//
//   POST   /faults   {action, fault, times?}      DELETE /faults[?action=A]
//   PATCH  /delays   {missingMs, …}               GET    /delays
//   PUT    /secrets  {valueFrom: value, …}        PUT    /buckets  {name: {burst, refill}}
//   POST   /definitions   as RegisterTaskDefinition takes it
//   POST   /tasks    a made-up task               PATCH  /tasks    {taskArn, …}    DELETE /tasks?taskArn=A
//   GET    /audit[?action=A]                      DELETE /audit

import { createServer, type IncomingMessage, type Server } from "node:http";
import { AwsError } from "../aws/error.ts";
import { type BucketName, awsRates } from "./bucket.ts";
import { readFault } from "./fault-input.ts";
import { readBody } from "./http-body.ts";
import { Input } from "./input.ts";
import { readJson } from "./protocol.ts";
import { readMadeUpTask } from "./put-task-input.ts";
import { defaultDelays } from "./runner.ts";
import type { AwsHandle } from "./handle.ts";

const maxBodyBytes = 1_048_576;

export function controlServer(handle: AwsHandle): Server {
  return createServer((request, response) => {
    serve(handle, request).then(
      (body) => {
        response
          .writeHead(200, { "Content-Type": "application/json" })
          .end(JSON.stringify(body ?? {}));
      },
      (error: unknown) => {
        const status = error instanceof AwsError ? error.status : 500;
        const message =
          error instanceof AwsError ? error.message : "the stand-in failed";
        response
          .writeHead(status, { "Content-Type": "application/json" })
          .end(JSON.stringify({ error: message }));
      },
    );
  });
}

async function serve(
  handle: AwsHandle,
  request: IncomingMessage,
): Promise<unknown> {
  const body = await readBody(request, maxBodyBytes);
  if (body === undefined)
    throw new AwsError("TooLarge", "the body is too large", 413);
  const url = new URL(request.url ?? "/", "http://control");
  const action = url.searchParams.get("action") ?? undefined;
  const input = readJson(body);
  switch (`${request.method} ${url.pathname}`) {
    case "POST /faults":
      return handle.faults.add(readFault(input));
    case "DELETE /faults":
      return handle.faults.clear(action);
    case "GET /delays":
      return handle.delays;
    case "PATCH /delays":
      return setDelays(handle, input);
    case "PUT /secrets":
      for (const [name, value] of Object.entries(
        new Input({ all: input.raw }).map("all"),
      ))
        handle.secrets.set(name, value);
      return undefined;
    case "PUT /buckets":
      return setBuckets(handle, input);
    case "POST /definitions":
      return handle.putDefinition(input.raw);
    case "POST /tasks":
      return handle.putTask(readMadeUpTask(input));
    case "PATCH /tasks":
      return handle.updateTask(
        input.requiredString("taskArn", "taskArn is missing"),
        readMadeUpTask(input),
      );
    case "DELETE /tasks":
      return handle.removeTask(url.searchParams.get("taskArn") ?? "");
    case "GET /audit":
      return handle.audit.list(action);
    case "DELETE /audit":
      return handle.audit.clear();
    default:
      throw new AwsError("NotFound", "no such control", 404);
  }
}

function setDelays(handle: AwsHandle, input: Input): unknown {
  for (const name of Object.keys(input.raw)) {
    if (!isDelay(name))
      throw new AwsError("BadRequest", `no such delay: ${name.slice(0, 64)}`);
    handle.delays[name] = input.integer(name) ?? handle.delays[name];
  }
  return handle.delays;
}

function isDelay(name: string): name is keyof typeof defaultDelays {
  return Object.hasOwn(defaultDelays, name);
}

function setBuckets(handle: AwsHandle, input: Input): void {
  for (const name of Object.keys(input.raw)) {
    const rate = input.object(name);
    const burst = rate?.integer("burst");
    const refill = rate?.integer("refill");
    if (!isBucket(name) || burst === undefined || refill === undefined) {
      throw new AwsError(
        "BadRequest",
        `a bucket is {name: {burst, refill}}, name one of ${Object.keys(awsRates).join(", ")}`,
      );
    }
    handle.buckets[name].reset({ burst, refill });
  }
}

function isBucket(name: string): name is BucketName {
  return Object.hasOwn(awsRates, name);
}
