#!/usr/bin/env -S node --
// The package's command. With `--` it is the entrypoint itself, which lives in ../main.ts and is loaded alone, so that
// nothing of the tools touches what the command inherits. Without, it is a tool for whoever writes images and tasks. In a
// container there are no tools: the bundle is made of ../main.ts, where every argument belongs to the command. The two
// dashes above are for Node, which would take our --env-file for its own flag of that name, wherever it stands.

import { createReadStream } from "node:fs";

/** More than any delivery holds, in bytes: whoever names a disk image by mistake hears of it at once. */
const MOST = 1024 * 1024;

/** Also from a pipe: `--env-file <(sops -d .env)` writes the values nowhere. `-` is standard input. */
async function readCapped(path: string): Promise<Uint8Array> {
  const stream = path === "-" ? process.stdin : createReadStream(path);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > MOST) {
      throw Object.assign(new Error("too large"), { code: "EFBIG" });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

if (process.argv[2] === "--") {
  await import("../main.ts");
} else {
  const { systemClock } = await import("@vaultbuddy/common");
  const { randomUUID } = await import("node:crypto");
  const { default: Docker } = await import("dockerode");
  const { runTools } = await import("./program.ts");
  process.exitCode = await runTools(process.argv.slice(2), {
    env: process.env,
    read: readCapped,
    print: (text) => {
      process.stdout.write(text);
    },
    note: (line) => {
      process.stderr.write(`vaultbuddy-entrypoint: ${line}\n`);
    },
    // It reads DOCKER_HOST and its companions as the docker command does.
    docker: () => new Docker().modem,
    clock: systemClock,
    newId: randomUUID,
  });
}
