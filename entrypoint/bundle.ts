// The entrypoint as one file that a container can run: CommonJS, because importing node:http as an ES module makes stderr
// non-blocking, which the command would inherit; and with the heavy parts of Node loaded by their first use, because the
// port must be open before them.

import { builtinModules, createRequire } from "node:module";
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

/** Replaces each built-in module by an object of getters that loads it. */
const lateBuiltins: Plugin = {
  name: "late-builtins",
  setup(builder) {
    const require = createRequire(import.meta.url);
    builder.onResolve({ filter: /^node:/, namespace: "file" }, ({ path }) => {
      const name = path.slice("node:".length);
      return builtinModules.includes(name) && !EARLY.has(name)
        ? { path, namespace: "late-builtin" }
        : undefined;
    });
    builder.onLoad({ filter: /.*/, namespace: "late-builtin" }, ({ path }) => {
      const names = Object.keys(require(path) as object);
      const getters = names.map(
        (name) =>
          `get ${JSON.stringify(name)}() { return require(${JSON.stringify(path)})[${JSON.stringify(name)}]; }`,
      );
      return {
        contents: `module.exports = {\n${getters.join(",\n")}\n};`,
        loader: "js",
      };
    });
  },
};
