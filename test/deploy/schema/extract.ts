// Cuts terraform.json and iam.json out of the npm packages that README.md beside this file names. Run by hand when
// deploy/ uses something new.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Block, TerraformSchema } from "../terraform-schema.ts";
import {
  actionsOf,
  statementsIn,
  templateStatements,
  terraformStatements,
} from "../iam.ts";
import { readTerraform, typesIn } from "../terraform.ts";

const here = fileURLToPath(new URL(".", import.meta.url));
const deploy = join(here, "../../../deploy");

/** The interfaces of a declaration file: members by Terraform's own names, which stand in the links to its docs. */
function interfacesOf(
  text: string,
): Map<string, Map<string, [string, boolean]>> {
  const found = new Map<string, Map<string, [string, boolean]>>();
  for (const [, name = "", body = ""] of text.matchAll(
    /export interface (\w+)[^{]*\{\n([\s\S]*?)\n\}/g,
  )) {
    const members = new Map<string, [string, boolean]>();
    for (const [, member = "", optional, type = ""] of `${body}\n`.matchAll(
      /#(\w+) \w+#\w+\}[\s\S]*?readonly \w+(\?)?: ([\s\S]*?);\n(?= {4}\/\*\*|$)/g,
    )) {
      members.set(member, [
        type.replaceAll(/\s+/g, " "),
        optional === undefined,
      ]);
    }
    found.set(name, members);
  }
  return found;
}

function blockOf(name: string, all: ReturnType<typeof interfacesOf>): Block {
  const block: Block = { arguments: {}, blocks: {} };
  for (const [member, [type, required]] of all.get(name) ?? []) {
    const bare = type.replace(" | cdktf.IResolvable", "").replace(/\[\]$/, "");
    if (all.has(bare)) {
      block.blocks[member] = { ...blockOf(bare, all), required };
    } else {
      const kind = bare.startsWith("{")
        ? "map"
        : bare.replace(/^Array<.*/, "list");
      block.arguments[member] = {
        type: type.includes("[]") ? "list" : kind,
        required,
      };
    }
  }
  return block;
}

function snake(name: string): string {
  return name.replaceAll(
    /[A-Z0-9]+(?=[A-Z][a-z]|$)|[A-Z]/g,
    (letters) => `_${letters.toLowerCase()}`,
  );
}

function schemaOf(
  text: string,
  kind: "resource" | "data",
): Block & { exports: string[] } {
  const all = interfacesOf(text);
  const [config = ""] = [...all.keys()].filter((name) =>
    name.endsWith("Config"),
  );
  const ofClass = text.slice(
    text.lastIndexOf(
      `extends cdktf.Terraform${kind === "data" ? "DataSource" : "Resource"}`,
    ),
  );
  const exports = [...ofClass.matchAll(/\n {4}get (\w+)\(\)/g)]
    .flatMap(([, name = ""]) => (name.endsWith("Input") ? [] : [snake(name)]))
    .toSorted();
  return { ...blockOf(config, all), exports };
}

function packageAt(folder: string): { name: string; version: string } {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as {
    name: string;
    version: string;
  };
}

async function cutTerraform(folders: readonly string[]): Promise<void> {
  const schema: TerraformSchema = { from: [], resource: {}, data: {} };
  const files = folders.flatMap((folder) => {
    const { name, version } = packageAt(folder);
    schema.from.push(`${name}@${version}`);
    return readdirSync(join(folder, "lib")).map((one) =>
      join(folder, "lib", one, "index.d.ts"),
    );
  });
  const wanted = [
    ...typesIn(await readTerraform(join(deploy, "terraform"))),
    ...typesIn(await readTerraform(join(deploy, "vault/terraform"))),
  ];
  for (const file of files) {
    let text: string;
    try {
      text = readFileSync(file, "utf8");
    } catch {
      continue;
    }
    const match = wanted.find(
      ({ kind, type }) =>
        text.includes(`static readonly tfResourceType = "${type}"`) &&
        text.includes(
          `extends cdktf.Terraform${kind === "data" ? "DataSource" : "Resource"}`,
        ),
    );
    if (match) schema[match.kind][match.type] = schemaOf(text, match.kind);
  }
  write("terraform.json", schema);
}

async function cutIam(folder: string): Promise<void> {
  const { name, version } = packageAt(folder);
  const read = (path: string): string =>
    readFileSync(join(deploy, path), "utf8");
  const policies = Object.fromEntries(
    readdirSync(join(deploy, "iam")).map((file): [string, unknown] => [
      file,
      JSON.parse(read(`iam/${file}`)),
    ]),
  );
  const wanted = [
    await terraformStatements(join(deploy, "terraform")),
    templateStatements(read("cloudformation/vaultbuddy.yaml")),
    statementsIn(policies),
  ].flatMap(actionsOf);
  const actions: Record<string, unknown> = {};
  for (const action of [...new Set(wanted)].toSorted()) {
    const [service = "", operation = ""] = action.split(":");
    const all = JSON.parse(
      readFileSync(join(folder, "data/actions", `${service}.json`), "utf8"),
    ) as Record<
      string,
      {
        resourceTypes: { name: string; conditionKeys: string[] }[];
        conditionKeys: string[];
      }
    >;
    const about = all[operation.toLowerCase()];
    if (about === undefined) throw new Error(`AWS has no action ${action}`);
    actions[action] = {
      resources: about.resourceTypes.map((one) => one.name),
      conditions: [
        ...about.conditionKeys,
        ...about.resourceTypes.flatMap((one) => one.conditionKeys),
      ].toSorted(),
    };
  }
  write("iam.json", { from: `${name}@${version}`, actions });
}

function write(name: string, value: unknown): void {
  writeFileSync(join(here, name), `${JSON.stringify(value, null, 1)}\n`);
}

const [aws = "", vault = "", iam = ""] = process.argv.slice(2);
await cutTerraform([aws, vault]);
await cutIam(iam);
