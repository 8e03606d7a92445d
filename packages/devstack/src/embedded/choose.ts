// Docker or the embedded engine: decided once, by asking, and said out loud, so that nobody takes the one for the other.

import { request } from "node:http";
import {
  type EmbeddedOptions,
  type EmbeddedEngine,
  startEmbeddedEngine,
} from "./engine.ts";

/** The variables that decide: `DEVSTACK_ENGINE`, `REQUIRE_DOCKER`, `DOCKER_HOST`. */
export type ChoiceEnv = Readonly<Record<string, string | undefined>>;

/** Which engine, and why. */
export interface EngineChoice {
  readonly kind: "docker" | "embedded";
  /** `unix://…` or `tcp://…`; absent for the embedded one, which has no socket before it is started. */
  readonly dockerHost?: string;
  /** One sentence for people. */
  readonly why: string;
}

/** Resolves when a Docker Engine answers there; rejects with why it doesn't. */
export type Ping = (dockerHost: string) => Promise<void>;

const usualSocket = "unix:///var/run/docker.sock";
const pingMs = 5_000;

/**
 * `DEVSTACK_ENGINE=embedded` or `=docker` decides; otherwise Docker where `DOCKER_HOST` or the usual socket answers, else
 * the embedded engine. With `REQUIRE_DOCKER=1` there is no else. Rejects with a sentence that says what is missing.
 */
export async function chooseEngine(
  env: ChoiceEnv,
  ping: Ping = pingDocker,
): Promise<EngineChoice> {
  const wanted = oneOf(env, "DEVSTACK_ENGINE", ["embedded", "docker"]);
  const required = oneOf(env, "REQUIRE_DOCKER", ["0", "1"]) === "1";
  if (wanted === "embedded" && required)
    throw new Error(
      "DEVSTACK_ENGINE=embedded and REQUIRE_DOCKER=1 contradict each other: unset one of them",
    );
  if (wanted === "embedded")
    return { kind: "embedded", why: "DEVSTACK_ENGINE=embedded asks for it" };
  const dockerHost = env["DOCKER_HOST"] || usualSocket;
  try {
    await ping(dockerHost);
    return {
      kind: "docker",
      dockerHost,
      why: `Docker answers at ${dockerHost}`,
    };
  } catch (error) {
    const reason = error instanceof Error ? error.message : "failed";
    const missing = `no Docker answers at ${dockerHost} (${reason})`;
    if (!required && wanted === undefined)
      return { kind: "embedded", why: missing };
    throw new Error(
      `${missing}, and ${required ? "REQUIRE_DOCKER=1" : "DEVSTACK_ENGINE=docker"} is set: install and start it ` +
        "(Debian: apt-get install docker.io, then dockerd as root, or systemctl start docker), be a member of the " +
        "group docker, or name another one with DOCKER_HOST=unix:///path or tcp://host:port",
      { cause: error },
    );
  }
}

function oneOf(
  env: ChoiceEnv,
  name: string,
  values: readonly string[],
): string | undefined {
  const value = env[name];
  if (value === undefined || value === "" || values.includes(value))
    return value || undefined;
  throw new Error(`${name} must be ${values.join(" or ")}`);
}

/** Asks `GET /_ping`. */
function pingDocker(dockerHost: string): Promise<void> {
  const url = new URL(dockerHost);
  const where =
    url.protocol === "unix:"
      ? { socketPath: url.pathname }
      : { host: url.hostname, port: Number(url.port || "2375") };
  return new Promise((resolve, reject) => {
    const asking = request(
      { ...where, path: "/_ping", signal: AbortSignal.timeout(pingMs) },
      (response) => {
        response.resume();
        if (response.statusCode === 200) resolve();
        else reject(new Error(`it answers ${response.statusCode}`));
      },
    );
    asking.on("error", (error: NodeJS.ErrnoException) =>
      reject(new Error(error.code ?? error.message)),
    );
    asking.end();
  });
}

/** An engine to use. */
export interface OpenEngine {
  readonly kind: "docker" | "embedded";
  /** As `dockerEngine`, the image builders and the agent's `--docker` take it. */
  readonly dockerHost: string;
  readonly why: string;
  /** Only the embedded one: its receivers. */
  readonly embedded?: EmbeddedEngine;
  /** Ends the embedded one and all that runs on it; Docker is left as it is. */
  close(): Promise<void>;
}

/** Chooses, and starts the embedded engine if it is chosen. */
export async function openEngine(
  env: ChoiceEnv,
  options: EmbeddedOptions = {},
  ping: Ping = pingDocker,
): Promise<OpenEngine> {
  const { kind, dockerHost, why } = await chooseEngine(env, ping);
  if (kind === "docker" && dockerHost !== undefined)
    return { kind, dockerHost, why, close: () => Promise.resolve() };
  const embedded = await startEmbeddedEngine(options);
  return {
    kind: "embedded",
    why,
    embedded,
    dockerHost: embedded.dockerHost,
    close: () => embedded.close(),
  };
}
