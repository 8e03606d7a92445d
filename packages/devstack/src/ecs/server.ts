// The ECS and EC2 stand-in as one thing to start: the account's store, the runner of tasks, and the doors to them.

import type { Server } from "node:http";
import { makeBuckets } from "./bucket.ts";
import { randomHex, systemClock } from "./clock.ts";
import { controlServer } from "./control.ts";
import { awsDefinitionLimits } from "./definition-input.ts";
import { awsServer } from "./door.ts";
import type { AwsStack } from "./handle.ts";
import { logsOf, makeHandle } from "./make-handle.ts";
import { metadataServer } from "./metadata.ts";
import type { AwsOptions } from "./options.ts";
import { defaultDelays, Runner } from "./runner.ts";
import { Store } from "./store.ts";

export type { AwsOptions } from "./options.ts";

const loopback = /^(127\.\d+\.\d+\.\d+|localhost|\[::1\]):\d+$/;

/** Starts it; rejects when an address can't be listened on or the engine does not answer. */
export async function startAws(options: AwsOptions = {}): Promise<AwsStack> {
  if (options.control !== undefined && !loopback.test(options.control)) {
    throw new Error(
      "the control port has no authentication: it listens on loopback only",
    );
  }
  const hostAddress =
    options.hostAddress ?? (await options.engine?.hostAddress()) ?? "127.0.0.1";
  const account = openAccount(options, hostAddress);
  const { store, runner, handle, cluster, credentials } = account;
  const servers = openDoors(account, options);
  const close = async (): Promise<void> => {
    const ended = Object.values(servers).map(shut);
    await runner.close();
    await Promise.all(ended);
  };
  try {
    const addresses = await listenAll(servers, options, hostAddress);
    runner.metadataUrl = addresses.metadataUrl;
    return {
      ...handle,
      ...credentials,
      ...addresses,
      account: store.place.account,
      region: store.place.region,
      cluster,
      clusterArn: store.addCluster(cluster).arn,
      hostAddress,
      stackId: runner.stackId,
      env: {
        AWS_ENDPOINT_URL: addresses.endpoint,
        AWS_REGION: store.place.region,
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

type Account = ReturnType<typeof openAccount>;

function openAccount(options: AwsOptions, hostAddress: string) {
  const {
    hex = randomHex,
    clock = systemClock(),
    region = "us-east-1",
    account = "123456789012",
  } = options;
  const clusters = options.clusters ?? ["default"];
  const cluster = clusters[0] ?? "default";
  const store = new Store(
    { partition: "aws", account, region },
    clock,
    hex,
    options.instanceAddress ?? hostAddress,
  );
  for (const name of [cluster, ...clusters]) store.addCluster(name);
  const runner = newRunner(options, { clock, hex, region });
  const limits = { ...awsDefinitionLimits, ...options.limits };
  const buckets = makeBuckets(options.rates ?? {}, () => clock.now());
  const handle = makeHandle(store, runner, { limits, buckets });
  const credentials = {
    accessKeyId: options.accessKeyId ?? `AKIA${hex(16).toUpperCase()}`,
    secretAccessKey: options.secretAccessKey ?? hex(40),
  };
  return { store, runner, handle, limits, cluster, credentials };
}

interface Doors {
  readonly aws: Server;
  readonly metadata: Server;
  readonly control: Server | undefined;
}

function openDoors(
  { store, runner, handle, limits, cluster, credentials }: Account,
  options: AwsOptions,
): Doors {
  const context = { store, runner, tokens: new Map(), limits };
  return {
    aws: awsServer({
      context,
      ...handle,
      ...credentials,
      closed: runner.closed.signal,
    }),
    metadata: metadataServer(store, runner, cluster, options.metadataRate),
    control: options.control === undefined ? undefined : controlServer(handle),
  };
}

function newRunner(
  options: AwsOptions,
  {
    clock,
    hex,
    region,
  }: Required<Pick<AwsOptions, "clock" | "hex" | "region">>,
): Runner {
  return new Runner({
    clock,
    hex,
    region,
    engine: options.engine,
    delays: { ...defaultDelays, ...options.delays },
    secrets: new Map(Object.entries(options.secrets ?? {})),
    clusterLabel: options.clusterLabel ?? "name",
  });
}

async function listenAll(
  { aws, metadata, control }: Doors,
  options: AwsOptions,
  hostAddress: string,
): Promise<Pick<AwsStack, "endpoint" | "metadataUrl" | "controlUrl">> {
  return {
    endpoint: await listen(aws, options.listen ?? "127.0.0.1:0"),
    metadataUrl: await listen(metadata, `${hostAddress}:0`),
    controlUrl: control && (await listen(control, options.control ?? "")),
  };
}

async function listen(server: Server, address: string): Promise<string> {
  const { hostname, port } = new URL(`http://${address}`);
  const bare = hostname.replace(/^\[(.*)\]$/, "$1");
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(Number(port), bare, resolve);
  });
  const bound = server.address();
  if (bound === null || typeof bound === "string")
    throw new Error(`cannot listen on ${address}`);
  return `http://${hostname}:${bound.port}`;
}

function shut(server: Server | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (server === undefined) return resolve();
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
