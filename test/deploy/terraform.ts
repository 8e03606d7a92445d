// Terraform's files, read by HashiCorp's own parser (compiled to WebAssembly), and what is wrong with them: arguments and
// blocks that the provider does not know, required ones that are missing, values of the wrong kind, and references to
// nothing.

import { convertFiles } from "@cdktn/hcl2json";
import type { Block, TerraformSchema } from "./terraform-schema.ts";

type Json = Readonly<Record<string, unknown>>;
/** `resource` or `data`, then type, then name, then its bodies (one). */
type Bodies = Readonly<
  Record<string, Readonly<Record<string, readonly Json[]>>>
>;

/** A module as the parser gives it: each block is a list of bodies. */
export interface Module {
  readonly resource: Bodies;
  readonly data: Bodies;
  readonly variable: Readonly<Record<string, readonly Json[]>>;
  readonly output: Readonly<Record<string, readonly Json[]>>;
  readonly locals: readonly Json[];
}

/** Reads all files of a folder. Throws with the parser's words. */
export async function readTerraform(folder: string): Promise<Module> {
  const read = (await convertFiles(folder)) as Partial<Module>;
  return {
    resource: read.resource ?? {},
    data: read.data ?? {},
    variable: read.variable ?? {},
    output: read.output ?? {},
    locals: read.locals ?? [],
  };
}

/** The types of resources and data sources that a module uses. */
export function typesIn(
  module: Module,
): { kind: "resource" | "data"; type: string }[] {
  return (["resource", "data"] as const).flatMap((kind) =>
    Object.keys(module[kind]).map((type) => ({ kind, type })),
  );
}

/** Every fault, each as a sentence; empty when there is none. */
export function faultsIn(module: Module, schema: TerraformSchema): string[] {
  const faults: string[] = [];
  for (const { kind, type } of typesIn(module)) {
    const known = schema[kind][type];
    if (known === undefined) {
      faults.push(`no schema of ${kind} ${type}: cut it anew`);
      continue;
    }
    for (const [name, bodies] of Object.entries(module[kind][type] ?? {})) {
      for (const body of bodies) {
        faults.push(
          ...blockFaults(withoutMeta(body), known, `${type}.${name}`),
        );
      }
    }
  }
  return [...faults, ...referenceFaults(module, schema)];
}

/** Arguments that Terraform itself knows in every resource. */
const meta = ["count", "depends_on", "for_each", "lifecycle", "provider"];

function withoutMeta(body: Json): Json {
  return Object.fromEntries(
    Object.entries(body).filter(([name]) => !meta.includes(name)),
  );
}

function blockFaults(body: Json, known: Block, where: string): string[] {
  const faults: string[] = [];
  const { dynamic, ...fixed } = body;
  for (const [name, value] of Object.entries(fixed)) {
    const argument = known.arguments[name];
    const block = known.blocks[name];
    if (block !== undefined) {
      for (const one of bodiesOf(value)) {
        faults.push(...blockFaults(one, block, `${where}.${name}`));
      }
    } else if (argument === undefined) {
      faults.push(`${where} has no ${name}`);
    } else if (!fits(value, argument.type)) {
      faults.push(`${where}.${name} is no ${argument.type}`);
    }
  }
  const dynamics = Object.entries((dynamic ?? {}) as Record<string, unknown>);
  for (const [name, value] of dynamics) {
    const block = known.blocks[name];
    if (block === undefined) faults.push(`${where} has no block ${name}`);
    else
      for (const one of bodiesOf(value)) {
        for (const content of bodiesOf(one["content"])) {
          faults.push(...blockFaults(content, block, `${where}.${name}`));
        }
      }
  }
  const given = [...Object.keys(fixed), ...dynamics.map(([name]) => name)];
  for (const [name, { required }] of [
    ...Object.entries(known.arguments),
    ...Object.entries(known.blocks),
  ]) {
    if (required && !given.includes(name))
      faults.push(`${where} lacks ${name}`);
  }
  return faults;
}

function bodiesOf(value: unknown): Json[] {
  return (Array.isArray(value) ? value : [value]) as Json[];
}

/** Whether a literal is of the kind; what is computed is not known here. */
function fits(value: unknown, type: string): boolean {
  if (typeof value === "string" && value.includes("${")) return true;
  if (type === "list") return Array.isArray(value);
  if (type === "map") return typeof value === "object";
  // Terraform turns numbers and booleans into text where that is asked for.
  return type === "string"
    ? ["string", "number", "boolean"].includes(typeof value)
    : typeof value === type;
}

/** References in expressions, by the names that Terraform gives things. */
const reference =
  /(?<![\w.\])"])(?:(var|local)\.(\w+)|(data\.)?([a-z]+_[a-z0-9_]+)\.(\w+)((?:\[[^\]]*\])?(?:\.\w+)?))/g;

function referenceFaults(module: Module, schema: TerraformSchema): string[] {
  const faults: string[] = [];
  const used = new Set<string>();
  const locals = Object.assign({}, ...module.locals) as Json;
  for (const text of expressionsIn(module)) {
    for (const [
      ,
      scope,
      name = "",
      data,
      type = "",
      label = "",
      rest = "",
    ] of text.matchAll(reference)) {
      if (scope === "var") {
        used.add(name);
        if (!(name in module.variable))
          faults.push(`there is no variable ${name}`);
      } else if (scope === "local") {
        if (!(name in locals)) faults.push(`there is no local ${name}`);
      } else {
        const kind = data === undefined ? "resource" : "data";
        if (module[kind][type]?.[label] === undefined) {
          faults.push(`there is no ${kind} ${type}.${label}`);
        } else {
          const attribute = /\.(\w+)$/.exec(rest)?.[1];
          const exports = schema[kind][type]?.exports ?? [];
          if (attribute !== undefined && !exports.includes(attribute))
            faults.push(`${type}.${label} has no ${attribute}`);
        }
      }
    }
  }
  for (const name of Object.keys(module.variable)) {
    if (!used.has(name)) faults.push(`nothing uses the variable ${name}`);
  }
  return faults;
}

/** The insides of every `${…}` of a module. */
function expressionsIn(value: unknown): string[] {
  if (typeof value === "string") {
    return value.includes("${")
      ? [value.replaceAll(/"(?:[^"\\$]|\\.)*"/g, '""')]
      : [];
  }
  return typeof value === "object" && value !== null
    ? Object.values(value).flatMap(expressionsIn)
    : [];
}
