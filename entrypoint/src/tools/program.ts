// The tools' arguments: each is read whole, does one thing and ends with one of the codes in failure.ts.

import { familyKey, parseKey } from "@vaultbuddy/common";
import type { Clock, Secret, SecretBytes } from "@vaultbuddy/common";
import {
  addSettings,
  readSettings,
  SettingsError,
} from "@vaultbuddy/common/daemon";
import type { SettingsOf } from "@vaultbuddy/common/daemon";
import { Command, CommanderError } from "commander";
import { systemCode } from "../exit.ts";
import { parseEnvFile } from "./env-file.ts";
import { ToolFailure, toolExits } from "./failure.ts";
import { inspectImage } from "./image.ts";
import type { DockerWire } from "./image.ts";
import { printed } from "./print.ts";
import { send } from "./send.ts";
import { parsePlace, sendSettings } from "./settings.ts";
import { wrap } from "./wrap.ts";

/** What the process lends. */
export interface Lent {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Reads a file, or standard input for `-`; no more than a tool could use. */
  readonly read: (path: string) => Promise<Uint8Array>;
  readonly print: (text: string) => void;
  readonly note: (line: string) => void;
  /** Connects to the Docker that the environment names. Throws where it names none that can be. */
  readonly docker: () => DockerWire;
  readonly clock: Clock;
  readonly newId: () => string;
}

const EXITS = `
Exit codes: 0 done, ${toolExits.refused} refused or not usable, ${toolExits.usage} wrong arguments, settings or file, ${toolExits.unreached} nobody answered.`;

/** Runs the tool that the arguments name. Answers the exit code; whatever went wrong is told in one line. */
export async function runTools(
  args: readonly string[],
  lent: Lent,
): Promise<number> {
  const program = new Command("vaultbuddy-entrypoint")
    .description(
      "Starts a command with its secrets (vaultbuddy-entrypoint -- COMMAND…), or helps whoever writes images and tasks.",
    )
    .usage("-- COMMAND… | send … | wrap …")
    .helpCommand(false)
    .configureOutput({ writeOut: lent.print, writeErr: () => undefined })
    .exitOverride();
  addSend(program, lent);
  addWrap(program, lent);
  try {
    if (args.length === 0) {
      throw new ToolFailure(
        "usage",
        "no command was given: vaultbuddy-entrypoint -- COMMAND…, or see --help for its tools; what an image's command is, vaultbuddy-entrypoint wrap IMAGE prints",
      );
    }
    await program.parseAsync([...args], { from: "user" });
    return 0;
  } catch (error) {
    const { line, code } = lastWords(args, error);
    if (line !== undefined) {
      lent.note(line);
    }
    return code;
  }
}

function lastWords(
  [first = ""]: readonly string[],
  error: unknown,
): { line?: string; code: number } {
  if (error instanceof CommanderError && error.exitCode === 0) {
    return { code: 0 };
  }
  if (error instanceof ToolFailure) {
    return { line: error.message, code: error.code };
  }
  if (error instanceof CommanderError || error instanceof SettingsError) {
    const unknown =
      error instanceof CommanderError &&
      error.code === "commander.unknownCommand" &&
      /^[\w./-]{1,60}$/.test(first)
        ? `there is no tool ${first}; a command stands behind two dashes: vaultbuddy-entrypoint -- ${first} …`
        : error.message.replace(/^error: /, "");
    return { line: unknown, code: toolExits.usage };
  }
  return {
    line: `cannot go on: ${systemCode(error)}`,
    code: toolExits.refused,
  };
}

function addSend(program: Command, lent: Lent): void {
  const command = program
    .command("send")
    .description(
      "hand plain NAME=value pairs to a container that waits with WIS_MODE=dev: for a developer's machine, without Vault",
    )
    .argument("<url>", "where the container listens: https://host:9202")
    .requiredOption(
      "--env-file <file>",
      "the pairs, as docker run --env-file reads them; - for standard input",
    )
    .addHelpText("after", EXITS)
    .action(async (url: string, { envFile }: { envFile: string }) => {
      const settings = readSettings(sendSettings, command, { ...lent.env });
      const place = parsePlace(url);
      if (place === undefined) {
        throw new ToolFailure("usage", "the address must be https://host:port");
      }
      const { taskArn, containerName, containerId, timeout } = settings;
      const pairs = await readPairs(envFile, lent);
      await send(
        {
          place,
          key: familyKey(await readKey(settings, lent)),
          pairs,
          aud: {
            ...(taskArn === undefined ? {} : { taskArn }),
            ...(containerName === undefined ? {} : { containerName }),
            ...(containerId === undefined ? {} : { containerId }),
          },
          timeout,
        },
        lent,
      );
      lent.note(
        `the container at ${place.host}:${place.port} has taken ${pairs.size} variable(s)`,
      );
    });
  addSettings(command, sendSettings);
}

async function readKey(
  { key, keyFile }: SettingsOf<typeof sendSettings>,
  lent: Lent,
): Promise<SecretBytes> {
  if ((key === undefined) === (keyFile === undefined)) {
    throw new ToolFailure(
      "usage",
      `${key === undefined ? "one" : "only one"} of WIS_HMAC_KEY and --hmac-key-file (WIS_HMAC_KEY_FILE) must be given: the key that the container has`,
    );
  }
  if (key !== undefined) {
    return key;
  }
  try {
    const bytes = await lent.read(keyFile ?? "");
    return parseKey(Buffer.from(bytes).toString("latin1"));
  } catch (error) {
    const why =
      error instanceof RangeError
        ? error.message
        : `cannot be read (${systemCode(error)})`;
    throw new ToolFailure(
      "usage",
      `--hmac-key-file (WIS_HMAC_KEY_FILE) ${why}`,
    );
  }
}

async function readPairs(
  path: string,
  lent: Lent,
): Promise<ReadonlyMap<string, Secret>> {
  let bytes: Uint8Array;
  try {
    bytes = await lent.read(path);
  } catch (error) {
    throw new ToolFailure(
      "usage",
      `--env-file cannot be read (${systemCode(error)})`,
    );
  }
  const file = parseEnvFile(bytes, lent.env);
  if ("faults" in file) {
    throw new ToolFailure("usage", `--env-file: ${file.faults.join("; ")}`);
  }
  if (file.pairs.size === 0) {
    throw new ToolFailure("usage", "--env-file holds no pair");
  }
  return file.pairs;
}

interface WrapForm {
  readonly bundleImage: string;
  readonly name: string;
  readonly dependedOn?: boolean;
  readonly json?: boolean;
}

function addWrap(program: Command, lent: Lent): void {
  program
    .command("wrap")
    .description(
      "print what puts the entrypoint in front of an image and keeps its ENTRYPOINT, CMD, USER and WORKDIR; changes nothing",
    )
    .argument("<image>", "an image that the Docker of DOCKER_HOST has")
    .argument(
      "[command...]",
      "what is to run in the place of its CMD; behind -- where it has flags",
    )
    .option("--name <name>", "the container's name in the task", "app")
    .option(
      "--bundle-image <image>",
      "the image that carries the entrypoint",
      "vaultbuddy-entrypoint",
    )
    .option(
      "--depended-on",
      "another container of the task depends on this one: wait 90 s (WIS_TIMEOUT)",
    )
    .option("--json", "answer in JSON")
    .addHelpText("after", EXITS)
    .action(async (image: string, command: string[], form: WrapForm) => {
      const facts = await inspectImage(dockerOf(lent), image);
      const wrapped = wrap(facts, {
        command,
        carrier: form.bundleImage,
        container: form.name,
        dependedOn: form.dependedOn === true,
      });
      lent.print(
        form.json === true
          ? `${JSON.stringify(wrapped, null, 2)}\n`
          : printed(wrapped),
      );
    });
}

function dockerOf(lent: Lent): DockerWire {
  try {
    return lent.docker();
  } catch {
    throw new ToolFailure(
      "usage",
      "DOCKER_HOST must be unix:///path or tcp://host:port",
    );
  }
}
