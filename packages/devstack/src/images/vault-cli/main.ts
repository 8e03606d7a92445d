// The command `vault` in the image vaultbuddy-devstack.

import { readFileSync } from "node:fs";
import { readCommand } from "./command.ts";
import { carryOut } from "./run.ts";

const read = (file: string | number): string => readFileSync(file, "utf8");

async function main(): Promise<number> {
  const asked = readCommand(process.argv.slice(2), {
    readFile: read,
    readStdin: () => read(0),
  });
  const { VAULT_ADDR = "http://127.0.0.1:8200", VAULT_TOKEN } = process.env;
  const { stdout, stderr, code } = await carryOut(
    asked,
    VAULT_ADDR,
    VAULT_TOKEN,
  );
  process.stdout.write(stdout);
  process.stderr.write(stderr);
  return code;
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(
      `Error: ${error instanceof Error ? error.message : "failed"}\n`,
    );
    process.exitCode = 1;
  },
);
