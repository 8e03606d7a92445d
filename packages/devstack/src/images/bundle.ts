// One file of JavaScript for each program that an image carries, so that images hold no node_modules: what a program
// imports is in it, and nothing else of the dependencies comes along.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { Plugin } from "esbuild";

const root = fileURLToPath(new URL("../../../../", import.meta.url));

/** A program and what its bundle is called. `.mjs` for what awaits at its top level, `.cjs` for what need not. */
export interface Program {
  /** From the root of the repository. */
  readonly source: string;
  readonly bundle: `${string}.mjs` | `${string}.cjs`;
  /** For a program that is run by its name. */
  readonly interpreter?: string;
}

/** What was bundled. */
export interface Bundle {
  readonly bytes: number;
  /** The packages whose code is in it, with their licence texts. */
  readonly licenses: ReadonlyMap<string, string>;
}

/**
 * What dockerode brings for engines that are reached over SSH and for BuildKit sessions. Nothing here does either, and
 * it would be half of the agent.
 */
const unused =
  /^(ssh2|cpu-features|protobufjs|@grpc\/grpc-js|@grpc\/proto-loader)(\/|$)/;

/** Bundled CommonJS code asks for Node's modules with `require`, which an ES module does not have. */
const requireInModules =
  "import { createRequire as vaultbuddyRequire } from 'node:module'; const require = vaultbuddyRequire(import.meta.url);";

/** Bundles a program into the folder `into`. Rejects with esbuild's words when something can't be resolved. */
export async function bundle(program: Program, into: string): Promise<Bundle> {
  const esm = program.bundle.endsWith(".mjs");
  const banner = [
    ...(program.interpreter === undefined ? [] : [`#!${program.interpreter}`]),
    ...(esm ? [requireInModules] : []),
  ].join("\n");
  const { metafile } = await build({
    entryPoints: [join(root, program.source)],
    outfile: join(into, program.bundle),
    absWorkingDir: root,
    bundle: true,
    platform: "node",
    target: "node26",
    format: esm ? "esm" : "cjs",
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: "none",
    logLevel: "silent",
    metafile: true,
    banner: { js: banner },
    plugins: [leaveOut],
  });
  const [output] = Object.values(metafile.outputs);
  return {
    bytes: output?.bytes ?? 0,
    licenses: await licensesOf(Object.keys(output?.inputs ?? {})),
  };
}

const leaveOut: Plugin = {
  name: "leave-out",
  setup(builder) {
    builder.onResolve({ filter: unused }, ({ path }) => ({
      path,
      namespace: "left-out",
    }));
    builder.onLoad({ filter: /.*/, namespace: "left-out" }, () => ({
      contents: "module.exports = {};",
    }));
  },
};

/** The licence of each package that one of these files belongs to, by `name@version`. */
async function licensesOf(
  inputs: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const folders = new Set(
    inputs.flatMap(
      (path) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? [],
    ),
  );
  const found = new Map<string, string>();
  for (const folder of [...folders].toSorted()) {
    const at = join(root, folder);
    const about: unknown = JSON.parse(
      await readFile(join(at, "package.json"), "utf8"),
    );
    const { name, version, license } = Object(about) as Record<string, unknown>;
    const text = await firstOf(at, [
      "LICENSE",
      "LICENSE.md",
      "LICENSE.txt",
      "license",
      "LICENCE",
    ]);
    found.set(
      `${String(name)}@${String(version)}`,
      text ??
        `Licence: ${typeof license === "string" ? license : "see the package"}\n`,
    );
  }
  return found;
}

async function firstOf(
  folder: string,
  names: readonly string[],
): Promise<string | undefined> {
  for (const name of names) {
    try {
      return await readFile(join(folder, name), "utf8");
    } catch {
      // The next name may be there.
    }
  }
  return undefined;
}

/** The text that stands beside the bundles: whose code is in them, under which terms. */
export function licenseNote(bundles: readonly Bundle[]): string {
  const all = new Map(bundles.flatMap(({ licenses }) => [...licenses]));
  const parts = [...all]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, text]) => `== ${name}\n\n${text.trim()}\n`);
  return `VaultBuddy: MPL-2.0. Its programs here hold code of these packages:\n\n${parts.join("\n")}`;
}
