// `npx --yes pnpm@12 images`: builds the images of the product and of what it is tried out with, and prints their sizes.

import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { connectDocker } from "../engine/docker-connect.ts";
import { makeAll, stageAll, type Order } from "./images.ts";
import { allImages } from "./stage.ts";

const usage = `usage: npx --yes pnpm@12 images [flags] [NAME…]
  NAME             ${allImages.map(({ name }) => name).join(", ")} (default: all)
  --base IMAGE     an image with Node 26 as \`node\` (default node:26-slim), or scratch-local: made here from the
                   pinned Node and this machine's C library, where no registry is reached
  --prefix TEXT    before each name, such as 123456789012.dkr.ecr.eu-west-1.amazonaws.com/
  --tag TEXT       default latest
  --into DIR       where the folders are laid out (default dist/images)
  --stage          only lay out dist/images/NAME, for \`docker build\`; needs no Docker
DOCKER_HOST names another engine than /var/run/docker.sock. The image of the entrypoint needs Debian's musl-tools.`;

const root = fileURLToPath(new URL("../../../../", import.meta.url));
const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

function readOrder(args: readonly string[]): Order & { stageOnly: boolean } {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      base: { type: "string", default: "node:26-slim" },
      prefix: { type: "string", default: "" },
      tag: { type: "string", default: "latest" },
      into: { type: "string", default: `${root}dist/images` },
      stage: { type: "boolean", default: false },
    },
  });
  const unknown = positionals.find(
    (name) => !allImages.some((image) => image.name === name),
  );
  if (unknown !== undefined) {
    throw new Error(`there is no image ${unknown}\n${usage}`);
  }
  const { base, prefix, tag, into, stage } = values;
  return {
    images: allImages.filter(
      ({ name }) => positionals.length === 0 || positionals.includes(name),
    ),
    base,
    prefix,
    tag,
    folder: resolve(into),
    node: process.execPath,
    stageOnly: stage,
  };
}

async function main(): Promise<void> {
  if (process.argv.includes("--help")) return print(usage);
  const order = readOrder(process.argv.slice(2));
  if (order.stageOnly) {
    for (const folder of await stageAll(order)) print(folder);
    return;
  }
  await makeAll(
    connectDocker(process.env["DOCKER_HOST"]),
    order,
    ({ name, bytes }) => {
      print(`${(bytes / 1e6).toFixed(1).padStart(8)} MB  ${name}`);
    },
  );
}

main().catch((error: unknown) => {
  process.stderr.write(
    `images: ${error instanceof Error ? error.message : String(error)}\n`,
  );
  process.exitCode = 1;
});
