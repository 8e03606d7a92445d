// The port through which the ECS stand-in runs containers: what it needs of an engine and nothing else, so that real
// Docker and an engine embedded in the devstack can stand behind it. Nobody but the adapter knows an engine's wire.

/** The label on everything the devstack makes in an engine; {@link Engine.removeLabelled} finds it by this. */
export const devstackLabel = "vaultbuddy.devstack";

/** Where a container's network interface lives. */
export type ContainerNetwork =
  | { readonly kind: "bridge" }
  | { readonly kind: "host" }
  | { readonly kind: "none" }
  /** A network made by {@link Engine.createNetwork}. */
  | { readonly kind: "named"; readonly name: string }
  /** Inside the network namespace of another container. */
  | { readonly kind: "shared"; readonly containerId: string };

interface PortMapping {
  readonly containerPort: number;
  /** 0: the engine picks a free one, which {@link ContainerFacts.ports} then names. */
  readonly hostPort: number;
  readonly protocol: "tcp" | "udp";
}

export interface Mount {
  /** Absolute path on the host, or the name of a volume. */
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
}

/** A command the engine runs in the container to learn whether it is well. Times in milliseconds. */
interface HealthCheck {
  /** `["CMD", …]`, `["CMD-SHELL", line]` or `["NONE"]`. */
  readonly command: readonly string[];
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly startPeriodMs: number;
  readonly retries: number;
}

export interface ContainerSpec {
  readonly name: string;
  readonly image: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string>>;
  readonly network: ContainerNetwork;
  /** Absent: the image's own. Setting it drops the image's command. */
  readonly entryPoint?: readonly string[];
  readonly command?: readonly string[];
  readonly user?: string;
  readonly workingDirectory?: string;
  readonly hostname?: string;
  readonly readonlyRootFilesystem?: boolean;
  readonly privileged?: boolean;
  /** Run the engine's own init as process 1. */
  readonly init?: boolean;
  readonly memoryBytes?: number;
  readonly memoryReservationBytes?: number;
  readonly cpuShares?: number;
  readonly ulimits?: readonly {
    readonly name: string;
    readonly soft: number;
    readonly hard: number;
  }[];
  readonly mounts?: readonly Mount[];
  readonly ports?: readonly PortMapping[];
  readonly healthCheck?: HealthCheck;
}

export type Health = "UNKNOWN" | "HEALTHY" | "UNHEALTHY";

/** A port of a container as it is reachable on the host. */
export interface PublishedPort {
  readonly bindIp: string;
  readonly containerPort: number;
  readonly hostPort: number;
  readonly protocol: "tcp" | "udp";
}

/** What the engine says of one container now. */
export interface ContainerFacts {
  readonly id: string;
  readonly name: string;
  /** The image's content address, `sha256:…`. */
  readonly imageDigest: string;
  readonly status: "created" | "running" | "exited";
  /** Only once it has exited. */
  readonly exitCode?: number;
  /** Epoch milliseconds. */
  readonly createdAt: number;
  readonly startedAt?: number;
  readonly health: Health;
  readonly ports: readonly PublishedPort[];
  /** Interfaces in its own namespace: none for `shared` and `host`. */
  readonly addresses: readonly {
    readonly network: string;
    readonly ipv4: string;
    readonly macAddress: string;
    readonly gateway: string;
  }[];
}

export interface NetworkFacts {
  readonly id: string;
  readonly name: string;
  /** IPv4, `a.b.c.d/len`. */
  readonly subnet: string;
  /** The host's own address in it. */
  readonly gateway: string;
}

/** Something that happened to a container, told as it happens. A hint: a cut stream loses events. */
export interface EngineEvent {
  readonly containerId: string;
  readonly kind: "start" | "exit" | "health";
  readonly health?: Health;
}

/** Why the engine did not do what was asked. */
export class EngineError extends Error {
  override readonly name = "EngineError";
  /** `absent`: no such image, container or network. `unreachable`: the engine did not answer. */
  readonly kind: "absent" | "conflict" | "refused" | "unreachable";

  constructor(
    kind: EngineError["kind"],
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
    this.kind = kind;
  }
}

/** Every call but `wait`, `watch` and `stop` ends within the adapter's own deadline; all reject with {@link EngineError}. */
export interface Engine {
  /** Rejects with `unreachable` when there is no engine to talk to. */
  ping(): Promise<{ readonly apiVersion: string }>;
  /** The address of this host that a container on the bridge network reaches. */
  hostAddress(): Promise<string>;
  /** The content address of a local image, or undefined when there is none of that name. */
  imageDigest(image: string): Promise<string | undefined>;
  /** An image whose program only waits, for containers that hold a network namespace. */
  pauseImage(): Promise<string>;
  create(spec: ContainerSpec): Promise<string>;
  start(id: string): Promise<void>;
  /** SIGTERM (or the image's signal), after `graceSeconds` SIGKILL; resolves when it has stopped. */
  stop(id: string, graceSeconds: number): Promise<void>;
  kill(id: string, signal: string): Promise<void>;
  /** Also when it runs; anonymous volumes go with it. Removing what is gone is no error. */
  remove(id: string): Promise<void>;
  inspect(id: string): Promise<ContainerFacts>;
  /** Resolves when the container is not running, at once if it already is not. */
  wait(id: string, signal: AbortSignal): Promise<{ readonly exitCode: number }>;
  /** The last `maxBytes` of what it wrote, both streams in the order they came. */
  logs(id: string, maxBytes?: number): Promise<string>;
  createNetwork(
    name: string,
    labels: Readonly<Record<string, string>>,
  ): Promise<NetworkFacts>;
  removeNetwork(id: string): Promise<void>;
  /** A volume that containers mount by this name; making one that is there is no error. */
  createVolume(
    name: string,
    labels: Readonly<Record<string, string>>,
  ): Promise<void>;
  /** Tells of containers that carry all these labels until the signal; reconnects by itself. */
  watch(
    labels: Readonly<Record<string, string>>,
    onEvent: (event: EngineEvent) => void,
    signal: AbortSignal,
  ): Promise<void>;
  /** Removes containers, networks and volumes with this label (`key=value`); with `images` the images too. Answers how many. */
  removeLabelled(
    label: string,
    options?: { readonly images?: boolean },
  ): Promise<{ containers: number; networks: number; images: number }>;
}
