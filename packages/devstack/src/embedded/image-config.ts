// What an image says about how it starts, and how a container's own wishes are laid over it: Docker's rules, member by
// member (moby daemon/commit.go merge).

import { withEnv } from "./dockerfile.ts";
import { ApiFault } from "./fault.ts";
import {
  type Json,
  numberAt,
  objectAt,
  tableAt,
  textAt,
  textsAt,
} from "./json.ts";

/** A command by which the engine learns whether a container is well. Times in nanoseconds; 0: Docker's default. */
export interface HealthTest {
  readonly test: readonly string[];
  readonly interval: number;
  readonly timeout: number;
  readonly startPeriod: number;
  readonly retries: number;
}

export interface ImageConfig {
  readonly env: readonly string[];
  readonly cmd: readonly string[] | undefined;
  readonly entrypoint: readonly string[] | undefined;
  readonly workingDir: string;
  readonly user: string;
  readonly labels: Readonly<Record<string, string>>;
  /** `80/tcp`. */
  readonly exposedPorts: readonly string[];
  readonly volumes: readonly string[];
  readonly stopSignal: string | undefined;
  readonly health: HealthTest | undefined;
}

export const emptyConfig: ImageConfig = {
  env: [],
  cmd: undefined,
  entrypoint: undefined,
  workingDir: "",
  user: "",
  labels: {},
  exposedPorts: [],
  volumes: [],
  stopSignal: undefined,
  health: undefined,
};

/** The `Config` of a request. */
export function readConfig(body: Json): ImageConfig {
  const workingDir = textAt(body, "WorkingDir") ?? "";
  if (workingDir !== "" && !workingDir.startsWith("/"))
    throw new ApiFault(
      400,
      `the working directory '${workingDir.slice(0, 200)}' is invalid, it needs to be an absolute path`,
    );
  return {
    env: textsAt(body, "Env") ?? [],
    cmd: textsAt(body, "Cmd"),
    entrypoint: textsAt(body, "Entrypoint"),
    workingDir,
    user: textAt(body, "User") ?? "",
    labels: tableAt(body, "Labels") ?? {},
    exposedPorts: Object.keys(objectAt(body, "ExposedPorts")).map((port) =>
      port.includes("/") ? port : `${port}/tcp`,
    ),
    volumes: Object.keys(objectAt(body, "Volumes")),
    stopSignal: textAt(body, "StopSignal"),
    health: readHealth(body),
  };
}

function readHealth(body: Json): HealthTest | undefined {
  if (body["Healthcheck"] === undefined || body["Healthcheck"] === null)
    return undefined;
  const check = objectAt(body, "Healthcheck");
  const span = (name: string): number => {
    const value = numberAt(check, name) ?? 0;
    if (value !== 0 && value < 1_000_000)
      throw new ApiFault(400, `${name} in Healthcheck cannot be less than 1ms`);
    return value;
  };
  const retries = numberAt(check, "Retries") ?? 0;
  if (retries < 0)
    throw new ApiFault(400, "Retries in Healthcheck cannot be negative");
  return {
    test: textsAt(check, "Test") ?? [],
    interval: span("Interval"),
    timeout: span("Timeout"),
    startPeriod: span("StartPeriod"),
    retries,
  };
}

/** A container's configuration over its image's. */
export function mergeConfig(own: ImageConfig, image: ImageConfig): ImageConfig {
  const noEntrypoint = (own.entrypoint ?? []).length === 0;
  const cmd =
    noEntrypoint && (own.cmd ?? []).length === 0 ? image.cmd : own.cmd;
  const entrypoint = own.entrypoint ?? image.entrypoint;
  return {
    env: withEnv([...own.env, ...missing(image.env, own.env)], []),
    cmd,
    // A single empty word is how a client says: none.
    entrypoint:
      entrypoint?.length === 1 && entrypoint[0] === "" ? undefined : entrypoint,
    workingDir: own.workingDir || image.workingDir,
    user: own.user || image.user,
    labels: { ...image.labels, ...own.labels },
    exposedPorts: [...new Set([...own.exposedPorts, ...image.exposedPorts])],
    volumes: [...new Set([...own.volumes, ...image.volumes])],
    stopSignal: own.stopSignal ?? image.stopSignal,
    health: mergeHealth(own.health, image.health),
  };
}

function missing(from: readonly string[], has: readonly string[]): string[] {
  const names = new Set(has.map((line) => line.split("=", 1)[0]));
  return from.filter((line) => !names.has(line.split("=", 1)[0]));
}

function mergeHealth(
  own: HealthTest | undefined,
  image: HealthTest | undefined,
): HealthTest | undefined {
  if (own === undefined || image === undefined) return own ?? image;
  return {
    test: own.test.length > 0 ? own.test : image.test,
    interval: own.interval || image.interval,
    timeout: own.timeout || image.timeout,
    startPeriod: own.startPeriod || image.startPeriod,
    retries: own.retries || image.retries,
  };
}

/** As `Config` is shown, without what only a container has. */
export function configJson(config: ImageConfig): Json {
  const { health } = config;
  return {
    User: config.user,
    AttachStdin: false,
    AttachStdout: false,
    AttachStderr: false,
    ...(config.exposedPorts.length > 0 && {
      ExposedPorts: Object.fromEntries(
        config.exposedPorts.map((port) => [port, {}]),
      ),
    }),
    Tty: false,
    OpenStdin: false,
    StdinOnce: false,
    Env: config.env.length === 0 ? null : config.env,
    Cmd: config.cmd ?? null,
    ...(health && {
      Healthcheck: {
        Test: health.test,
        ...(health.interval > 0 && { Interval: health.interval }),
        ...(health.timeout > 0 && { Timeout: health.timeout }),
        ...(health.startPeriod > 0 && { StartPeriod: health.startPeriod }),
        ...(health.retries > 0 && { Retries: health.retries }),
      },
    }),
    Volumes:
      config.volumes.length === 0
        ? null
        : Object.fromEntries(config.volumes.map((path) => [path, {}])),
    WorkingDir: config.workingDir,
    Entrypoint: config.entrypoint ?? null,
    OnBuild: null,
    Labels: config.labels,
    ...(config.stopSignal !== undefined && { StopSignal: config.stopSignal }),
  };
}
