// What a container's process is really started with. It runs as a plain process of this machine, so what names a place in
// the container is translated, and everything else reaches it as it was given. The rules, in full:
//
// 1. An argument or a variable's value that is an absolute path, and that the container has (in its image or a mount),
//    becomes that file's path on this machine. So does each part of a `:`-separated list of absolute paths, and what
//    stands behind the first `=` of an argument like `--config=/app/x`. `/` itself and what the container hasn't stay.
// 2. Every part of PATH lies in the container's files, whether it is there or not: this machine's programs are not found.
// 3. `0.0.0.0:PORT` as a whole argument or value becomes the container's own address and port: there is one network for
//    all, and the first to listen everywhere would be the last. `:PORT` is translated in WIS_LISTEN only.
// 4. Who has any variable `WIS_…` and no WIS_LISTEN gets one, with the entrypoint's default port. The entrypoint takes
//    it out of the application's environment with the others.

import { join } from "node:path";
import { ApiFault } from "./fault.ts";
import type { Rootfs } from "./rootfs.ts";

/** A command as the container has it. */
export interface CommandSpec {
  readonly argv: readonly string[];
  /** `NAME=value`. */
  readonly env: readonly string[];
  /** Absolute, in the container. */
  readonly workingDir: string;
  readonly hostname: string;
  /** Where it is to listen. */
  readonly address: string;
}

/** A command as this machine starts it. */
export interface Command {
  readonly file: string;
  readonly argv0: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
}

const defaultPath =
  "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/** Where the entrypoint listens when nobody says otherwise. */
const entrypointPort = "9202";

/** Translates. Throws the fault that Docker answers when there is no such program. */
export function commandOf(spec: CommandSpec, root: Rootfs): Command {
  const given = environment(spec);
  const env = Object.fromEntries(
    Object.entries(given).map(([name, value]) => [
      name,
      variable(name, value, spec.address, root),
    ]),
  );
  const [argv0 = "", ...rest] = spec.argv;
  return {
    file: program(argv0, given["PATH"] ?? "", spec.workingDir, root),
    argv0,
    args: rest.map((one) => argument(one, spec.address, root)),
    env,
    cwd: root.path(spec.workingDir || "/"),
  };
}

/** What the process sees: Docker's own three variables around the container's. */
function environment(spec: CommandSpec): Record<string, string> {
  const own = Object.fromEntries(
    spec.env
      .filter((line) => line.indexOf("=") > 0)
      .map((line) => {
        const cut = line.indexOf("=");
        return [line.slice(0, cut), line.slice(cut + 1)];
      }),
  );
  const all: Record<string, string> = {
    PATH: defaultPath,
    HOSTNAME: spec.hostname,
    ...own,
  };
  all["HOME"] ??= "/root";
  const asks = Object.keys(own).some((name) => name.startsWith("WIS_"));
  if (asks) all["WIS_LISTEN"] ??= `0.0.0.0:${entrypointPort}`;
  return all;
}

function variable(
  name: string,
  value: string,
  address: string,
  root: Rootfs,
): string {
  if (name === "PATH")
    return value
      .split(":")
      .map((part) => (part.startsWith("/") ? root.path(part) : part))
      .join(":");
  if (name === "WIS_LISTEN" && /^:\d+$/.test(value)) return address + value;
  return translated(value, address, root);
}

function argument(value: string, address: string, root: Rootfs): string {
  const [, flag, path] = /^(-{1,2}[\w.-]+=)(\/.+)$/.exec(value) ?? [];
  return flag === undefined || path === undefined
    ? translated(value, address, root)
    : flag + translated(path, address, root);
}

function translated(value: string, address: string, root: Rootfs): string {
  const port = /^(?:0\.0\.0\.0|\[::\])(:\d{1,5})$/.exec(value)?.[1];
  if (port !== undefined) return address + port;
  if (!value.startsWith("/") || value.includes("\0")) return value;
  const parts = value.split(":");
  if (parts.some((part) => !part.startsWith("/"))) return value;
  return parts
    .map((part) => (/^\/+$/.test(part) ? part : (root.locate(part) ?? part)))
    .join(":");
}

function program(
  name: string,
  path: string,
  workingDir: string,
  root: Rootfs,
): string {
  const candidates = name.includes("/")
    ? [root.path(name.startsWith("/") ? name : join(workingDir || "/", name))]
    : path
        .split(":")
        .filter((part) => part.startsWith("/"))
        .map((part) => root.path(join(part, name)));
  const states = candidates.map((at) => root.runnable(at));
  const found = candidates[states.indexOf("yes")];
  if (found !== undefined) return found;
  const why = states.includes("denied")
    ? "permission denied"
    : name.includes("/")
      ? `stat ${name}: no such file or directory`
      : "executable file not found in $PATH";
  throw new ApiFault(
    400,
    `failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "${name}": ${why}: unknown`,
  );
}
