// `npx --yes pnpm@12 bundle [DIR]`: writes vaultbuddy, the folder for any image of this architecture, into dist (or DIR),
// and a Dockerfile for the image that carries it.

import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { assemble } from "./assemble.ts";
import type { Assembled } from "./assemble.ts";

const dist =
  process.argv[2] ?? fileURLToPath(new URL("../../dist", import.meta.url));

function describe({ files, stripped }: Assembled): string {
  const rows = files.map(({ path, bytes }) => [bytes, path] as const);
  const total = rows.reduce((sum, [bytes]) => sum + bytes, 0);
  const lines = [...rows, [total, "in all"] as const].map(
    ([bytes, path]) => `${String(bytes).padStart(12)}  ${path}\n`,
  );
  const note = stripped
    ? ""
    : "Node was not stripped, because this machine has no strip: install Debian's binutils to save 33 MB\n";
  return `${join(dist, "vaultbuddy")} for linux/${process.arch}, bytes:\n${lines.join("")}${note}`;
}

try {
  const header: unknown = Reflect.get(process.report.getReport(), "header");
  const assembled = await assemble(join(dist, "vaultbuddy"), {
    path: process.execPath,
    version: process.version,
    glibc: String(Reflect.get(Object(header), "glibcVersionRuntime")),
  });
  await copyFile(
    new URL("../Dockerfile", import.meta.url),
    join(dist, "Dockerfile"),
  );
  process.stdout.write(describe(assembled));
} catch (error) {
  process.stderr.write(
    `bundle: ${error instanceof Error ? error.message : String(error)}\n`,
  );
  process.exitCode = 1;
}
