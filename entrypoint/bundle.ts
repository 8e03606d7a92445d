// The entrypoint as one file that a container can run: CommonJS, because importing node:http as an ES module makes stderr
// non-blocking, which the command would inherit; and with the heavy parts of Node loaded by their first use, because the
// port must be open before them.

import { readFile } from "node:fs/promises";
import { builtinModules } from "node:module";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { Plugin } from "esbuild";

/** What is needed before the port is open; everything else of Node waits for its first use. */
const EARLY = new Set(["fs", "net"]);

/** Writes the bundled entrypoint to `outfile`; it runs as `node outfile [--] CMD ARGS…`. */
export async function bundleEntrypoint(outfile: string): Promise<void> {
  await build({
    entryPoints: [fileURLToPath(new URL("src/main.ts", import.meta.url))],
    outfile,
    bundle: true,
    platform: "node",
    target: "node26",
    format: "cjs",
    // A third of the time to compile it; names stay, for who looks into a running container.
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: "none",
    logLevel: "silent",
    plugins: [lateBuiltins],
  });
}

/**
 * Replaces each built-in module by an object of getters that load it: one for each name that the importing file names,
 * and no more, because every one is defined before the port is open.
 */
const lateBuiltins: Plugin = {
  name: "late-builtins",
  setup(builder) {
    builder.onResolve(
      { filter: /^node:/, namespace: "file" },
      ({ path, importer }) => {
        const name = path.slice("node:".length);
        return builtinModules.includes(name) && !EARLY.has(name)
          ? { path, suffix: `?${importer}`, namespace: "late-builtin" }
          : undefined;
      },
    );
    builder.onLoad(
      { filter: /.*/, namespace: "late-builtin" },
      async ({ path, suffix }) => {
        const importer = await readFile(suffix.slice(1), "utf8");
        const names = namesImported(importer, path);
        if (names.length === 0) {
          throw new Error(`${suffix.slice(1)} must import ${path} by names`);
        }
        const getters = names.map(
          (name) =>
            `get ${name}() { return require(${JSON.stringify(path)}).${name}; }`,
        );
        return {
          contents: `module.exports = {\n${getters.join(",\n")}\n};`,
          loader: "js",
        };
      },
    );
  },
};

/** The names in `import { a, b as c } from "module"`, types left out. */
function namesImported(source: string, module: string): string[] {
  const imports = source.matchAll(
    /^import\s*\{([^}]*)\}\s*from\s*"([^"]+)";/gm,
  );
  return [...imports].flatMap(([, names = "", from]) =>
    from === module
      ? names
          .split(",")
          .map((name) => name.trim())
          .filter((name) => name !== "" && !name.startsWith("type "))
          .map((name) => name.replace(/\s+as\s.*$/s, ""))
      : [],
  );
}
