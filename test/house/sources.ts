// The project's files as git knows them, for the tests of the house.

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** One file: its path from the root, and its text. */
export interface Source {
  readonly path: string;
  readonly text: string;
}

/** Every TypeScript file that git tracks or would, product and tests. */
export const sources: readonly Source[] = execFileSync(
  "git",
  ["ls-files", "--cached", "--others", "--exclude-standard", "*.ts"],
  { cwd: root, encoding: "utf8" },
)
  .split("\n")
  .filter((path) => path !== "" && existsSync(`${root}${path}`))
  .map((path) => ({ path, text: readFileSync(`${root}${path}`, "utf8") }));

/** Whether a file is a test or serves tests only. */
export function isTest({ path }: Source): boolean {
  return /\.test\.ts$|(^|\/)testing\.ts$|^test\/|\/process\/harness|\/process\/fake|^broker\/src\/(ledger\/contract|claim\/world)\.ts$/.test(
    path,
  );
}

/** The product's own files: what runs at a user's. */
export const product = sources.filter(
  (source) =>
    /^(agent|broker|entrypoint|packages\/common)\/src\//.test(source.path) &&
    !isTest(source),
);

/** What a file imports, as written. */
export function imports({ text }: Source): string[] {
  return [
    ...text.matchAll(
      /^(?:import|export)[^;]*?from "([^"]+)"|import\("([^"]+)"\)/gms,
    ),
  ].map((match) => match[1] ?? match[2] ?? "");
}

/** The text without comments and without what stands in quotes. */
export function code({ text }: Source): string {
  return text
    .replace(/\/\*[^]*?\*\//g, "")
    .replace(/(^|\s)\/\/.*$/gm, "")
    .replace(/"(?:[^"\\\n]|\\.)*"/g, '""');
}

/** Every Markdown file. */
export const documents: readonly string[] = execFileSync(
  "git",
  ["ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
  { cwd: root, encoding: "utf8" },
)
  .split("\n")
  .filter((path) => path !== "" && existsSync(`${root}${path}`));
