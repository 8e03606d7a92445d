// Docker's JSON on one side, the port's values on the other: pure, so that it can be tested without an engine.

import type Docker from "dockerode";
import type {
  ContainerFacts,
  ContainerSpec,
  EngineEvent,
  Health,
  PublishedPort,
} from "./engine.ts";

const nanosecondsPerMs = 1_000_000;

/** The body of `POST /containers/create`. */
export function createOptions(
  spec: ContainerSpec,
): Docker.ContainerCreateOptions {
  const ports = spec.ports ?? [];
  const bindings: Record<string, { HostPort: string }[]> = {};
  for (const { containerPort, hostPort, protocol } of ports) {
    (bindings[`${containerPort}/${protocol}`] ??= []).push({
      HostPort: String(hostPort),
    });
  }
  return {
    name: spec.name,
    Image: spec.image,
    Labels: { ...spec.labels },
    Env: Object.entries(spec.env).map(([name, value]) => `${name}=${value}`),
    ExposedPorts: Object.fromEntries(
      Object.keys(bindings).map((port) => [port, {}]),
    ),
    ...(spec.entryPoint && { Entrypoint: [...spec.entryPoint] }),
    ...(spec.command && { Cmd: [...spec.command] }),
    ...(spec.user !== undefined && { User: spec.user }),
    ...(spec.workingDirectory !== undefined && {
      WorkingDir: spec.workingDirectory,
    }),
    ...(spec.hostname !== undefined && { Hostname: spec.hostname }),
    ...(spec.healthCheck && { Healthcheck: healthConfig(spec.healthCheck) }),
    HostConfig: {
      NetworkMode: networkMode(spec.network),
      PortBindings: bindings,
      // Said explicitly: a daemon that sends its logs away by default could not give them back.
      LogConfig: { Type: "json-file", Config: {} },
      Binds: (spec.mounts ?? []).map(
        ({ source, target, readOnly }) =>
          `${source}:${target}:${readOnly ? "ro" : "rw"}`,
      ),
      Ulimits: (spec.ulimits ?? []).map(({ name, soft, hard }) => ({
        Name: name,
        Soft: soft,
        Hard: hard,
      })),
      ReadonlyRootfs: spec.readonlyRootFilesystem ?? false,
      Privileged: spec.privileged ?? false,
      ...(spec.init !== undefined && { Init: spec.init }),
      ...(spec.memoryBytes !== undefined && { Memory: spec.memoryBytes }),
      ...(spec.memoryReservationBytes !== undefined && {
        MemoryReservation: spec.memoryReservationBytes,
      }),
      ...(spec.cpuShares !== undefined && { CpuShares: spec.cpuShares }),
    },
  };
}

function healthConfig(
  check: NonNullable<ContainerSpec["healthCheck"]>,
): Docker.HealthConfig {
  return {
    Test: [...check.command],
    Interval: check.intervalMs * nanosecondsPerMs,
    Timeout: check.timeoutMs * nanosecondsPerMs,
    StartPeriod: check.startPeriodMs * nanosecondsPerMs,
    Retries: check.retries,
  };
}

function networkMode(network: ContainerSpec["network"]): string {
  switch (network.kind) {
    case "named":
      return network.name;
    case "shared":
      return `container:${network.containerId}`;
    case "bridge":
    case "host":
    case "none":
      return network.kind;
  }
}

/** The answer of `GET /containers/ID/json`. */
export function containerFacts(
  info: Docker.ContainerInspectInfo,
): ContainerFacts {
  const { State: state, NetworkSettings: net } = info;
  const startedAt = Date.parse(state.StartedAt);
  // Docker writes 0001-01-01 for a container that never started.
  const started = startedAt > 0;
  const status = state.Running
    ? "running"
    : state.Status === "created"
      ? "created"
      : "exited";
  return {
    id: info.Id,
    name: info.Name.replace(/^\//, ""),
    imageDigest: info.Image,
    status,
    ...(status === "exited" && { exitCode: state.ExitCode }),
    createdAt: Date.parse(info.Created),
    ...(started && { startedAt }),
    health: healthOf(state.Health?.Status),
    ports: publishedPorts(net.Ports),
    addresses: Object.entries(net.Networks)
      .filter(([, one]) => one.IPAddress !== "")
      .map(([network, one]) => ({
        network,
        ipv4: one.IPAddress,
        macAddress: one.MacAddress,
        gateway: one.Gateway,
      })),
  };
}

function publishedPorts(
  ports: Docker.ContainerInspectInfo["NetworkSettings"]["Ports"],
): PublishedPort[] {
  return Object.entries(ports).flatMap(([name, bindings]) => {
    const [port = "", protocol] = name.split("/");
    return (bindings ?? []).map(({ HostIp, HostPort }) => ({
      bindIp: HostIp,
      containerPort: Number(port),
      hostPort: Number(HostPort),
      protocol: protocol === "udp" ? ("udp" as const) : ("tcp" as const),
    }));
  });
}

function healthOf(status: string | undefined): Health {
  return status === "healthy"
    ? "HEALTHY"
    : status === "unhealthy"
      ? "UNHEALTHY"
      : "UNKNOWN";
}

/** One line of `GET /events`, or undefined for what the port does not tell. */
export function engineEvent(line: unknown): EngineEvent | undefined {
  const action = text(line, "Action");
  const containerId = text(field(line, "Actor"), "ID");
  if (action === undefined || containerId === undefined) return undefined;
  if (action === "start") return { containerId, kind: "start" };
  if (action === "die") return { containerId, kind: "exit" };
  // Docker puts the status behind a colon: `health_status: healthy`.
  const health = /^health_status: *(\w+)/.exec(action)?.[1];
  return health === undefined
    ? undefined
    : { containerId, kind: "health", health: healthOf(health) };
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null
    ? Reflect.get(value, name)
    : undefined;
}

function text(value: unknown, name: string): string | undefined {
  const found = field(value, name);
  return typeof found === "string" ? found : undefined;
}
