// adapter: the four calls to AWS, through the SDK for one region. Credentials and endpoints are the SDK's own affair
// (AWS_PROFILE, the task role, AWS_ENDPOINT_URL, …). It returns raw JSON with the server's own time and judges nothing.

import {
  DescribeContainerInstancesCommand,
  DescribeTaskDefinitionCommand,
  DescribeTasksCommand,
  ECSClient,
} from "@aws-sdk/client-ecs";
import { DescribeInstancesCommand, EC2Client } from "@aws-sdk/client-ec2";
import type { Clock } from "@vaultbuddy/common";
import { parseJson } from "@vaultbuddy/common";
import { Agent } from "undici";
import { AwsFault } from "./fault.ts";
import { boundedHandler, faultOf } from "./handler.ts";

/** What AWS answered and when, by AWS's own clock, in milliseconds since 1970. */
export interface AwsAnswer {
  readonly body: unknown;
  readonly date: number;
}

/** The calls of one region. Each throws {@link AwsFault} and ends by itself. */
export interface AwsCalls {
  describeTasks(cluster: string, tasks: readonly string[]): Promise<AwsAnswer>;
  describeTaskDefinition(arn: string): Promise<AwsAnswer>;
  describeContainerInstances(
    cluster: string,
    arns: readonly string[],
  ): Promise<AwsAnswer>;
  /** EC2 answers in XML: this is what the SDK made of it. */
  describeInstances(ids: readonly string[]): Promise<unknown>;
  /** Gives up what is under way. */
  close(): Promise<void>;
}

/** The largest JSON that is parsed; the handler has cut off what is longer. */
const MOST_BYTES = 8 * 1024 * 1024;

/** Opens the clients of one region. `timeout` in milliseconds bounds each call, finding credentials included. */
export function openAws(
  region: string,
  timeout: number,
  clock: Pick<Clock, "sleep">,
): AwsCalls {
  const dispatcher = new Agent({ connections: 16, keepAliveTimeout: 4000 });
  const settings = {
    region,
    maxAttempts: 1,
    requestHandler: boundedHandler(dispatcher, timeout),
  };
  const ecs = new ECSClient(settings);
  const ec2 = new EC2Client(settings);
  const raw = new WeakMap<object, AwsAnswer>();
  ecs.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      if (result.output !== undefined) {
        raw.set(result.output, readRaw(result.response));
      }
      return result;
    },
    { step: "deserialize", name: "keepRawAnswer", priority: "high" },
  );
  const closing = new AbortController();

  const call = async <Output extends object>(
    operation: string,
    send: (signal: AbortSignal) => Promise<Output>,
  ): Promise<Output> => {
    const ended = new AbortController();
    const signal = AbortSignal.any([closing.signal, ended.signal]);
    // The SDK gives its signal to the request only, and may be looking for credentials for a long time before it.
    const late = clock.sleep(timeout, signal).then(() => {
      throw new AwsFault(operation, "timeout");
    });
    try {
      return await Promise.race([send(signal), late]);
    } catch (error) {
      throw closing.signal.aborted
        ? new AwsFault(operation, "closed")
        : faultOf(operation, error);
    } finally {
      ended.abort();
      late.catch(() => undefined);
    }
  };
  const ask = async (
    operation: string,
    send: (signal: AbortSignal) => Promise<object>,
  ): Promise<AwsAnswer> => {
    const answer = raw.get(await call(operation, send));
    if (answer === undefined) {
      throw new AwsFault(operation, "malformed");
    }
    return answer;
  };

  return {
    describeTasks: async (cluster, tasks) =>
      await ask("DescribeTasks", async (abortSignal) =>
        ecs.send(new DescribeTasksCommand({ cluster, tasks: [...tasks] }), {
          abortSignal,
        }),
      ),
    describeTaskDefinition: async (taskDefinition) =>
      await ask("DescribeTaskDefinition", async (abortSignal) =>
        ecs.send(new DescribeTaskDefinitionCommand({ taskDefinition }), {
          abortSignal,
        }),
      ),
    describeContainerInstances: async (cluster, arns) =>
      await ask("DescribeContainerInstances", async (abortSignal) =>
        ecs.send(
          new DescribeContainerInstancesCommand({
            cluster,
            containerInstances: [...arns],
          }),
          { abortSignal },
        ),
      ),
    describeInstances: async (ids) =>
      await call("DescribeInstances", async (abortSignal) =>
        ec2.send(new DescribeInstancesCommand({ InstanceIds: [...ids] }), {
          abortSignal,
        }),
      ),
    close: async () => {
      closing.abort();
      ecs.destroy();
      ec2.destroy();
      await dispatcher.destroy();
    },
  };
}

/** The JSON of an answer and its Date header. Throws when either is missing. */
function readRaw(response: unknown): AwsAnswer {
  const body: unknown = member(response, "body");
  const date: unknown = member(member(response, "headers"), "date");
  const at = typeof date === "string" ? Date.parse(date) : Number.NaN;
  if (!(body instanceof Uint8Array) || Number.isNaN(at)) {
    throw new AwsFault("the call", "malformed", "no_date");
  }
  return { body: parseJson(body, MOST_BYTES), date: at };
}

function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null
    ? Reflect.get(value, name)
    : undefined;
}
