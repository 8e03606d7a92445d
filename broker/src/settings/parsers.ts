// How the broker's own kinds of values are written. Each reader throws an Error that says what the value must be.

import { Secret } from "@vaultbuddy/common";
import { matchesGlob } from "../policy/glob.ts";

/** A token or password given as text. */
export function secret(text: string): Secret {
  return new Secret(text);
}

/** Where claims are kept. */
interface LedgerUrl {
  readonly kind: "sqlite";
  readonly path: string;
}

export function ledgerUrl(text: string): LedgerUrl {
  const [, path] = /^sqlite:(.+)$/.exec(text) ?? [];
  if (path === undefined) {
    throw new Error("must be sqlite:FILE");
  }
  return { kind: "sqlite", path };
}

export function label(text: string): { name: string; value: string } {
  const [, name, value] = /^([^=\s]{1,128})=([^\s]{1,256})$/.exec(text) ?? [];
  if (name === undefined || value === undefined) {
    throw new Error("must be NAME=VALUE");
  }
  return { name, value };
}

export function roleName(text: string): string {
  if (!/^[\w-]{1,128}$/.test(text)) {
    throw new Error("must be a name of letters, digits, - and _");
  }
  return text;
}

/** A name that is one segment of a path. */
export function plainName(text: string): string {
  if (!/^[\w@+-][\w.@+-]{0,127}$/.test(text)) {
    throw new Error("must be a name of letters, digits, ., @, +, - and _");
  }
  return text;
}

/** A path below `/v1/`, of plain segments: `approle`, `secret/vaultbuddy/policies`. */
export function vaultPath(text: string): string {
  const path = text.replace(/^\/|\/$/g, "");
  if (path.length > 512 || !/^[\w.-]+(?:\/[\w.-]+)*$/.test(path)) {
    throw new Error(
      "must be a path such as secret/vaultbuddy: letters, digits, ., - and _ between slashes",
    );
  }
  if (path.split("/").some((segment) => /^\.+$/.test(segment))) {
    throw new Error("must be a path without . and ..");
  }
  return path;
}

/** A path in which `*` stands for anything but `/`. */
export function pathGlob(text: string): (path: string) => boolean {
  vaultPath(text.replaceAll("*", "_"));
  return (path) => matchesGlob(text, path);
}
