// The ECS and EC2 stand-in as one thing to start: the account's store, the runner of tasks, and the doors to them.

import type { AddressInfo } from "node:net";
import type { Server } from "node:http";
import type { Engine } from "../engine/engine.ts";
import { buildPauseImage } from "../engine/image.ts";
import { Audit } from "./audit.ts";
import { AwsError } from "./aws-error.ts";
import { type BucketName, makeBuckets, type Rate } from "./bucket.ts";
import { type Clock, type Hex, randomHex, systemClock } from "./clock.ts";
import { controlServer } from "./control.ts";
import {
  awsDefinitionLimits,
  type DefinitionLimits,
} from "./definition-input.ts";
import { awsServer } from "./door.ts";
import { FaultPlan } from "./fault-plan.ts";
import type { AwsHandle, AwsStack } from "./handle.ts";
import { metadataServer } from "./metadata.ts";
import { madeUpContainer, type MadeUpTask, putTask } from "./put-task.ts";
import type { TaskRecord } from "./records.ts";
import { defaultDelays, type Delays, Runner } from "./runner.ts";
import { Store } from "./store.ts";

export interface AwsOptions {
  /** What containers run on. Without one the stand-in answers everything, and RunTask fails. */
  readonly engine?: Engine;
  /** `host:port` of the AWS endpoint; port 0 picks one. Default `127.0.0.1:0`. */
  readonly listen?: string;
  /** `host:port` of the control port; absent: none. */
  readonly control?: string;
  /** Twelve digits. Default `123456789012`. */
  readonly account?: string;
  /** Default `us-east-1`. */
  readonly region?: string;
  /** Made-up credentials; random when absent. */
  readonly accessKeyId?: string;
  readonly secretAccessKey?: string;
  /** Clusters that are there from the start; the first is the one the introspection names. Default `default`. */
  readonly clusters?: readonly string[];
  /** Where containers reach this host. Default: the engine's bridge gateway, or loopback without an engine. */
  readonly hostAddress?: string;
  /** The private IPv4 that DescribeInstances answers. Default: `hostAddress`. */
  readonly instanceAddress?: string;
  readonly delays?: Partial<Delays>;
  readonly rates?: Partial<Record<BucketName, Rate>>;
  /** How fast one host's metadata endpoint answers; the agent's default is a burst of 60 and 40 a second. */
  readonly metadataRate?: Rate;
  /** ECS's lower bounds of the health check's interval and the restart attempt period. */
  readonly limits?: Partial<DefinitionLimits>;
  readonly secrets?: Readonly<Record<string, string>>;
  readonly clusterLabel?: "name" | "arn";
  readonly clock?: Clock;
  readonly hex?: Hex;
  /** Answers the name of the pause image; default: builds it on the local Docker. */
  readonly pauseImage?: () => Promise<string>;
}

/** Starts it; rejects when an address can't be listened on or the engine does not answer. */
export async function startAws(options: AwsOptions = {}): Promise<AwsStack> {
  if (
    options.control !== undefined &&
    !/^(127\.\d+\.\d+\.\d+|localhost|\[::1\]):\d+$/.test(options.control)
  ) {
    throw new Error(
      "the control port has no authentication: it listens on loopback only",
    );
  }
  const {
    engine,
    region = "us-east-1",
    account = "123456789012",
    hex = randomHex,
    clock = systemClock(),
  } = options;
  const clusters = options.clusters ?? ["default"];
  const cluster = clusters[0] ?? "default";
  const hostAddress =
    options.hostAddress ?? (await engine?.hostAddress()) ?? "127.0.0.1";
  const store = new Store(
    { partition: "aws", account, region },
    clock,
    hex,
    options.instanceAddress ?? hostAddress,
  );
  for (const name of [cluster, ...clusters]) store.addCluster(name);
  const runner = new Runner({
    clock,
    hex,
    engine,
    region,
    delays: { ...defaultDelays, ...options.delays },
    pauseImage: options.pauseImage ?? (() => buildPauseImage()),
    secrets: new Map(Object.entries(options.secrets ?? {})),
    clusterLabel: options.clusterLabel ?? "name",
  });
  const handle = makeHandle(
    store,
    runner,
    makeBuckets(options.rates ?? {}, () => clock.now()),
  );
  const credentials = {
    accessKeyId: options.accessKeyId ?? `AKIA${hex(16).toUpperCase()}`,
    secretAccessKey: options.secretAccessKey ?? hex(40),
  };
  const context = {
    store,
    runner,
    tokens: new Map(),
    limits: { ...awsDefinitionLimits, ...options.limits },
  };
  const closed = runner.closed.signal;
  const aws = awsServer({ context, ...handle, ...credentials, closed });
  const metadata = metadataServer(store, runner, cluster, options.metadataRate);
  const control =
    options.control === undefined ? undefined : controlServer(handle);
  const servers = [aws, metadata, ...(control === undefined ? [] : [control])];
  const close = async (): Promise<void> => {
    const ended = servers.map(shut);
    await runner.close();
    await Promise.all(ended);
  };
  try {
    const endpoint = await listen(aws, options.listen ?? "127.0.0.1:0");
    runner.metadataUrl = await listen(metadata, `${hostAddress}:0`);
    const controlUrl =
      control && (await listen(control, options.control ?? ""));
    return {
      ...handle,
      ...credentials,
      endpoint,
      metadataUrl: runner.metadataUrl,
      controlUrl,
      account,
      region,
      cluster,
      clusterArn: store.addCluster(cluster).arn,
      hostAddress,
      stackId: runner.stackId,
      env: {
        AWS_ENDPOINT_URL: endpoint,
        AWS_REGION: region,
        AWS_ACCESS_KEY_ID: credentials.accessKeyId,
        AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      },
      logs: (taskArn, name) => logsOf(runner, taskArn, name),
      containerId: (taskArn, name) =>
        runner.run(taskArn)?.containers.find((one) => one.name === name)?.id,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function makeHandle(
  store: Store,
  runner: Runner,
  buckets: AwsHandle["buckets"],
): AwsHandle {
  const recordOf = (taskArn: string): TaskRecord => {
    const record = store.task(taskArn)?.record;
    if (record === undefined)
      throw new AwsError("NotFound", "no such task", 404);
    return record;
  };
  return {
    audit: new Audit(),
    buckets,
    faults: new FaultPlan(),
    delays: runner.options.delays,
    secrets: runner.options.secrets,
    putTask: (task) => putTask(store, task),
    updateTask: (taskArn, change: MadeUpTask) => {
      const { cluster: _, family: __, containers, ...members } = change;
      const record = Object.assign(recordOf(taskArn), members);
      record.containers = (containers ?? record.containers).map((one) => ({
        ...madeUpContainer(store, taskArn, one),
        ...record.containers.find(({ name }) => name === one.name),
        ...one,
      }));
      record.version += 1;
      return record;
    },
    removeTask: (taskArn) => store.removeTask(taskArn),
  };
}

async function logsOf(
  runner: Runner,
  taskArn: string,
  name: string,
): Promise<string> {
  const container = runner
    .run(taskArn)
    ?.containers.find((one) => one.name === name);
  if (container === undefined)
    throw new Error(`no task ${taskArn} with a container ${name}`);
  return container.id === undefined ? "" : runner.engine.logs(container.id);
}

async function listen(server: Server, address: string): Promise<string> {
  const { hostname, port } = new URL(`http://${address}`);
  const bare = hostname.replace(/^\[(.*)\]$/, "$1");
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(Number(port), bare, resolve);
  });
  const bound = server.address() as AddressInfo;
  return `http://${hostname}:${bound.port}`;
}

function shut(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
