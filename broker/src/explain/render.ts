// An explanation as text: a verdict first, then every check with what it found, then what the rule gives.

import type { Check } from "../validate/checks.ts";
import type { Explained, Explanation } from "./explain.ts";
import type { Gives } from "./rules.ts";

const marks: Readonly<Record<Check["result"], string>> = {
  pass: "ok",
  fail: "NO",
  "not yet": "not yet",
  "not asked": "-",
};

/** The lines to print. */
export function renderExplanation(explanation: Explanation): string[] {
  return explanation.containers.flatMap((one, index) => [
    ...(index === 0 ? [] : [""]),
    ...renderOne(one),
  ]);
}

function renderOne(one: Explained): string[] {
  return [
    `${one.name}: ${headline(one)}`,
    ...(one.why === undefined ? [] : [`  ${one.why}`]),
    ...(one.dial === undefined ? [] : [`  dialled at ${one.dial}`]),
    ...renderChecks(one.checks),
    ...renderRule(one),
    ...(one.require === undefined
      ? []
      : [`  it requires ${one.require.join(", ")}`]),
    ...(one.gives === undefined ? [] : renderGives(one.gives)),
  ];
}

function headline({ verdict, dial }: Explained): string {
  switch (verdict) {
    case "served":
      return `would be served${dial === undefined ? " if its task passes the checks" : ""}`;
    case "not yet":
      return "would be waited for, and denied if it does not come right in time";
    default:
      return `would be denied (${verdict})`;
  }
}

function renderChecks(checks: readonly Check[]): string[] {
  if (checks.length === 0) {
    return [];
  }
  const width = Math.max(...checks.map(({ name }) => name.length));
  return [
    "  checks, in the order in which the first NO decides (whether it has had a token is in the broker's ledger):",
    ...checks.map(({ name, result, code, why }) => {
      const said = why === undefined ? "" : `  ${code ?? ""}: ${why}`;
      return `    ${name.padEnd(width)}  ${marks[result]}${said}`;
    }),
  ];
}

function renderRule(one: Explained): string[] {
  const rule =
    one.rule === undefined
      ? []
      : [
          `  rule ${quoted(one.rule)} of ${one.source ?? ""}: ${one.because ?? ""}`,
        ];
  const listed = (what: string, patterns: readonly string[]): string[] =>
    patterns.length === 0
      ? []
      : [`  ${what}: ${patterns.map(quoted).join(", ")}`];
  return [
    ...rule,
    ...listed("matching as well", one.others),
    ...listed("containers with rules of their own", one.containers ?? []),
  ];
}

function renderGives(gives: Gives): string[] {
  const env = Object.entries(gives.env).map(([name, at]) => `${name}=${at}`);
  const meta = Object.entries(gives.meta).map(([name, at]) => `${name}=${at}`);
  const rows: [string, string][] = [
    ["token role", gives.role],
    ["policies", gives.policies.join(", ")],
    ["ttl", `${gives.ttl} s`],
    ["num_uses", gives.num_uses === 0 ? "any number" : String(gives.num_uses)],
    ["wrapped for", `${gives.wrap_ttl} s`],
    ["metadata", meta.join(", ")],
    ["secrets", gives.secrets.join(", ")],
    ["variables", env.join(", ")],
    ["proof", gives.proof],
    ["transport", gives.transport],
    [
      "port",
      gives.port === undefined
        ? "of the task definition's WIS_LISTEN, else --entrypoint-port"
        : String(gives.port),
    ],
    [
      "restarts",
      gives.restart === undefined
        ? "no fresh token"
        : `${gives.restart.max} fresh tokens at most, ${gives.restart.min_interval} s apart`,
    ],
  ];
  return [
    "  it gives:",
    ...rows
      .filter(([, value]) => value !== "")
      .map(([name, value]) => `    ${name.padEnd(11)}  ${value}`),
  ];
}

function quoted(text: string): string {
  return `"${text}"`;
}
