#!/usr/bin/env node
// The broker's process: arguments, environment, signals and exit codes. Nothing is decided here.

import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { systemClock } from "@vaultbuddy/common";
import {
  addSettings,
  describeError,
  openLog,
  SettingsError,
  stopSignal,
} from "@vaultbuddy/common/daemon";
import { Command } from "commander";
import { readConfig } from "./config.ts";
import { keysSettings, runDerive, runGenerate, runPublic } from "./keys.ts";
import { runCheck, runExplain } from "./explain/command.ts";
import type { AnswerForm, ExplainForm } from "./explain/command.ts";
import { serve } from "./serve.ts";
import { serveSettings } from "./settings.ts";
import { explainSettings } from "./settings/explain.ts";

/** How long a stop may take, in milliseconds: ECS sends SIGKILL after 30 s. */
const STOP_MS = 25_000;

const readFile = (path: string): string => readFileSync(path, "utf8");
const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const note = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

const lent = { env: process.env, read: readFile, print, clock: systemClock };

/** The exit code of `policy` when it has no answer; 1 is the answer no. */
const CANNOT_SAY = 2;
const exitCodes =
  "\nExit codes: 0 it would be served, 1 it would be denied, 2 it cannot be said.";

const program = new Command("vaultbuddy-broker").description(
  "Checks with ECS what agents report, and hands started containers a wrapped Vault token.",
);

const serving = program.command("serve").description("run the broker");
addSettings(serving, serveSettings);
// Unknown flags are told with all other faults, by the reader of the settings.
serving.allowUnknownOption().allowExcessArguments();
serving.action(async () => {
  // A signal that comes while settings are read has nothing to reload, and must not end the process.
  process.on("SIGHUP", () => undefined);
  const config = readConfig(serving, process.env, readFile);
  const log = openLog("vaultbuddy-broker", config.logLevel, process.stdout);
  const stop = stopSignal(process, () => process.exit(1));
  const onReload = (listener: () => void): void => {
    process.on("SIGHUP", listener);
  };
  await serve(
    config,
    { clock: systemClock, log, randomBytes, onReload },
    stop,
    STOP_MS,
  );
  // Whatever still waits for an answer must not keep the process.
  process.exit();
});

const keys = program
  .command("keys")
  .description("make keys, and derive what containers hold");
const keyed = { ...lent, note, randomBytes };
const generate = keys
  .command("generate")
  .description("make a new master key, or a pair");
addSettings(generate, keysSettings.generate);
generate.action(() => runGenerate(generate, keyed));
const publish = keys
  .command("public")
  .description("print the public half of a pair, which containers hold");
addSettings(publish, keysSettings.public);
publish.action(() => runPublic(publish, keyed));
const derive = keys
  .command("derive")
  .description("make the keys that containers of families hold");
addSettings(derive, keysSettings.derive);
derive.action(() => runDerive(derive, keyed));

const policy = program
  .command("policy")
  .description("check a policy document, and explain what it gives");
const explaining = policy
  .command("explain")
  .argument("<target>", "FAMILY, FAMILY/CONTAINER or the ARN of a task")
  .description(
    "say which rule applies, what it gives, where would be dialled, and why it would be denied; changes nothing",
  )
  .option("--container <name>", "of a task, explain this container only")
  .option("--cluster <name>", "the cluster of a task whose ARN names none")
  .option("--json", "answer in JSON")
  .addHelpText("after", exitCodes);
addSettings(explaining, explainSettings);
judging(explaining).action(async (target: string, form: ExplainForm) => {
  await judged(() => runExplain(target, form, explaining, lent));
});
judging(policy.command("check"))
  .argument("<file>", "a policy document")
  .description("say every fault of a policy document")
  .option("--json", "answer in JSON")
  .addHelpText("after", exitCodes)
  .action(async (file: string, form: AnswerForm) => {
    await judged(() => runCheck(file, form, lent));
  });

/** A command whose exit code 1 is an answer: what is wrong with its arguments is 2. */
function judging(command: Command): Command {
  return command.exitOverride(({ exitCode }) => {
    process.exit(exitCode === 0 ? 0 : CANNOT_SAY);
  });
}

async function judged(work: () => number | Promise<number>): Promise<void> {
  try {
    process.exitCode = await work();
  } catch (error) {
    process.stderr.write(`vaultbuddy-broker: ${lastWords(error)}\n`);
    process.exitCode = CANNOT_SAY;
  }
}

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`vaultbuddy-broker: ${lastWords(error)}\n`);
  // 2 for settings, as the agent has it: what a restart will not mend.
  process.exit(error instanceof SettingsError ? 2 : 1);
}

/** Errors of ours say what to do; of any other only its kind and the system's code are safe to print. */
function lastWords(error: unknown): string {
  const { message, type, code, cause } = describeError(error);
  const plain = error instanceof RangeError ? error.message : message;
  return typeof plain === "string"
    ? plain
    : `cannot go on: ${JSON.stringify({ type, code, cause })}`;
}
