// Adapter: the bundle's launcher (launcher/entrypoint.c), which starts us with an environment of our own and keeps the
// one it was given in a sealed memfd. We read it there, write what is to run into a second memfd, and execute
// launcher/become.c, which puts everything back. The layout of both is that of launcher/given.h.

import type { Host } from "./exec.ts";

const GIVEN_MAGIC = "vaultbuddy-give1";
const PLAN_MAGIC = "vaultbuddy-plan1";
/** sizeof(struct given): the strings begin there. */
const GIVEN_BYTES = 136;
/** offsetof(struct given, room). */
const ROOM = 40;
/** sizeof(struct plan). */
const PLAN_BYTES = 24;

/** What was given to the process, or to the launcher before it, and how to become the command. */
export interface Given {
  /** The command and its arguments. Bytes that are not UTF-8 read as U+FFFD here, and reach the command as they were. */
  readonly args: readonly string[];
  /** The first of each name, likewise. */
  readonly env: ReadonlyMap<string, string>;
  readonly host: Host;
  /** A socket that is bound to the address of WIS_LISTEN, where the launcher could. */
  readonly listener?: number;
  /** There where launcher/supervise.c stays, and starts the command when it is told. */
  readonly supervised?: Supervised;
}

/** The way to launcher/supervise.c. */
export interface Supervised {
  readonly channel: number;
  /** Writes down what it is to start next. Throws as execve does. */
  readonly prepare: (file: string, env: Record<string, string>) => void;
}

/** What is done to descriptors and to the process. */
export interface LauncherIo extends Pick<Host, "resetSignal" | "settle"> {
  /** All bytes of an open descriptor. Throws where it is not open. */
  readonly read: (descriptor: number) => Uint8Array;
  /** Replaces what it holds. */
  readonly write: (descriptor: number, bytes: Uint8Array) => void;
  /** Replaces the process; the new one has no environment. */
  readonly execve: (file: string, argv: readonly string[]) => void;
}

/**
 * What the launcher handed over, or undefined when it was not the launcher that started us. It says so by naming its
 * descriptors in the only argument, and the record in the first one proves it: no variable of an image has a part in that.
 */
export function openLaunched(
  args: readonly string[],
  become: string,
  io: LauncherIo,
): Given | undefined {
  const [, given, plan, listener, channel] =
    /^(\d+),(\d+)(?:,(\d+))?(?:;(\d+))?$/.exec(args[0] ?? "") ?? [];
  const record = args.length === 1 ? readGiven(Number(given), io) : undefined;
  if (record === undefined || given === undefined || plan === undefined) {
    return undefined;
  }
  const texts = record.args.map((arg) => arg.toString("utf8"));
  const skip = texts[0] === "--" ? 1 : 0;
  const prepare: Supervised["prepare"] = (file, env) => {
    const strings = [Buffer.from(file), ...mergedEnv(record.env, env)];
    checkRoom(record, strings);
    io.write(Number(plan), writePlan(skip, strings));
  };
  return {
    args: texts,
    env: firstOfEach(record.env),
    ...(listener === undefined ? {} : { listener: Number(listener) }),
    ...(channel === undefined
      ? {}
      : { supervised: { channel: Number(channel), prepare } }),
    host: {
      execve: (file, _argv, env) => {
        prepare(file, env);
        io.execve(become, [
          "become",
          given,
          plan,
          ...(listener === undefined ? [] : [listener]),
        ]);
      },
      // become.c sets every disposition; until then the default one ends us, where Node's handler would lose the signal.
      resetSignal: io.resetSignal,
      settle: io.settle,
      // become.c closes what is ours. Whatever else stands open was given to the command.
      inherited: () => [],
      close: () => undefined,
    },
  };
}

interface Aside {
  /** What execve takes for all strings and the pointers to them, in bytes. */
  readonly room: bigint;
  readonly args: readonly Buffer[];
  readonly env: readonly Buffer[];
}

function readGiven(descriptor: number, io: LauncherIo): Aside | undefined {
  let bytes: Buffer;
  try {
    bytes = Buffer.from(io.read(descriptor));
  } catch {
    return undefined;
  }
  if (
    bytes.length < GIVEN_BYTES ||
    bytes.toString("latin1", 0, 16) !== GIVEN_MAGIC
  ) {
    return undefined;
  }
  const argc = bytes.readUInt32LE(16);
  const strings = split(bytes.subarray(GIVEN_BYTES));
  return {
    room: bytes.readBigUInt64LE(ROOM),
    args: strings.slice(0, argc),
    env: strings.slice(argc),
  };
}

function split(bytes: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf(0, at);
    found.push(bytes.subarray(at, end));
    at = end + 1;
  }
  return found;
}

function firstOfEach(entries: readonly Buffer[]): Map<string, string> {
  const env = new Map<string, string>();
  for (const { name, value } of entries.map(parse)) {
    if (name !== "" && !env.has(name)) {
      env.set(name, value);
    }
  }
  return env;
}

function parse(entry: Buffer): { name: string; value: string } {
  const text = entry.toString("utf8");
  const at = text.indexOf("=");
  return at <= 0
    ? { name: "", value: text }
    : { name: text.slice(0, at), value: text.slice(at + 1) };
}

/**
 * The entries of the command's environment. What was given and is still to be there keeps its bytes and its place, also
 * where it is not UTF-8, has no name, or comes twice; a new value takes the place of the old; new names follow.
 */
function mergedEnv(
  given: readonly Buffer[],
  env: Readonly<Record<string, string>>,
): Buffer[] {
  const left = new Map(Object.entries(env));
  const before = firstOfEach(given);
  const entries = given.flatMap((entry) => {
    const { name } = parse(entry);
    const wanted = Object.hasOwn(env, name) ? env[name] : undefined;
    const first = left.delete(name);
    if (name === "" || (wanted !== undefined && wanted === before.get(name))) {
      return [entry];
    }
    return first ? [Buffer.from(`${name}=${wanted}`)] : [];
  });
  return [
    ...entries,
    ...[...left].map(([name, value]) => Buffer.from(`${name}=${value}`)),
  ];
}

/** Fails as execve would, while there is still somebody to revoke the token. */
function checkRoom({ room, args }: Aside, strings: readonly Buffer[]): void {
  const pointer = 8;
  const bytes = [...args, ...strings].reduce(
    (sum, { length }) => sum + length + 1 + pointer,
    0,
  );
  if (BigInt(bytes) > room) {
    throw Object.assign(new Error("too large"), { errno: 7, code: "E2BIG" });
  }
}

/** struct plan: the file to execute, and the entries of its environment. */
function writePlan(skip: number, strings: readonly Buffer[]): Buffer {
  const head = Buffer.alloc(PLAN_BYTES);
  head.write(PLAN_MAGIC, "latin1");
  head.writeUInt32LE(skip, 16);
  head.writeUInt32LE(strings.length - 1, 20);
  const end = Buffer.of(0);
  return Buffer.concat([head, ...strings.flatMap((bytes) => [bytes, end])]);
}
