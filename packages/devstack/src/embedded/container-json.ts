// A container as the API shows it: whole (`inspect`) and as one element of a list.

import type { Container } from "./container.ts";
import { configJson } from "./image-config.ts";
import { humanSpan, type Instants, iso } from "./instant.ts";
import type { Json } from "./json.ts";
import type { Endpoint } from "./networks.ts";

/** The answer of `GET /containers/ID/json`. */
export function inspectJson(container: Container): Json {
  const { made, endpoint } = container;
  const argv = argvOf(container);
  return {
    Id: made.id,
    Created: iso(made.createdAt),
    Path: argv[0] ?? "",
    Args: argv.slice(1),
    State: stateJson(container),
    Image: made.image.id,
    ResolvConfPath: "",
    HostnamePath: "",
    HostsPath: "",
    LogPath: "",
    Name: `/${made.name}`,
    RestartCount: container.restarts,
    Driver: "embedded",
    Platform: "linux",
    MountLabel: "",
    ProcessLabel: "",
    AppArmorProfile: "",
    ExecIDs: null,
    HostConfig: hostJson(container),
    GraphDriver: { Data: null, Name: "embedded" },
    Mounts: mountsJson(container),
    Config: {
      Hostname: made.id.slice(0, 12),
      Domainname: "",
      ...configJson(made.config),
      Image: made.imageName,
    },
    NetworkSettings: {
      Bridge: "",
      SandboxID: "",
      HairpinMode: false,
      LinkLocalIPv6Address: "",
      LinkLocalIPv6PrefixLen: 0,
      Ports: portsJson(container),
      SandboxKey: "",
      SecondaryIPAddresses: null,
      SecondaryIPv6Addresses: null,
      ...(endpoint?.network.name === "bridge"
        ? addressJson(endpoint)
        : addressJson(undefined)),
      Networks: networksJson(container),
    },
  };
}

function argvOf({ made }: Container): string[] {
  return [...(made.config.entrypoint ?? []), ...(made.config.cmd ?? [])];
}

function stateJson(container: Container): Json {
  const { isRunning, status, health } = container;
  return {
    Status: isRunning ? "running" : status,
    Running: isRunning,
    Paused: false,
    Restarting: false,
    OOMKilled: false,
    Dead: false,
    Pid: container.pid,
    ExitCode: container.exitCode,
    Error: container.error,
    StartedAt: iso(container.startedAt),
    FinishedAt: iso(container.finishedAt),
    ...(health && { Health: health.json() }),
  };
}

function hostJson({ made }: Container): Json {
  const { host } = made;
  return {
    ...host.raw,
    NetworkMode: host.networkMode,
    PortBindings: Object.fromEntries(
      Object.entries(host.ports).map(([port, bindings]) => [
        port,
        bindings.map(({ hostIp, hostPort }) => ({
          HostIp: hostIp,
          HostPort: hostPort,
        })),
      ]),
    ),
    RestartPolicy: {
      Name: host.restart.name,
      MaximumRetryCount: host.restart.most,
    },
    AutoRemove: host.autoRemove,
  };
}

function mountsJson({ made }: Container): Json[] {
  return made.mounts.map(({ kind, name, source, target, mode }) => ({
    Type: kind,
    ...(kind === "volume" && { Name: name }),
    Source: source,
    Destination: target,
    ...(kind === "volume" && { Driver: "local" }),
    Mode: mode,
    RW: !mode.split(",").includes("ro"),
    Propagation: kind === "volume" ? "" : "rprivate",
  }));
}

function portsJson({ made, isRunning, published }: Container): Json {
  if (!isRunning || made.host.networkMode === "host") return {};
  const ports: Record<string, unknown> = Object.fromEntries(
    made.config.exposedPorts.map((port) => [port, null]),
  );
  for (const { containerPort, hostIp, hostPort } of published) {
    const name = `${containerPort}/tcp`;
    const others: unknown = ports[name];
    ports[name] = [
      ...(Array.isArray(others) ? others : []),
      { HostIp: hostIp, HostPort: String(hostPort) },
    ];
  }
  return ports;
}

function addressJson(endpoint: Endpoint | undefined): Json {
  const has = endpoint !== undefined && endpoint.ipv4 !== "";
  return {
    EndpointID: endpoint?.endpointId ?? "",
    Gateway: has ? endpoint.network.gateway : "",
    GlobalIPv6Address: "",
    GlobalIPv6PrefixLen: 0,
    IPAddress: endpoint?.ipv4 ?? "",
    IPPrefixLen: has ? (endpoint.network.range?.prefix ?? 0) : 0,
    IPv6Gateway: "",
    MacAddress: endpoint?.mac ?? "",
  };
}

/** The network stays named when the container has no place in it; one that shares another's has none. */
function networksJson({ made, endpoint }: Container): Json {
  const { networkMode } = made.host;
  if (networkMode.startsWith("container:")) return {};
  const name = networkMode === "default" ? "bridge" : networkMode;
  return {
    [endpoint?.network.name ?? name]: {
      IPAMConfig: null,
      Links: null,
      Aliases: null,
      NetworkID: endpoint?.network.id ?? "",
      ...addressJson(endpoint),
      DriverOpts: null,
    },
  };
}

/** One element of `GET /containers/json`. */
export function listJson(container: Container, instants: Instants): Json {
  const { made } = container;
  return {
    Id: made.id,
    Names: [`/${made.name}`],
    Image: made.imageName,
    ImageID: made.image.id,
    Command: argvOf(container).join(" "),
    Created: Number(made.createdAt / 1_000_000_000n),
    Ports: container.published.map(({ containerPort, hostIp, hostPort }) => ({
      IP: hostIp,
      PrivatePort: containerPort,
      PublicPort: hostPort,
      Type: "tcp",
    })),
    Labels: made.config.labels,
    State: container.isRunning ? "running" : container.status,
    Status: statusWords(container, instants),
    HostConfig: { NetworkMode: made.host.networkMode },
    NetworkSettings: { Networks: networksJson(container) },
    Mounts: mountsJson(container),
  };
}

function statusWords(container: Container, instants: Instants): string {
  const { isRunning, startedAt, finishedAt, health } = container;
  if (isRunning && startedAt !== undefined) {
    const words =
      health === undefined
        ? ""
        : health.status === "starting"
          ? " (health: starting)"
          : ` (${health.status})`;
    return `Up ${humanSpan(instants.now() - startedAt)}${words}`;
  }
  if (container.status === "removing") return "Removal In Progress";
  return finishedAt === undefined
    ? "Created"
    : `Exited (${container.exitCode}) ${humanSpan(instants.now() - finishedAt)} ago`;
}
