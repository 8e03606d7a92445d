// A host for the agent's stories: an engine, the smallest containers that carry the labels of ECS, and an agent beside
// them as a process of its own. A label that nobody else has keeps the stories out of each other's way on one Docker.

import { randomBytes } from "node:crypto";
import { get as httpGet } from "node:http";
import { fileURLToPath } from "node:url";
import { Daemon, freePort } from "@vaultbuddy/devstack";
import { startEmbeddedEngine } from "../../packages/devstack/src/embedded/engine.ts";
import type { EmbeddedEngine } from "../../packages/devstack/src/embedded/engine.ts";
import { dockerEngine } from "../../packages/devstack/src/engine/docker.ts";
import type {
  ContainerSpec,
  Engine,
} from "../../packages/devstack/src/engine/engine.ts";

const main = fileURLToPath(new URL("../../agent/src/main.ts", import.meta.url));

/** The ARN of the n-th task of a cluster. */
export function taskArn(n: number, cluster = "main"): string {
  return `arn:aws:ecs:us-east-1:123456789012:task/${cluster}/${n.toString(16).padStart(32, "0")}`;
}

/** An agent as a process, and its counters. */
export interface RunningAgent {
  readonly daemon: Daemon;
  /** A counter or gauge by its name without the prefix, as `starts_total{by="list"}`; 0 where it is not shown. */
  metric(name: string): Promise<number>;
}

/** What an agent is started with. */
interface AgentStart {
  readonly broker: string;
  /** Where Docker is for it; default: the host's engine itself. */
  readonly docker?: string;
  readonly label: string;
}

/** Starts an agent and waits until it watches. */
async function startAgent({
  broker,
  docker = "",
  label,
}: AgentStart): Promise<RunningAgent> {
  const listen = `127.0.0.1:${await freePort()}`;
  const daemon = new Daemon({
    name: "agent",
    script: main,
    args: ["--broker", broker, "--docker", docker, "--label", label].concat([
      "--listen",
      listen,
      "--log-level",
      "debug",
    ]),
    env: {},
  });
  await daemon.said("the agent watches");
  const metric = async (name: string): Promise<number> => {
    const line = (await get(`http://${listen}/metrics`))
      .split("\n")
      .find((one) => one.startsWith(`vaultbuddy_agent_${name} `));
    return Number(line?.split(" ")[1] ?? 0);
  };
  return { daemon, metric };
}

async function get(url: string): Promise<string> {
  return await new Promise((resolve, reject) => {
    httpGet(url, { timeout: 10_000 }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      answer.on("end", () => resolve(text));
    }).on("error", reject);
  });
}

/** An engine with containers of one story. */
export class Host {
  readonly engine: Engine;
  readonly dockerHost: string;
  /** What the agent is told to look for. */
  readonly label: string;
  readonly embedded: EmbeddedEngine | undefined;
  readonly #image: string;
  readonly #agents: RunningAgent[] = [];
  #named = 0;

  /** The engine at an address, or an embedded one of its own. */
  static async open(dockerHost?: string): Promise<Host> {
    const embedded =
      dockerHost === undefined ? await startEmbeddedEngine() : undefined;
    const address = dockerHost ?? embedded?.dockerHost ?? "";
    const engine = dockerEngine(address);
    try {
      return new Host(address, engine, await engine.pauseImage(), embedded);
    } catch (error) {
      await embedded?.close();
      throw error;
    }
  }

  private constructor(
    dockerHost: string,
    engine: Engine,
    image: string,
    embedded: EmbeddedEngine | undefined,
  ) {
    this.dockerHost = dockerHost;
    this.engine = engine;
    this.embedded = embedded;
    this.#image = image;
    this.label = `vaultbuddy.story=${randomBytes(6).toString("hex")}`;
  }

  /** Creates the n-th task's container, which only waits when it runs; answers its id. */
  async create(n: number, spec: Partial<ContainerSpec> = {}): Promise<string> {
    const [name = "", value = ""] = this.label.split("=");
    this.#named += 1;
    return await this.engine.create({
      name: `story-${value}-${this.#named}`,
      image: this.#image,
      env: {},
      network: { kind: "none" },
      ...spec,
      labels: {
        [name]: value,
        "com.amazonaws.ecs.task-arn": taskArn(n),
        "com.amazonaws.ecs.container-name": "web",
        "com.amazonaws.ecs.cluster": "main",
        // The agent is told of one label; the stories remove what they made by another.
        "vaultbuddy.story-made": value,
        ...spec.labels,
      },
    });
  }

  /** Creates and starts it. */
  async start(n: number, spec: Partial<ContainerSpec> = {}): Promise<string> {
    const id = await this.create(n, spec);
    await this.engine.start(id);
    return id;
  }

  /** An agent for this host's containers. */
  async agent(broker: string, docker?: string): Promise<RunningAgent> {
    const { label, dockerHost } = this;
    const started = await startAgent({
      broker,
      label,
      docker: docker ?? dockerHost,
    });
    this.#agents.push(started);
    return started;
  }

  /** Stops the agents and removes the containers; an embedded engine ends too. */
  async close(): Promise<void> {
    await Promise.all(
      this.#agents
        .filter(({ daemon }) => daemon.running)
        .map(({ daemon }) => daemon.stop()),
    );
    const [, value = ""] = this.label.split("=");
    if (this.embedded === undefined) {
      await this.engine.removeLabelled(`vaultbuddy.story-made=${value}`);
    } else {
      await this.embedded.close();
    }
  }
}
