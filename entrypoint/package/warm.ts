// The process in which code-cache.ts lets the entrypoint run: `warm.ts SCRIPT CACHE` ends when it listens, and leaves the
// bytecode of what was compiled by then in CACHE.

import { subscribe } from "node:diagnostics_channel";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { Script } from "node:vm";

type Wrapped = (
  exports: object,
  require: NodeJS.Require,
  module: object,
  filename: string,
  dirname: string,
) => void;

const [, , file = "", cache = ""] = process.argv;
const source = readFileSync(file, "latin1");
const script = new Script(source, { filename: file });

subscribe("tracing:net.server.listen:asyncEnd", () => {
  // By then it has said so and begun what it does next.
  setImmediate(() => {
    const cachedData = script.createCachedData();
    const { cachedDataRejected } = new Script(source, { cachedData });
    writeFileSync(cache, cachedData);
    process.exit(cachedDataRejected === false ? 0 : 1);
  });
});

process.argv.splice(1, process.argv.length, file, process.execPath);
const run = script.runInThisContext() as Wrapped;
const exports = {};
run(exports, createRequire(import.meta.url), { exports }, file, "");
