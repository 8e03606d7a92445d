// The agent's settings: read once, whole, all faults told at once. Nothing here is a secret: an agent holds none.

import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { httpUrl, listenAddress, listOf, word } from "@vaultbuddy/common";
import {
  addSettings,
  describeError,
  logLevels,
  readSettings,
  SettingsError,
} from "@vaultbuddy/common/daemon";
import type { SettingsOf, SettingTable } from "@vaultbuddy/common/daemon";
import type { DockerAddress } from "./docker-wire.ts";
import type { OptIn } from "./identify.ts";

/** Every setting: a flag and an environment variable. */
export const settings = {
  brokers: {
    flag: "broker",
    env: "BROKER_URL",
    placeholder: "urls",
    describe: "the brokers, separated by commas: http(s)://host:port",
    required: true,
    parse: listOf(httpUrl),
  },
  docker: {
    flag: "docker",
    env: "DOCKER_HOST",
    placeholder: "address",
    describe: "Docker's address: unix:///path or tcp://host:port",
    fallback: "unix:///var/run/docker.sock",
    parse: dockerAddress,
  },
  ecsMetadata: {
    flag: "ecs-metadata",
    env: "ECS_METADATA_URL",
    placeholder: "url",
    describe:
      "the ECS agent's introspection, asked only for a cluster that nothing else names",
    fallback: "http://127.0.0.1:51678",
    parse: metadataUrl,
  },
  optIn: {
    flag: "label",
    env: "OPT_IN_LABEL",
    placeholder: "name[=value]",
    describe: "the Docker label of containers to serve; others are left alone",
    fallback: "vaultbuddy.enable=true",
    parse: optInLabel,
  },
  listen: {
    flag: "listen",
    env: "AGENT_LISTEN",
    placeholder: "host:port",
    describe: "where to answer /healthz and /metrics",
    fallback: "127.0.0.1:9203",
    parse: listenAddress,
  },
  brokerCa: {
    flag: "broker-ca",
    env: "BROKER_CACERT",
    placeholder: "file",
    describe: "a PEM file of the only authorities to trust for https brokers",
    parse: certificates,
  },
  logLevel: {
    flag: "log-level",
    env: "LOG_LEVEL",
    placeholder: "level",
    describe: `how much to log: ${logLevels.join(", ")}`,
    fallback: "info",
    parse: word(logLevels),
  },
} as const satisfies SettingTable;

export type AgentConfig = SettingsOf<typeof settings>;

/**
 * Reads the arguments after the program's name and the environment. Throws SettingsError with all faults, or commander's
 * own error (with its `exitCode`) once it has printed the help.
 */
export function readConfig(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): AgentConfig {
  const command = new Command("vaultbuddy-agent")
    .description(
      "tells the brokers which containers of which ECS tasks have started on this host",
    )
    .exitOverride()
    .configureOutput({ writeErr: () => undefined })
    .allowUnknownOption()
    .allowExcessArguments();
  addSettings(command, settings);
  command.parse([...args], { from: "user" });
  return readSettings(settings, command, env);
}

/** What is said, and with which status, when the agent could not start or broke: 0 help, 2 settings, 1 all else. */
export function lastWords(error: unknown): { text: string; code: number } {
  if (error instanceof CommanderError) {
    // The help is out already; all else that commander finds is said by nobody yet.
    const text = error.exitCode === 0 ? "" : `${error.message}\n`;
    return { text, code: error.exitCode === 0 ? 0 : 2 };
  }
  if (error instanceof SettingsError) {
    return { text: `vaultbuddy-agent: ${error.message}\n`, code: 2 };
  }
  const { type, code, cause } = describeError(error);
  const told = JSON.stringify({ type, code, cause });
  return { text: `vaultbuddy-agent: cannot go on: ${told}\n`, code: 1 };
}

function dockerAddress(text: string): DockerAddress {
  const [, path] = /^unix:\/\/(\/.+)$/.exec(text) ?? [];
  if (path !== undefined) {
    return { socketPath: path };
  }
  const [, v6, name, digits] =
    /^(?:tcp|http):\/\/(?:\[([0-9a-fA-F:.]+)\]|([\w.-]+))(?::(\d{1,5}))?\/?$/.exec(
      text,
    ) ?? [];
  const host = v6 ?? name;
  const port = Number(digits ?? "2375");
  if (host === undefined || port < 1 || port > 65_535) {
    throw new Error("must be unix:///path or tcp://host:port");
  }
  return { host, port };
}

function metadataUrl(text: string): string {
  const url = httpUrl(text);
  return new URL(url).pathname === "/" ? `${url}/v1/metadata` : url;
}

function optInLabel(text: string): OptIn {
  const [, name, value] = /^([\w./-]{1,128})(?:=(.{0,256}))?$/.exec(text) ?? [];
  if (name === undefined) {
    throw new Error("must be the name of a label, or name=value");
  }
  return value === undefined ? { name } : { name, value };
}

function certificates(file: string): string {
  let pem = "";
  try {
    pem = readFileSync(file, "utf8");
    // Throws when the first one is no certificate; OpenSSL would ignore the file in silence.
    new X509Certificate(pem);
  } catch {
    throw new Error("must be a readable file of PEM certificates");
  }
  return pem;
}
