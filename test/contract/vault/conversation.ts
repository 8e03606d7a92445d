// One fixed conversation with a fresh dev-mode Vault: vectors.jsonl holds, a line a step, what was asked and what a
// real Vault 1.8 answered, with whatever differs from run to run replaced by a placeholder. `save` names values for
// later steps (`${name}`), `only` the parts of an answer that were kept, `wait` the milliseconds before asking.

import { readFile } from "node:fs/promises";
import { ask, at } from "./client.ts";

export interface Step {
  readonly name: string;
  readonly ask: {
    readonly method: string;
    readonly path: string;
    readonly token?: string;
    readonly wrap?: string;
    readonly body?: unknown;
    readonly raw?: string;
  };
  readonly wait?: number;
  readonly save?: Record<string, string>;
  readonly only?: readonly string[];
  readonly status: number;
  readonly answer: unknown;
}

export interface Outcome {
  readonly name: string;
  readonly status: number;
  readonly answer: unknown;
}

export async function readSteps(): Promise<Step[]> {
  const text = await readFile(
    new URL("vectors.jsonl", import.meta.url),
    "utf8",
  );
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Step);
}

/** Puts all questions in order and gives the answers in the form that the fixture has them in. */
export async function converse(
  addr: string,
  rootToken: string,
  steps: readonly Step[],
  pause: (ms: number) => Promise<void>,
): Promise<Outcome[]> {
  const names = new Map<string, unknown>([["root", rootToken]]);
  const outcomes: Outcome[] = [];
  for (const step of steps) {
    if (step.wait !== undefined) await pause(step.wait);
    const { token, path, body, ...rest } = step.ask;
    const known = token === undefined ? undefined : names.get(token);
    const { status, json } = await ask(addr, {
      ...rest,
      path: String(fill(path, names)),
      ...(token !== undefined && {
        token: typeof known === "string" ? known : token,
      }),
      ...(body !== undefined && { body: fill(body, names) }),
    });
    for (const [name, where] of Object.entries(step.save ?? {}))
      names.set(name, at(json, where));
    const answer =
      step.only === undefined
        ? plain(json, "", names)
        : Object.fromEntries(
            step.only.map((where) => [
              where,
              plain(at(json, where), where.split(".").at(-1) ?? "", names),
            ]),
          );
    // The fixture went through JSON, which drops what is undefined.
    outcomes.push({
      name: step.name,
      status,
      answer: JSON.parse(JSON.stringify(answer)) as unknown,
    });
  }
  return outcomes;
}

function fill(value: unknown, names: ReadonlyMap<string, unknown>): unknown {
  if (typeof value === "string")
    return value.replaceAll(/\$\{(\w+)\}/g, (_, name: string) =>
      String(names.get(name)),
    );
  if (Array.isArray(value)) return value.map((item) => fill(item, names));
  if (typeof value === "object" && value !== null)
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, fill(item, names)]),
    );
  return value;
}

/** Numbers that depend on the moment, and names that a server makes up. */
const moving = new Set([
  "ttl",
  "creation_time",
  "last_renewal_time",
  "server_time_utc",
  "last_renewal",
  "secret_id_ttl_left",
]);
const opaque = new Set([
  "request_id",
  "accessor",
  "token_accessor",
  "uuid",
  "cluster_id",
  "cluster_name",
]);

function plain(
  value: unknown,
  key: string,
  names: ReadonlyMap<string, unknown>,
): unknown {
  if (typeof value === "string") return plainText(value, key, names);
  if (typeof value === "number")
    return moving.has(key) && value !== 0 ? "<number>" : value;
  if (Array.isArray(value)) return value.map((item) => plain(item, key, names));
  if (typeof value === "object" && value !== null)
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => [
        name,
        plain(item, name, names),
      ]),
    );
  return value;
}

function plainText(
  text: string,
  key: string,
  names: ReadonlyMap<string, unknown>,
): string {
  for (const [name, known] of names)
    if (name !== "root" && text === known) return `\${${name}}`;
  if (opaque.has(key) && text !== "") return `<${key}>`;
  if (/^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(text)) return "<time>";
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text)) return "<uuid>";
  if (/^(?:hv[sb]\.|[sb]\.)[\w-]{20,}$/.test(text)) return "<token>";
  return text;
}
