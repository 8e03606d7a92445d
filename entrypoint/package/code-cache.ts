// The bundled entrypoint with bytecode of all that runs until it listens. V8 compiles a function when it is first called;
// so the entrypoint is run here once, as far as that, and what has been compiled by then is kept.

import { execFile } from "node:child_process";
import { copyFile, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { bundleEntrypoint } from "../bundle.ts";

const here = (name: string): string =>
  fileURLToPath(new URL(name, import.meta.url));

/** Settings with which it comes to listen, on a port that nobody knows. */
const settings = {
  WIS_LISTEN: "127.0.0.1:0",
  WIS_TIMEOUT: "10s",
  WIS_HMAC_KEY: Buffer.alloc(32).toString("base64url"),
  WIS_TASK_ARN:
    "arn:aws:ecs:us-east-1:123456789012:task/default/0123456789abcdef0123456789abcdef",
  WIS_CONTAINER_NAME: "bundle",
  VAULT_ADDR: "http://127.0.0.1:1",
};

/** Writes start.cjs, entrypoint.js and entrypoint.cache into `lib`, for the Node at `node`. */
export async function addEntrypoint(lib: string, node: string): Promise<void> {
  const plain = join(lib, "entrypoint.cjs");
  const script = join(lib, "entrypoint.js");
  await bundleEntrypoint(plain);
  const source = await readFile(plain, "utf8");
  await rm(plain);
  // start.cjs reads it as latin1, which costs nothing; esbuild escapes whatever is not ASCII.
  if (/[^\0-\x7f]/.test(source)) {
    throw new Error("the bundled entrypoint is not ASCII");
  }
  await writeFile(script, wrap(source));
  await copyFile(here("start.cjs"), join(lib, "start.cjs"));
  await promisify(execFile)(
    node,
    [here("warm.ts"), script, join(lib, "entrypoint.cache")],
    { env: settings, timeout: 30_000 },
  );
}

/** As Node wraps a CommonJS module. */
function wrap(source: string): string {
  return `(function (exports, require, module, __filename, __dirname) {${source.replace(/^#!.*/, "")}\n});\n`;
}
