// The settings, and that all their faults are told at once without a value.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SettingsError } from "@vaultbuddy/common/daemon";
import { expect, onTestFinished, test } from "vitest";
import { lastWords, readConfig } from "./config.ts";

function faults(
  args: string[],
  env: NodeJS.ProcessEnv = {},
): readonly string[] {
  try {
    readConfig(args, env);
  } catch (error) {
    if (error instanceof SettingsError) {
      return error.faults;
    }
    throw error;
  }
  return [];
}

test("only the brokers must be given", () => {
  expect(readConfig(["--broker", "http://broker:9201"], {})).toEqual({
    brokers: ["http://broker:9201"],
    docker: { socketPath: "/var/run/docker.sock" },
    ecsMetadata: "http://127.0.0.1:51678/v1/metadata",
    optIn: { name: "vaultbuddy.enable", value: "true" },
    listen: { host: "127.0.0.1", port: 9203 },
    brokerCa: undefined,
    logLevel: "info",
  });
});

test("every setting is an environment variable too, and a flag beats it", () => {
  const env = {
    BROKER_URL: "https://a:1, https://b:2/path/",
    DOCKER_HOST: "tcp://10.0.0.1:2376",
    ECS_METADATA_URL: "http://meta/v1/metadata",
    OPT_IN_LABEL: "team",
    AGENT_LISTEN: ":9999",
    LOG_LEVEL: "warn",
  };
  expect(readConfig(["--label", "a.b=c=d"], env)).toMatchObject({
    brokers: ["https://a:1", "https://b:2/path"],
    docker: { host: "10.0.0.1", port: 2376 },
    ecsMetadata: "http://meta/v1/metadata",
    optIn: { name: "a.b", value: "c=d" },
    listen: { host: "0.0.0.0", port: 9999 },
    logLevel: "warn",
  });
});

test.each([
  [
    "unix:///run/user/1000/docker.sock",
    { socketPath: "/run/user/1000/docker.sock" },
  ],
  ["tcp://proxy", { host: "proxy", port: 2375 }],
  ["tcp://[::1]:2375/", { host: "::1", port: 2375 }],
  ["http://127.0.0.1:8080", { host: "127.0.0.1", port: 8080 }],
])("Docker's address may be %s", (written, address) => {
  expect(
    readConfig(["--broker", "http://b", "--docker", written], {}).docker,
  ).toEqual(address);
});

test("all faults are told at once, by name and without the value", () => {
  const told = faults(
    [
      "--dokcer=hunter2",
      "hunter2",
      "--docker",
      "ssh://hunter2",
      "--listen",
      "hunter2",
      "--label",
      "hunter2 =",
      "--broker-ca",
      "/hunter2",
    ],
    { ECS_METADATA_URL: "hunter2", LOG_LEVEL: "hunter2" },
  );
  expect(told.map((fault) => fault.split(" ")[0])).toEqual([
    "--dokcer",
    "an",
    "--broker",
    "--docker",
    "--ecs-metadata",
    "--label",
    "--listen",
    "--broker-ca",
    "--log-level",
  ]);
  expect(told.join("\n")).not.toContain("hunter2");
});

test.each([
  "http://user:pass@b",
  "ftp://b",
  "http://b?x=1",
  "b:9201",
  "http://b,,http://c",
  ",",
])("the list of brokers may not be %j", (written) => {
  expect(faults(["--broker", written])).toHaveLength(1);
});

test("a CA file must hold a certificate", () => {
  const directory = mkdtempSync(join(tmpdir(), "agent-config-"));
  onTestFinished(() => {
    rmSync(directory, { recursive: true });
  });
  const file = join(directory, "ca.pem");
  writeFileSync(
    file,
    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
  );
  expect(faults(["--broker", "https://b", "--broker-ca", file])).toEqual([
    "--broker-ca (BROKER_CACERT) must be a readable file of PEM certificates",
  ]);
});

test("last words: settings exit with 2, what broke with 1, and no library's message is shown", () => {
  expect(lastWords(new SettingsError(["--x is bad"]))).toMatchObject({
    code: 2,
    text: expect.stringContaining("--x is bad"),
  });
  const broke = Object.assign(new Error("secret details"), {
    code: "EADDRINUSE",
  });
  const { text, code } = lastWords(broke);
  expect(code).toBe(1);
  expect(text).toContain('"code":"EADDRINUSE"');
  expect(text).not.toContain("secret details");
});
