// A setting stands in the table of its daemon, and from there in `--help` and in the README (readme.test.ts). That Compose,
// ECS and CloudFormation give only names that are settings is deploy.test.ts's to see.

import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { settings as agentSettings } from "../../agent/src/config.ts";
import { serveSettings } from "../../broker/src/settings.ts";

const at = (path: string): string =>
  new URL(`../../${path}`, import.meta.url).pathname;

test.each([
  ["agent/src/main.ts", [], agentSettings],
  ["broker/src/main.ts", ["serve"], serveSettings],
] as const)(
  "the help of %s names every flag and variable",
  (script, args, table) => {
    const help = execFileSync(
      process.execPath,
      [at(script), ...args, "--help"],
      { encoding: "utf8" },
    );
    const rows: readonly { readonly flag?: string; readonly env: string }[] =
      Object.values(table);
    const missing = rows.filter(
      ({ flag, env }) =>
        !help.includes(env) ||
        (flag !== undefined && !help.includes(`--${flag} `)),
    );
    expect(missing.map(({ env }) => env)).toEqual([]);
  },
);
