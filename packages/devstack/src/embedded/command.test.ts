// What is translated on the way from a container's command to a process of this machine, and what is left alone.

import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Command, commandOf, type CommandSpec } from "./command.ts";
import { Rootfs } from "./rootfs.ts";

let root: Rootfs;

beforeAll(async () => {
  const dir = await mkdtemp(join(tmpdir(), "vb-command-"));
  await mkdir(join(dir, "usr/bin"), { recursive: true });
  await mkdir(join(dir, "app"));
  await writeFile(join(dir, "usr/bin/tool"), "");
  await chmod(join(dir, "usr/bin/tool"), 0o755);
  await writeFile(join(dir, "app/main.js"), "");
  root = new Rootfs(dir, ["/run/keys"]);
});
afterAll(() => rm(root.dir, { recursive: true }));

function command(spec: Partial<CommandSpec>): Command {
  return commandOf(
    {
      argv: ["/usr/bin/tool"],
      env: [],
      workingDir: "/app",
      hostname: "h",
      address: "127.64.0.2",
      ...spec,
    },
    root,
  );
}

test.each([
  ["/app/main.js", "ROOT/app/main.js"],
  ["--config=/app/main.js", "--config=ROOT/app/main.js"],
  ["/app:/app/main.js", "ROOT/app:ROOT/app/main.js"],
  ["/run/keys/new", "ROOT/run/keys/new"],
  ["/app/../../../app", "ROOT/app"],
  ["/etc/hostname", "/etc/hostname"],
  ["/", "/"],
  ["app/main.js", "app/main.js"],
  ["https://vault/app", "https://vault/app"],
  ["read /app/main.js", "read /app/main.js"],
  ["0.0.0.0:80", "127.64.0.2:80"],
  ["[::]:80", "127.64.0.2:80"],
  [":80", ":80"],
  ["10.0.0.0:80", "10.0.0.0:80"],
])("the argument %s becomes %s", (given, expected) => {
  const { args } = command({ argv: ["/usr/bin/tool", given] });
  expect(args).toEqual([expected.replaceAll("ROOT", root.dir)]);
});

test.each([
  [["FILE=/app/main.js"], { FILE: "ROOT/app/main.js" }],
  [["PATH=/usr/bin:/absent:rel"], { PATH: "ROOT/usr/bin:ROOT/absent:rel" }],
  [["LISTEN=0.0.0.0:80"], { LISTEN: "127.64.0.2:80" }],
  [["PORT=:80"], { PORT: ":80" }],
  [["WIS_LISTEN=:80"], { WIS_LISTEN: "127.64.0.2:80" }],
  [["WIS_LISTEN=127.0.0.9:80"], { WIS_LISTEN: "127.0.0.9:80" }],
  [["WIS_MODE=off"], { WIS_LISTEN: "127.64.0.2:9202" }],
  [["A=b=c", "NOTHING"], { A: "b=c" }],
])("the variables %j become %j", (env, expected) => {
  const made = command({ env }).env;
  expect(made).toMatchObject(
    JSON.parse(JSON.stringify(expected).replaceAll("ROOT", root.dir)) as object,
  );
  expect(made).not.toHaveProperty("NOTHING");
});

test("a container without the entrypoint's variables gets Docker's own three and no other", () => {
  expect(Object.keys(command({}).env).toSorted()).toEqual([
    "HOME",
    "HOSTNAME",
    "PATH",
  ]);
});

test.each([
  [["tool"], "/usr/bin/tool"],
  [["/usr/bin/tool"], "/usr/bin/tool"],
  [["../usr/bin/tool"], "/usr/bin/tool"],
])("%j is found in the container", (argv, expected) => {
  expect(command({ argv }).file).toBe(root.dir + expected);
});

test.each([
  [["sh"], /executable file not found in \$PATH/],
  [["/bin/sh"], /stat \/bin\/sh: no such file/],
  [["/app/main.js"], /permission denied/],
  [["/app"], /permission denied/],
])("%j of this machine is not", (argv, why) => {
  expect(() => command({ argv })).toThrow(why);
});
