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
  return new Clients(region, timeout, clock);
}

class Clients implements AwsCalls {
  readonly #ecs: ECSClient;
  readonly #ec2: EC2Client;
  readonly #dispatcher: Agent;
  readonly #timeout: number;
  readonly #clock: Pick<Clock, "sleep">;
  readonly #closing = new AbortController();
  /** The raw answer behind each of the SDK's outputs. */
  readonly #raw = new WeakMap<object, AwsAnswer>();

  constructor(region: string, timeout: number, clock: Pick<Clock, "sleep">) {
    this.#timeout = timeout;
    this.#clock = clock;
    this.#dispatcher = new Agent({ connections: 16, keepAliveTimeout: 4000 });
    const settings = {
      region,
      maxAttempts: 1,
      requestHandler: boundedHandler(this.#dispatcher, timeout),
    };
    this.#ecs = new ECSClient(settings);
    this.#ec2 = new EC2Client(settings);
    this.#ecs.middlewareStack.add(
      (next) => async (args) => {
        const result = await next(args);
        if (result.output !== undefined) {
          this.#raw.set(result.output, readRaw(result.response));
        }
        return result;
      },
      { step: "deserialize", name: "keepRawAnswer", priority: "high" },
    );
  }

  async describeTasks(
    cluster: string,
    tasks: readonly string[],
  ): Promise<AwsAnswer> {
    const command = new DescribeTasksCommand({ cluster, tasks: [...tasks] });
    return await this.#ask("DescribeTasks", async (abortSignal) =>
      this.#ecs.send(command, { abortSignal }),
    );
  }

  async describeTaskDefinition(taskDefinition: string): Promise<AwsAnswer> {
    const command = new DescribeTaskDefinitionCommand({ taskDefinition });
    return await this.#ask("DescribeTaskDefinition", async (abortSignal) =>
      this.#ecs.send(command, { abortSignal }),
    );
  }

  async describeContainerInstances(
    cluster: string,
    arns: readonly string[],
  ): Promise<AwsAnswer> {
    const command = new DescribeContainerInstancesCommand({
      cluster,
      containerInstances: [...arns],
    });
    return await this.#ask("DescribeContainerInstances", async (abortSignal) =>
      this.#ecs.send(command, { abortSignal }),
    );
  }

  async describeInstances(ids: readonly string[]): Promise<unknown> {
    const command = new DescribeInstancesCommand({ InstanceIds: [...ids] });
    return await this.#bounded("DescribeInstances", async (abortSignal) =>
      this.#ec2.send(command, { abortSignal }),
    );
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#ecs.destroy();
    this.#ec2.destroy();
    await this.#dispatcher.destroy();
  }

  async #ask(
    operation: string,
    send: (signal: AbortSignal) => Promise<object>,
  ): Promise<AwsAnswer> {
    const answer = this.#raw.get(await this.#bounded(operation, send));
    if (answer === undefined) {
      throw new AwsFault(operation, "malformed");
    }
    return answer;
  }

  /** The SDK gives its signal to the request only, and may be looking for credentials for a long time before it. */
  async #bounded<Output extends object>(
    operation: string,
    send: (signal: AbortSignal) => Promise<Output>,
  ): Promise<Output> {
    const ended = new AbortController();
    const signal = AbortSignal.any([this.#closing.signal, ended.signal]);
    const late = this.#clock.sleep(this.#timeout, signal).then(() => {
      throw new AwsFault(operation, "timeout");
    });
    try {
      return await Promise.race([send(signal), late]);
    } catch (error) {
      throw this.#closing.signal.aborted
        ? new AwsFault(operation, "closed")
        : faultOf(operation, error);
    } finally {
      ended.abort();
    }
  }
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
