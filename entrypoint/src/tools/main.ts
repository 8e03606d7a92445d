#!/usr/bin/env -S node --
// The package's command. With `--` it is the entrypoint itself, which lives in ../main.ts and is loaded alone, so that
// nothing of the tools touches what the command inherits. Without, it is a tool for whoever writes images and tasks. In a
// container there are no tools: the bundle is made of ../main.ts, where every argument belongs to the command. The two
// dashes above are for Node, which would take our --env-file for its own flag of that name, wherever it stands.

import { closeSync, openSync, readSync } from "node:fs";

/** More than any delivery holds, in bytes: whoever names a disk image by mistake hears of it at once. */
const MOST = 1024 * 1024;

/** Also from a pipe: `--env-file <(sops -d .env)` writes the values nowhere. */
function readCapped(path: string): Uint8Array {
  const descriptor = openSync(path, "r");
  try {
    const bytes = Buffer.alloc(MOST + 1);
    let size = 0;
    for (let got = -1; got !== 0 && size < bytes.length;) {
      got = readSync(descriptor, bytes, size, bytes.length - size, null);
      size += got;
    }
    if (size > MOST) {
      throw Object.assign(new Error("too large"), { code: "EFBIG" });
    }
    return bytes.subarray(0, size);
  } finally {
    closeSync(descriptor);
  }
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
