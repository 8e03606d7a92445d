// Makes the keys of a try-out installation: the broker's master, and what each family's containers hold. On AWS the one
// is a file of the broker's and the others are secrets in Secrets Manager.

import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { deriveFamilyKey, parseKey } from "@vaultbuddy/common";
import type { Job } from "./job.ts";

/** `keys --account DIGITS DIRECTORY FAMILY…`: writes `hmac-master` unless it is there, and `FAMILY.key` for each family. */
export const createKeys: Job = (args, { print }) => {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { account: { type: "string", default: "123456789012" } },
  });
  const [directory, ...families] = positionals;
  if (directory === undefined) {
    throw new Error("usage: keys [--account DIGITS] DIRECTORY FAMILY…");
  }
  const master = join(directory, "hmac-master");
  if (!existsSync(master)) {
    write(master, randomBytes(32).toString("base64url"));
  }
  const key = parseKey(readFileSync(master, "utf8").trim());
  for (const family of families) {
    const derived = deriveFamilyKey(key, values.account, family).key;
    write(
      join(directory, `${family}.key`),
      derived.expose().toString("base64url"),
    );
  }
  print(`keys for ${families.join(", ")} are in ${directory}`);
  return Promise.resolve();
};

/** Readable by the group too: the stand-in for ECS runs as another user of it. */
function write(path: string, text: string): void {
  writeFileSync(path, text, { mode: 0o640 });
}
