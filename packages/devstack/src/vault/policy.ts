// Vault's stand-in, one policy: its text read into rules for paths. What Vault refuses to store is refused here, with
// its texts; see https://developer.hashicorp.com/vault/docs/concepts/policies for the language.

import { parseSeconds } from "./duration.ts";
import { isHclObject, parseHcl } from "./hcl.ts";
import type { HclItem, HclObject, HclValue } from "./hcl.ts";
import { quote } from "./json.ts";
import type { Json, JsonObject } from "./json.ts";

const capabilities = [
  "create",
  "read",
  "update",
  "delete",
  "list",
  "sudo",
  "deny",
] as const;
export type Capability = (typeof capabilities)[number];
export type Parameters = ReadonlyMap<string, readonly Json[]>;

/** What a rule grants; TTLs in milliseconds, 0 for none. */
export interface Permissions {
  readonly capabilities: ReadonlySet<Capability>;
  readonly minWrappingTtl: number;
  readonly maxWrappingTtl: number;
  readonly allowed: Parameters | undefined;
  readonly denied: Parameters | undefined;
  readonly required: readonly string[];
}

export interface PathRule {
  readonly path: string;
  /** `exact`, a prefix (the closing `*` is gone from path) or a pattern with `+` segments (its `*` still there). */
  readonly kind: "exact" | "prefix" | "segments";
  readonly permissions: Permissions;
}

const topKeys = ["name", "path"];
const ruleKeys = [
  "comment",
  "policy",
  "capabilities",
  "allowed_parameters",
  "denied_parameters",
  "required_parameters",
  "min_wrapping_ttl",
  "max_wrapping_ttl",
  "mfa_methods",
  "control_group",
];
const oldPolicies: Readonly<Record<string, readonly Capability[]>> = {
  deny: ["deny"],
  read: ["read", "list"],
  write: ["create", "read", "update", "delete", "list"],
  sudo: ["create", "read", "update", "delete", "list", "sudo"],
};

/** Reads a policy's text; throws an Error with the text that Vault answers. */
export function parsePolicy(text: string): PathRule[] {
  try {
    const file = parseHcl(text);
    checkKeys(file, topKeys, "");
    return file.items
      .filter((item) => item.keys[0] === "path")
      .flatMap(blocks)
      .map(([path, body]) => rule(path, body));
  } catch (error) {
    throw new Error(
      `failed to parse policy: ${error instanceof Error ? error.message : ""}`,
      { cause: error },
    );
  }
}

/** `path "x" {…}`, `path = {"x" = {…}}` and JSON's list of such objects come down to the same pairs. */
function blocks(item: HclItem): [string, HclObject][] {
  const name = item.keys[1];
  const value = item.value;
  if (name !== undefined) {
    if (!isHclObject(value)) throw new Error("path must be an object");
    return [[name, value]];
  }
  const objects = Array.isArray(value) ? value : [value];
  return objects.flatMap((object) => {
    if (!isHclObject(object)) throw new Error("path must be an object");
    return object.items.map((entry): [string, HclObject] => {
      const body = Array.isArray(entry.value) ? entry.value[0] : entry.value;
      if (!isHclObject(body)) throw new Error("path must be an object");
      return [entry.keys[0] ?? "", body];
    });
  });
}

function checkKeys(
  object: HclObject,
  known: readonly string[],
  prefix: string,
): void {
  const faults = object.items
    .filter((item) => !known.includes(item.keys[0] ?? ""))
    .map(
      (item) =>
        `${prefix}invalid key ${quote(item.keys[0] ?? "")} on line ${item.line}`,
    );
  if (faults.length > 0)
    throw new Error(
      `${faults.length} error${faults.length > 1 ? "s" : ""} occurred:\n${faults.map((fault) => `\t* ${fault}\n`).join("")}\n`,
    );
}

function rule(name: string, body: HclObject): PathRule {
  checkKeys(body, ruleKeys, `path ${quote(name)}: `);
  const path = name.startsWith("/") ? name.slice(1) : name;
  if (path.includes("+*"))
    throw new Error(
      `path ${quote(path)}: invalid use of wildcards ('+*' is forbidden)`,
    );
  const segments = path === "+" || path.includes("/+") || path.startsWith("+/");
  const prefix = !segments && path.endsWith("*");
  return {
    path: prefix ? path.slice(0, -1) : path,
    kind: segments ? "segments" : prefix ? "prefix" : "exact",
    permissions: permissions(name, path, body),
  };
}

function permissions(name: string, path: string, body: HclObject): Permissions {
  const granted = grants(name, body);
  if (granted.has("deny")) return denial;
  const minWrappingTtl = ttl(body, "min_wrapping_ttl");
  const maxWrappingTtl = ttl(body, "max_wrapping_ttl");
  const read = {
    capabilities: granted,
    allowed: parameters(path, body, "allowed_parameters"),
    denied: parameters(path, body, "denied_parameters"),
    minWrappingTtl,
    maxWrappingTtl,
    required: strings(last(body, "required_parameters")),
  };
  if (
    minWrappingTtl !== 0 &&
    maxWrappingTtl !== 0 &&
    maxWrappingTtl < minWrappingTtl
  )
    throw new Error("max_wrapping_ttl cannot be less than min_wrapping_ttl");
  return read;
}

/** What is left of a rule that denies. */
export const denial: Permissions = {
  capabilities: new Set<Capability>(["deny"]),
  minWrappingTtl: 0,
  maxWrappingTtl: 0,
  allowed: undefined,
  denied: undefined,
  required: [],
};

function grants(name: string, body: HclObject): Set<Capability> {
  const named = strings(last(body, "capabilities"));
  const old = last(body, "policy");
  if (typeof old === "string" && old !== "") {
    const meant = oldPolicies[old];
    if (meant === undefined)
      throw new Error(`path ${quote(name)}: invalid policy ${quote(old)}`);
    named.push(...meant);
  }
  const granted = new Set<Capability>();
  for (const word of named) {
    const capability = capabilities.find((known) => known === word);
    if (capability === undefined)
      throw new Error(`path ${quote(name)}: invalid capability ${quote(word)}`);
    if (capability === "deny") return new Set<Capability>(["deny"]);
    granted.add(capability);
  }
  return granted;
}

function ttl(body: HclObject, key: string): number {
  const value = last(body, key);
  if (value === undefined) return 0;
  if (typeof value === "number") return value * 1000;
  try {
    if (typeof value === "string") return parseSeconds(value);
  } catch (error) {
    throw new Error(
      `error parsing ${key}: ${error instanceof Error ? error.message : ""}`,
      { cause: error },
    );
  }
  throw new Error(`error parsing ${key}: could not parse duration from input`);
}

function parameters(
  path: string,
  body: HclObject,
  key: string,
): Parameters | undefined {
  const found = body.items.filter((item) => item.keys[0] === key);
  if (found.length === 0) return undefined;
  const all = new Map<string, readonly Json[]>();
  for (const { value } of found) {
    if (!isHclObject(value))
      throw new Error(`path ${quote(path)}: ${key}: object expected`);
    for (const item of value.items) {
      const list = Array.isArray(item.value) ? item.value : [item.value];
      all.set((item.keys[0] ?? "").toLowerCase(), list.map(toJson));
    }
  }
  return all;
}

function toJson(value: HclValue): Json {
  if (Array.isArray(value)) return value.map(toJson);
  if (!isHclObject(value)) return value;
  return Object.fromEntries(
    value.items.map((item): [string, Json] => [
      item.keys[0] ?? "",
      toJson(item.value),
    ]),
  ) satisfies JsonObject;
}

function last(body: HclObject, key: string): HclValue | undefined {
  return body.items.findLast((item) => item.keys[0] === key)?.value;
}

function strings(value: HclValue | undefined): string[] {
  if (value === undefined) return [];
  const list = Array.isArray(value) ? value : [value];
  return list.map((item) => {
    if (typeof item === "object")
      throw new Error("a list of strings is expected");
    return String(item);
  });
}
