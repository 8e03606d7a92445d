// Settings fail closed and all at once.

import { Command } from "commander";
import { expect, test } from "vitest";
import { addSettings, readSettings, SettingsError } from "./settings.ts";
import type { SettingTable } from "./settings.ts";
import {
  boolean,
  duration,
  httpUrl,
  listenAddress,
  listOf,
  plainText,
  wholeNumber,
  word,
} from "./values.ts";

const table = {
  port: {
    flag: "port",
    env: "T_PORT",
    placeholder: "n",
    fallback: "80",
    describe: "port",
    parse: wholeNumber(1, 99),
  },
  life: {
    flag: "task-life",
    env: "T_LIFE",
    placeholder: "duration",
    required: true,
    describe: "life",
    parse: duration,
  },
  dev: {
    flag: "dev",
    env: "T_DEV",
    placeholder: "bool",
    fallback: "false",
    describe: "dev",
    parse: boolean,
  },
  token: {
    env: "T_TOKEN",
    placeholder: "token",
    describe: "token",
    parse: plainText,
  },
} as const satisfies SettingTable;

function read(
  argv: string[],
  env: Record<string, string> = {},
): ReturnType<typeof readSettings<typeof table>> {
  const command = new Command("t")
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  addSettings(command, table);
  command.parse(argv, { from: "user" });
  return readSettings(table, command, env);
}

test("a flag beats the environment, which beats the default", () => {
  expect(
    read(["--port", "1", "--task-life", "2m"], { T_PORT: "2" }),
  ).toMatchObject({ port: 1, life: 120_000 });
  expect(read([], { T_PORT: "2", T_LIFE: "30s" }).port).toBe(2);
  expect(read([], { T_PORT: "", T_LIFE: "30s" }).port).toBe(80);
});

test("all faults are told at once, by name and without a value", () => {
  let faults: readonly string[] = [];
  try {
    read(["--port", "marked"], { T_DEV: "yes" });
  } catch (error) {
    faults = error instanceof SettingsError ? error.faults : [];
  }
  expect(faults).toHaveLength(3);
  expect(faults.join("\n")).toMatch(
    /--port \(T_PORT\)[^]*--task-life \(T_LIFE\) is required[^]*--dev \(T_DEV\)/,
  );
  expect(faults.join("\n")).not.toContain("marked");
});

test("a bare flag is true, and --dev=false is false", () => {
  expect(read(["--dev", "--task-life", "1s"]).dev).toBe(true);
  expect(read(["--dev=false", "--task-life", "1s"]).dev).toBe(false);
});

test("an unknown flag is a fault, and a token cannot be one", () => {
  expect(() => read(["--prot", "1", "--task-life", "1s"])).toThrow(
    "unknown option",
  );
  expect(() => read(["--token", "x", "--task-life", "1s"])).toThrow(
    "unknown option",
  );
});

test("the help names every variable", () => {
  const command = new Command("t");
  addSettings(command, table);
  let help = "";
  command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
  for (const setting of Object.values(table)) {
    expect(help).toContain(setting.env);
  }
});

test.each(["1", "1 s", "s", "-1s", "1.5s", "1d", ""])(
  "%j is no duration",
  (text) => {
    expect(() => duration(text)).toThrow("must be a duration");
  },
);

test.each([
  [":9201", { host: "0.0.0.0", port: 9201 }],
  ["127.0.0.1:0", { host: "127.0.0.1", port: 0 }],
  ["[::1]:80", { host: "::1", port: 80 }],
])("%s is an address to listen on", (text, address) => {
  expect(listenAddress(text)).toEqual(address);
});

test.each(["9201", "a:b", ":99999", "::1:80"])(
  "%s is no address to listen on",
  (text) => {
    expect(() => listenAddress(text)).toThrow("must be an address");
  },
);

test("lists, words and URLs are strict", () => {
  expect(listOf(httpUrl)("http://a:1/, https://b")).toEqual([
    "http://a:1",
    "https://b",
  ]);
  expect(() => listOf(httpUrl)("http://a,")).toThrow("http(s) URL");
  expect(() => httpUrl("http://u:p@a")).toThrow("without credentials");
  expect(() => word(["a", "b"])("c")).toThrow("one of a, b");
});
