#!/usr/bin/env node
// The process: its environment, arguments, files, signals and end. Nothing else in this package touches any of them.
// Bundled it runs as `node entrypoint.cjs [--] CMD ARGS…`, where every argument belongs to the command, or behind the
// launcher, which tells by itself.

import {
  closeSync,
  fstatSync,
  ftruncateSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
  writeSync,
} from "node:fs";
import { Socket } from "node:net";
import { systemClock } from "@vaultbuddy/common";
import { readSettings } from "./config.ts";
import { runDev } from "./dev/dev.ts";
import { runEntrypoint } from "./entrypoint.ts";
import { appEnvironment, checkArguments, parseEnviron } from "./environ.ts";
import { becomeCommand, ENDING } from "./exec.ts";
import type { Host } from "./exec.ts";
import { describeEnd, Failure } from "./exit.ts";
import { findCommand } from "./find.ts";
import { openLaunched } from "./launched.ts";
import type { Given, Supervised } from "./launched.ts";
import { openLog } from "./log.ts";
import type { Log } from "./log.ts";
import { readValues } from "./settings.ts";
import { keep } from "./supervise/keep.ts";
import type { Watch } from "./supervise/keep.ts";
import { LaunchedApp } from "./supervise/launched-app.ts";
import { readSupervise } from "./supervise/settings.ts";
import type { SuperviseSettings } from "./supervise/settings.ts";
import { nothingToWatch, VaultWatch } from "./supervise/watch.ts";

const O_CLOEXEC = 0o2000000;
/** The largest file that a setting names, in bytes. */
const MOST = 1024 * 1024;
/** How long a signal's end may wait for the token to be revoked, in milliseconds. */
const LAST_MOMENT = 1000;

/** What a signal finds to be done before the end; nothing while no token was opened. */
let last: (() => Promise<void>) | undefined;
let leaving = false;
/** The command ran as a child and has ended: this process ends as it did, whatever comes. */
let over = false;

/** Ends for a signal. The second one doesn't wait. */
async function leave(code: number): Promise<void> {
  if (over) {
    return;
  }
  if (last !== undefined && !leaving) {
    leaving = true;
    await Promise.race([
      last().catch(() => undefined),
      systemClock.sleep(LAST_MOMENT),
    ]);
  }
  process.exit(code);
}

const ownHost: Host = {
  execve: (file, argv, env) => process.execve?.(file, argv, env),
  resetSignal: (name) => {
    // Node's own "ignored" is only undone when a listener was there and went.
    process.on(name, () => undefined);
    process.removeAllListeners(name);
  },
  inherited: () => {
    try {
      return readdirSync("/proc/self/fd")
        .map(Number)
        .filter((fd) => fd > 2 && survives(fd));
    } catch {
      return [];
    }
  },
  close: (descriptor) => closeSync(descriptor),
  settle: async () => {
    // The first turn may be the rest of the one we are in; the second has looked at what came in.
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    if (leaving) {
      // A signal came first: its end is near, and the command must not begin with a token that is being revoked.
      await new Promise(() => undefined);
    }
  },
};

function survives(descriptor: number): boolean {
  try {
    const info = readFileSync(`/proc/self/fdinfo/${descriptor}`, "latin1");
    const [, flags = "0"] = /^flags:\s*([0-7]+)/m.exec(info) ?? [];
    return (Number.parseInt(flags, 8) & O_CLOEXEC) === 0;
  } catch {
    // The descriptor the directory itself was read by.
    return false;
  }
}

function write(line: string): void {
  try {
    writeSync(2, line);
  } catch {
    // Nobody reads stderr, or it is full: a line lost is better than a container that hangs or dies for it.
    return;
  }
}

function end(error: unknown): void {
  if (leaving) {
    // The signal came first, and what failed since may be its doing.
    return;
  }
  const { line, code } = describeEnd(error);
  openLog("error", write).error(line);
  process.exit(code);
}

/** Bytes that Node shows as text only; without /proc, Node's text, in which U+FFFD then tells of bytes it lost. */
function block(file: string, otherwise: () => string): Uint8Array {
  try {
    return readFileSync(file);
  } catch {
    return Buffer.from(
      otherwise(),
      otherwise().includes("\ufffd") ? "latin1" : "utf8",
    );
  }
}

function readSmallFile(path: string): string {
  const facts = statSync(path);
  if (!facts.isFile() || facts.size > MOST) {
    throw Object.assign(new Error("not a small file"), { code: "EINVAL" });
  }
  return readFileSync(path, "utf8");
}

/** What the launcher of the bundle keeps for us, where there is one. */
function launched(args: readonly string[]): Given | undefined {
  const [, script = ""] = process.argv;
  return openLaunched(args, script.replace(/[^/]*$/, "become"), {
    resetSignal: (name) => ownHost.resetSignal(name),
    settle: () => ownHost.settle(),
    read: (descriptor) => {
      const bytes = Buffer.alloc(fstatSync(descriptor).size);
      readSync(descriptor, bytes, 0, bytes.length, 0);
      return bytes;
    },
    write: (descriptor, bytes) => {
      ftruncateSync(descriptor, 0);
      for (let at = 0; at < bytes.length;) {
        at += writeSync(descriptor, bytes, at, bytes.length - at, at);
      }
    },
    execve: (file, argv) => process.execve?.(file, argv, {}),
  });
}

/** The host of a command that runs as a child of the launcher's. */
function keeping(
  host: Host,
  { channel, prepare }: Supervised,
  settings: SuperviseSettings,
  log: Log,
): Host {
  return {
    ...host,
    keep: async (file, first, watched) => {
      const stream = new Socket({
        fd: channel,
        readable: true,
        writable: true,
      });
      const app = new LaunchedApp(file, stream, (env) => prepare(file, env));
      const deps = { clock: systemClock, log };
      const watch =
        watched === undefined
          ? nothingToWatch
          : new VaultWatch(watched, { ...deps, settings });
      const last: Watch = {
        next: () => watch.next(),
        end: () => {
          over = true;
          return watch.end();
        },
      };
      const code = await keep(app, first, last, { ...deps, ...settings });
      process.exit(code);
    },
  };
}

/** What this process itself was given. */
function direct(args: readonly string[]): Given {
  checkArguments(block("/proc/self/cmdline", () => process.argv.join("\0")));
  const env = parseEnviron(
    block("/proc/self/environ", () =>
      Object.entries(process.env)
        .map(([name, value]) => `${name}=${value}`)
        .join("\0"),
    ),
  );
  return { args, env, host: ownHost };
}

/**
 * Makes Node's own streams over stdio impossible to create. Each sets its descriptor non-blocking, for the command too,
 * and Node creates stderr's even by itself: whenever a socket is destroyed, net.Socket compares itself with it.
 */
function leaveStdioAlone(): void {
  for (const name of ["stdin", "stdout", "stderr"]) {
    Object.defineProperty(process, name, { value: {} });
  }
  // Node's warnings would go there, and they are about Node: that execve is experimental, say.
  process.removeAllListeners("warning");
}

async function main(): Promise<never> {
  leaveStdioAlone();
  for (const [name, number] of Object.entries(ENDING)) {
    // Without a handler a process that is PID 1 would ignore them.
    process.on(name, () => void leave(128 + number));
  }
  process.on("uncaughtException", end);
  process.on("unhandledRejection", end);
  const args = process.argv.slice(2);
  const start = launched(args) ?? direct(args);
  const { args: words, env: given, listener, supervised } = start;
  const command = findCommand(words, given.get("PATH"));
  const settings = readSettings(given, readSmallFile);
  const log = openLog(settings.logLevel, write);
  const supervise = given.has("WIS_SUPERVISE")
    ? readSupervise(readValues(given, []))
    : undefined;
  if (supervise !== undefined && supervised === undefined) {
    throw new Failure(
      "settings",
      "WIS_SUPERVISE: needs the bundle's /vaultbuddy/entrypoint, whose launcher stays with the command",
    );
  }
  const host =
    supervise === undefined || supervised === undefined
      ? start.host
      : keeping(start.host, supervised, supervise, log);
  if (settings.mode === "off") {
    log.warn("WIS_MODE=off: the command starts without any secret");
    return await becomeCommand(
      command,
      appEnvironment(given, new Map(), settings.passthrough),
      host,
    );
  }
  const deps = {
    clock: systemClock,
    log,
    host,
    readFile: readSmallFile,
    beforeSignalEnds: (what: () => Promise<void>) => {
      last = what;
    },
    ...(listener === undefined ? {} : { listener }),
  };
  if (settings.mode === "dev") {
    return await runDev(settings.config, command, given, deps);
  }
  if (settings.config.plaintext) {
    log.warn(
      "WIS_PLAINTEXT=allow: whoever reads the network can read the delivery",
    );
  }
  return await runEntrypoint(settings.config, command, given, deps);
}

main().catch(end);
