// The HTTP endpoints that ECS puts on a container instance: task metadata version 4, by which a container learns who it
// is, and the agent's introspection, by which the host's software learns the cluster. On real ECS they are at
// 169.254.170.2 and at port 51678; here both are at one address of the host that containers reach.

import { createServer, type Server } from "node:http";
import { Bucket, type Rate } from "./bucket.ts";
import type { ContainerRun } from "./container-run.ts";
import { ecsLabels, pauseName } from "./container-spec.ts";
import { privateDnsName } from "./network-interface.ts";
import type { Runner } from "./runner.ts";
import type { Store } from "./store.ts";
import type { TaskRun } from "./task-run.ts";

/** The agent's default: 40 requests a second and a burst of 60 for the whole host. */
const awsMetadataRate = { burst: 60, refill: 40 };

/** A server that does not listen yet. `cluster` is the name of the one this instance's agent says it belongs to. */
export function metadataServer(
  store: Store,
  runner: Runner,
  cluster: string,
  rate: Rate = awsMetadataRate,
): Server {
  const bucket = new Bucket(rate, () => store.clock.now());
  const server = createServer((request, response) => {
    const found = bucket.take()
      ? answer(store, runner, cluster, request.url ?? "")
      : { status: 429, body: "rate exceeded" };
    if (request.method !== "GET") found.status = 405;
    const body = JSON.stringify(found.body);
    response.writeHead(found.status, {
      "Content-Type": "application/json",
      "Content-Length": Buffer.byteLength(body),
    });
    response.end(body);
  });
  server.requestTimeout = 10_000;
  return server;
}

function answer(
  store: Store,
  runner: Runner,
  cluster: string,
  url: string,
): { status: number; body: unknown } {
  if (url === "/v1/metadata")
    return { status: 200, body: introspection(store, cluster) };
  if (url === "/v1/tasks")
    return { status: 200, body: { Tasks: [...runner.runs].map(agentTask) } };
  const [, endpointId = "", part] =
    /^\/v4\/([^/]+)(?:\/(\w+))?$/.exec(url) ?? [];
  const found = runner.byEndpoint(endpointId);
  if (found === undefined)
    return {
      status: 404,
      body: "V4 metadata handler: unable to get task ARN from request",
    };
  const { run, container } = found;
  if (part === undefined)
    return {
      status: 200,
      body: containerMetadata(store, runner, run, container),
    };
  if (part === "task" || part === "taskWithTags")
    return { status: 200, body: taskMetadata(store, runner, run) };
  return { status: 404, body: "404 page not found" };
}

function introspection(store: Store, cluster: string): unknown {
  return {
    Cluster: cluster,
    ContainerInstanceArn: store.instancesOf(cluster)[0]?.arn ?? null,
    Version: "Amazon ECS Agent - v1.90.0 (00000000)",
  };
}

/** A task as `/v1/tasks` tells it. */
function agentTask({ record, definition, containers }: TaskRun): unknown {
  return {
    Arn: record.taskArn,
    DesiredStatus: record.desiredStatus,
    KnownStatus: record.lastStatus,
    Family: definition.family,
    Version: String(definition.revision),
    Containers: containers.map(({ id, name }) => ({
      DockerId: id ?? "",
      DockerName: "",
      Name: name,
    })),
  };
}

function taskMetadata(store: Store, runner: Runner, run: TaskRun): unknown {
  const { record, definition } = run;
  const { pullStartedAt, pullStoppedAt } = run.pulled;
  const service = /^service:(.*)$/.exec(record.group)?.[1];
  const pause = pauseMetadata(store, runner, run);
  return {
    Cluster:
      runner.options.clusterLabel === "arn"
        ? record.clusterArn
        : run.entry.cluster,
    TaskARN: record.taskArn,
    Family: definition.family,
    Revision: String(definition.revision),
    ...(service !== undefined && { ServiceName: service }),
    DesiredStatus: record.desiredStatus,
    KnownStatus: record.lastStatus,
    ...(pullStartedAt !== undefined && {
      PullStartedAt: iso(pullStartedAt * 1000),
    }),
    ...(pullStoppedAt !== undefined && {
      PullStoppedAt: iso(pullStoppedAt * 1000),
    }),
    AvailabilityZone: record.availabilityZone,
    VPCID: "vpc-00000000000000000",
    LaunchType: record.launchType,
    Containers: [
      ...(pause === undefined ? [] : [pause]),
      ...run.containers
        .filter(({ id }) => id !== undefined)
        .map((container) => containerMetadata(store, runner, run, container)),
    ],
    ClockDrift: {
      ClockErrorBound: 0.5,
      ReferenceTimestamp: iso(store.clock.now()),
      ClockSynchronizationStatus: "SYNCHRONIZED",
    },
  };
}

function containerMetadata(
  store: Store,
  runner: Runner,
  run: TaskRun,
  container: ContainerRun,
): unknown {
  const { definition, facts, exitCode, health } = container;
  const arnOf = run.record.containers.find(
    ({ name }) => name === container.name,
  )?.containerArn;
  return {
    DockerId: container.id ?? "",
    Name: container.name,
    DockerName: facts?.name ?? "",
    Image: definition.image,
    ImageID: facts?.imageDigest ?? "",
    ...(facts !== undefined &&
      facts.ports.length > 0 && { Ports: facts.ports.map(portMetadata) }),
    Labels: {
      ...definition.dockerLabels,
      ...shownLabels(runner, run, container.name),
    },
    DesiredStatus: run.record.desiredStatus,
    KnownStatus: container.status === "PENDING" ? "CREATED" : container.status,
    ...(exitCode !== undefined && { ExitCode: exitCode }),
    Limits: { CPU: definition.cpu, Memory: definition.memory ?? 0 },
    ...(facts !== undefined && { CreatedAt: iso(facts.createdAt) }),
    ...(facts?.startedAt !== undefined && { StartedAt: iso(facts.startedAt) }),
    Type: "NORMAL",
    ...(definition.healthCheck !== undefined && { Health: { status: health } }),
    ...(definition.restartPolicy?.enabled === true && {
      RestartCount: container.restarts,
    }),
    LogDriver: "json-file",
    ContainerARN: arnOf ?? "",
    Networks: networks(store, run, container),
    Snapshotter: "overlayfs",
  };
}

function pauseMetadata(store: Store, runner: Runner, run: TaskRun): unknown {
  const eni = run.networkInterface;
  if (eni === undefined) return undefined;
  return {
    DockerId: eni.pauseId,
    Name: pauseName,
    DockerName: eni.pauseDockerName,
    Image: "amazon/amazon-ecs-pause:0.1.0",
    ImageID: "",
    Labels: shownLabels(runner, run, pauseName),
    DesiredStatus: "RESOURCES_PROVISIONED",
    KnownStatus: "RESOURCES_PROVISIONED",
    Limits: { CPU: 0, Memory: 0 },
    Type: "CNI_PAUSE",
    Networks: networks(store, run),
  };
}

function networks(
  store: Store,
  run: TaskRun,
  container?: ContainerRun,
): unknown[] {
  const eni = run.networkInterface;
  if (eni === undefined) {
    const { networkMode } = run.definition;
    return [
      {
        NetworkMode: networkMode,
        IPv4Addresses: (container?.facts?.addresses ?? []).map(
          ({ ipv4 }) => ipv4,
        ),
      },
    ];
  }
  return [
    {
      NetworkMode: "awsvpc",
      IPv4Addresses: [eni.ipv4],
      AttachmentIndex: 0,
      MACAddress: eni.macAddress,
      IPv4SubnetCIDRBlock: eni.subnet,
      PrivateDNSName: privateDnsName(eni.ipv4, store.place.region),
      SubnetGatewayIpv4Address: `${eni.gateway}/${eni.subnet.split("/")[1]}`,
    },
  ];
}

function shownLabels(
  runner: Runner,
  run: TaskRun,
  name: string,
): Record<string, string> {
  const { record: task, definition, entry } = run;
  return ecsLabels({ runner, task, definition, cluster: entry.cluster }, name);
}

function portMetadata(port: {
  containerPort: number;
  hostPort: number;
  protocol: string;
  bindIp: string;
}): unknown {
  return {
    ContainerPort: port.containerPort,
    Protocol: port.protocol,
    HostPort: port.hostPort,
    HostIp: port.bindIp,
  };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
