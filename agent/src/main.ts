// vaultbuddy-agent: on every host, tells the brokers which containers of which ECS tasks have started. Wires the real
// Docker and HTTP to the flow of agent.ts and runs until it is told to stop; the only file here that touches the process.

import { systemClock as clock } from "@vaultbuddy/common";
import { openLog, stopSignal } from "@vaultbuddy/common/daemon";
import { Agent } from "./agent.ts";
import { lastWords, readConfig } from "./config.ts";
import type { AgentConfig } from "./config.ts";
import { DockerEngine } from "./docker.ts";
import { EcsMetadata } from "./ecs-metadata.ts";
import { openHealth } from "./health.ts";
import { openHttp } from "./http.ts";
import { labelFilter } from "./identify.ts";
import { Meters } from "./meters.ts";

async function run(config: AgentConfig): Promise<void> {
  const signal = stopSignal(process, () => process.exit(1));
  const log = openLog("vaultbuddy-agent", config.logLevel, process.stdout);
  const meters = new Meters();
  const { get, post } = openHttp(config.brokerCa);
  const { brokers, optIn } = config;
  const url = config.ecsMetadata;
  const clusters = new EcsMetadata({ url, get, clock, log });
  const docker = new DockerEngine(config.docker, labelFilter(optIn));
  const agent = new Agent({
    docker,
    clusters,
    brokers,
    optIn,
    post,
    clock,
    log,
    meters,
  });
  const memory = (): number => process.memoryUsage.rss();
  const { queue, watch } = agent;
  await openHealth(config.listen, { queue, watch, meters, memory });
  log.info({ ...config.listen, brokers }, "the agent watches");
  await agent.run(signal);
  log.info("the agent has stopped");
}

// No top-level await: as one CommonJS file, which it is bundled to, the agent takes 16 MB less than as an ES module.
async function main(): Promise<number> {
  try {
    await run(readConfig(process.argv.slice(2), process.env));
    return 0;
  } catch (error) {
    const { text, code } = lastWords(error);
    process.stderr.write(text);
    return code;
  }
}

void main().then((code) => process.exit(code));
