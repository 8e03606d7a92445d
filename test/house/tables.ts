// The tables of the README, made from the tables in the code, so that neither can say what the other does not.

import { deliveryCodes, noticeCodes } from "@vaultbuddy/common";
import { settings as agentSettings } from "../../agent/src/config.ts";
import { keysSettings } from "../../broker/src/keys.ts";
import { serveSettings } from "../../broker/src/settings.ts";
import { exits } from "../../entrypoint/src/exit.ts";
import { settings as entrypointSettings } from "../../entrypoint/src/settings.ts";
import { sendSettings } from "../../entrypoint/src/tools/settings.ts";

interface Row {
  readonly flag?: string;
  readonly env: string;
  readonly placeholder?: string;
  readonly describe: string;
  readonly fallback?: string;
  readonly required?: boolean;
}

function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join(
    "\n",
  );
}

function flags(rows: Readonly<Record<string, Row>>): string {
  return table(
    ["flag", "variable", "default", "meaning"],
    Object.values(rows).map((row) => [
      row.flag === undefined ? "" : `\`--${row.flag}\``,
      `\`${row.env}\``,
      row.required === true
        ? "required"
        : row.fallback === undefined
          ? ""
          : `\`${row.fallback}\``,
      row.describe,
    ]),
  );
}

function variables(rows: Readonly<Record<string, Row>>): string {
  return table(
    ["variable", "default", "meaning"],
    Object.values(rows).map((row) => [
      `\`${row.env}\``,
      row.fallback === undefined ? "" : `\`${row.fallback}\``,
      row.describe,
    ]),
  );
}

function codes(
  rows: Readonly<
    Record<string, { status: number; retry: boolean; title: string }>
  >,
): string {
  return table(
    ["code", "status", "again?", "meaning"],
    Object.entries(rows).map(([code, row]) => [
      `\`${code}\``,
      String(row.status),
      row.retry ? "yes" : "no",
      row.title,
    ]),
  );
}

/** Every generated part of the README by the name in its markers. */
const tables: Readonly<Record<string, string>> = {
  "settings of the broker": flags(serveSettings),
  "settings of keys generate": flags(keysSettings.generate),
  "settings of keys public": flags(keysSettings.public),
  "settings of keys derive": flags(keysSettings.derive),
  "settings of the agent": flags(agentSettings),
  "settings of send": flags(sendSettings),
  "settings of the entrypoint": variables(entrypointSettings),
  "codes of the broker": codes(noticeCodes),
  "codes of the entrypoint": codes(deliveryCodes),
  "exit codes": table(
    ["exit", "name", "what to do"],
    Object.entries(exits).map(([name, row]) => [
      String(row.code),
      `\`${name}\``,
      row.advice,
    ]),
  ),
};

/** The README with every generated part as it should be. Throws when a marker is missing. */
export function filled(readme: string): string {
  return Object.entries(tables).reduce((text, [name, body]) => {
    const [open, close] = [`<!-- ${name} -->`, `<!-- end of ${name} -->`];
    const [from, to] = [text.indexOf(open), text.indexOf(close)];
    if (from < 0 || to < from) {
      throw new Error(`README.md has no part between ${open} and ${close}`);
    }
    return `${text.slice(0, from + open.length)}\n\n${body}\n\n${text.slice(to)}`;
  }, readme);
}
