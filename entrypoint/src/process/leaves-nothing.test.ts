// What the command sees of the process it is in, behind the entrypoint and without it: the same, but for the secrets.
// One difference is known and stays: Node raises the soft limit of open files, and nothing in Node puts it back.

import { spawnSync } from "node:child_process";
import { openSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { FakeVault } from "./fake-vault.ts";
import {
  BUNDLE,
  bundled,
  deliveryFor,
  post,
  scratch,
  settingsFor,
  sign,
  start,
} from "./harness.ts";

beforeAll(() => bundled);

/** Runs a command directly, or behind the bundle. */
function run(
  command: readonly string[],
  direct: boolean,
  stdio: "pipe" | "file",
): string {
  const args = direct ? command : [process.execPath, BUNDLE, "--", ...command];
  const [file = "", ...rest] = args;
  const path = join(scratch, "stdout");
  const ran = spawnSync(file, rest, {
    env: { PATH: "/usr/bin:/bin", ...(direct ? {} : { WIS_MODE: "off" }) },
    stdio: [
      "pipe",
      stdio === "pipe" ? "pipe" : openSync(path, "w"),
      "pipe",
      openSync("/dev/null", "r"),
    ],
    encoding: "utf8",
  });
  return stdio === "pipe"
    ? ran.stdout
    : spawnSync("cat", [path], { encoding: "utf8" }).stdout;
}

describe.each(["pipe", "file"] as const)("with a %s as stdout", (stdio) => {
  test.each([
    [
      "signals that are ignored or blocked",
      ["grep", "-E", "^Sig(Blk|Ign|Cgt)|^ShdPnd", "/proc/self/status"],
    ],
    [
      "the user, groups, umask and capabilities",
      [
        "grep",
        "-E",
        "^(Name|Umask|Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp|Threads)",
        "/proc/self/status",
      ],
    ],
    ["arguments", ["cat", "/proc/self/cmdline"]],
    ["environment", ["cat", "/proc/self/environ"]],
    ["working directory", ["readlink", "/proc/self/cwd"]],
    ["OOM score", ["cat", "/proc/self/oom_score_adj"]],
    [
      "flags of its descriptors",
      [
        "grep",
        "-h",
        "flags",
        "/proc/self/fdinfo/0",
        "/proc/self/fdinfo/1",
        "/proc/self/fdinfo/2",
      ],
    ],
    [
      "limits but the one of open files",
      ["grep", "-v", "Max open files", "/proc/self/limits"],
    ],
  ])("%s are the same", (_name, command) => {
    const behind = run(command, false, stdio);
    expect(behind).not.toBe("");
    expect(behind).toBe(run(command, true, stdio));
  });

  test("only the three descriptors are left, whatever this process was given", () => {
    const open = run(["ls", "/proc/self/fd"], false, stdio).trim().split("\n");
    // The fourth is the directory that ls reads.
    expect(open).toEqual(["0", "1", "2", "3"]);
  });
});

test("the same holds after a delivery, with listener and connections gone", async () => {
  const vault = await new FakeVault().start();
  vault.secrets.set("secret/web", { A: "1" });
  vault.mint("wrap-1");
  const script =
    "grep -E '^Sig(Ign|Blk|Cgt)' /proc/self/status; cat /proc/self/fdinfo/[012] | grep flags; echo $$; ls /proc/self/fd | wc -l";
  const started = await start(["sh", "-c", script], settingsFor(vault), {
    stdio: ["pipe", "pipe", "pipe"],
  });
  const delivery = deliveryFor(vault, "wrap-1", {
    secrets: { paths: ["secret/web"], env: new Map() },
  });
  await post(await started.port(), sign(delivery));
  expect(await started.ended, started.err()).toBe(0);
  const lines = started.out().trim().split("\n");
  const direct = spawnSync("sh", ["-c", script], { encoding: "utf8" })
    .stdout.trim()
    .split("\n");
  expect(lines.slice(0, -2)).toEqual(direct.slice(0, -2));
  // The same process; and its three descriptors with the pipe and the directory of the last line itself.
  expect(lines.slice(-2)).toEqual([String(started.child.pid), "4"]);
  vault.stop();
});

test("the exit status and the death by a signal are the command's own", async () => {
  const env = { PATH: "/usr/bin:/bin", WIS_MODE: "off" };
  const exited = await start(["sh", "-c", "exit 7"], env);
  expect(await exited.ended).toBe(7);
  const killed = await start(["sh", "-c", "kill -KILL $$"], env);
  expect(await killed.ended).toBe("SIGKILL");
});
