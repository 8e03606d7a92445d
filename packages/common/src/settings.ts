// Settings of the daemons: every one is a flag and an environment variable, told once in a table. They are read whole,
// all faults are told at once, and a name nobody knows is a fault.

import { Option } from "commander";
import type { Command } from "commander";

/** One setting. The environment alone (no flag) is for tokens, keys and SecretIDs. */
export interface Setting<Value> {
  readonly env: string;
  /** The flag without dashes; absent for what must never stand in an argument list. */
  readonly flag?: string;
  /** What stands for the value in the help. A setting with "bool" may be given as a bare flag. */
  readonly placeholder: string;
  readonly describe: string;
  /** What holds when nothing is given, as it would be written. */
  readonly fallback?: string;
  readonly required?: boolean;
  /** Reads the text. Throws an Error whose message says what the value must be, and does not repeat it. */
  readonly parse: (text: string) => Value;
}

export type SettingTable = Readonly<Record<string, Setting<unknown>>>;

/** What a table's settings are once read. A setting that is neither required nor has a fallback may be undefined. */
export type SettingsOf<Table extends SettingTable> = {
  readonly [Name in keyof Table]: Table[Name] extends Setting<infer Value>
    ? Table[Name] extends { required: true } | { fallback: string }
      ? Value
      : Value | undefined
    : never;
};

/** All that is wrong with the settings, by name. No value is repeated: it may be a secret in the wrong place. */
export class SettingsError extends Error {
  override readonly name = "SettingsError";
  readonly ours = true;
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(
      `the settings have ${faults.length} fault(s):\n${faults.map((f) => `  ${f}`).join("\n")}`,
    );
    this.faults = faults;
  }
}

/** Adds a table's flags to a command, for parsing and for `--help`. */
export function addSettings(command: Command, table: SettingTable): void {
  for (const setting of Object.values(table)) {
    if (setting.flag !== undefined) {
      const value =
        setting.placeholder === "bool" ? "[bool]" : `<${setting.placeholder}>`;
      const option = new Option(
        `--${setting.flag} ${value}`,
        help(setting),
      ).env(setting.env);
      command.addOption(
        setting.placeholder === "bool" ? option.preset("true") : option,
      );
    }
  }
  const bare = Object.values(table).filter(
    (setting) => setting.flag === undefined,
  );
  if (bare.length > 0) {
    const width = Math.max(...bare.map((setting) => setting.env.length));
    const lines = bare.map(
      (setting) => `  ${setting.env.padEnd(width)}  ${help(setting)}`,
    );
    command.addHelpText("after", `\nEnvironment only:\n${lines.join("\n")}`);
  }
}

function help(setting: Setting<unknown>): string {
  const after = setting.required === true ? " (required)" : "";
  return setting.fallback === undefined
    ? `${setting.describe}${after}`
    : `${setting.describe} (default: ${setting.fallback})`;
}

/** What could be read of a table, and what is wrong with the rest and with the arguments that no setting takes. */
export interface Collected<Table extends SettingTable> {
  /** A setting that has a fault, or was not given and has no fallback, is undefined here. */
  readonly values: Partial<SettingsOf<Table>>;
  readonly faults: string[];
}

/**
 * Reads every setting of a table: the flag, else the environment, else the fallback; an empty text counts as not given.
 * Unknown flags are told too where the command allows them (`allowUnknownOption`), so that they come with all the rest.
 */
export function collectSettings<Table extends SettingTable>(
  table: Table,
  command: Command,
  env: NodeJS.ProcessEnv,
): Collected<Table> {
  const own = command.registeredArguments.length;
  const faults = command.args.slice(own).map(stray);
  const values = Object.entries(table).map(([name, setting]) => {
    try {
      return [name, readOne(setting, command, env)];
    } catch (error) {
      const place =
        setting.flag === undefined
          ? setting.env
          : `--${setting.flag} (${setting.env})`;
      faults.push(
        `${place} ${error instanceof Error ? error.message : "cannot be read"}`,
      );
      return [name, undefined];
    }
  });
  return {
    values: Object.freeze(Object.fromEntries(values)) as Partial<
      SettingsOf<Table>
    >,
    faults,
  };
}

/** As {@link collectSettings}, where nothing else can be wrong. Throws {@link SettingsError} with all faults. */
export function readSettings<Table extends SettingTable>(
  table: Table,
  command: Command,
  env: NodeJS.ProcessEnv,
): SettingsOf<Table> {
  const { values, faults } = collectSettings(table, command, env);
  if (faults.length > 0) {
    throw new SettingsError(faults);
  }
  return values as SettingsOf<Table>;
}

/** Names an argument that no setting takes, without what may be a value. */
function stray(argument: string): string {
  const [, flag] = /^(--?[A-Za-z][\w-]{0,40})(?:=|$)/.exec(argument) ?? [];
  return flag === undefined
    ? "an argument belongs to no flag"
    : `${flag} is not a known flag`;
}

function readOne(
  setting: Setting<unknown>,
  command: Command,
  env: NodeJS.ProcessEnv,
): unknown {
  const given = fromFlag(setting, command) ?? env[setting.env];
  const text = given === undefined || given === "" ? setting.fallback : given;
  if (text === undefined) {
    if (setting.required === true) {
      throw new Error("is required");
    }
    return undefined;
  }
  return setting.parse(text);
}

function fromFlag(
  setting: Setting<unknown>,
  command: Command,
): string | undefined {
  if (setting.flag === undefined) {
    return undefined;
  }
  const key = setting.flag.replace(/-([a-z])/g, (_, letter: string) =>
    letter.toUpperCase(),
  );
  if (command.getOptionValueSource(key) !== "cli") {
    return undefined;
  }
  const value: unknown = command.getOptionValue(key);
  return typeof value === "string" ? value : undefined;
}
