// What stands in a variable of the container and points into Vault, in the form that bank-vaults made known: a whole value
// `vault:secret/db#password`, or any number of `${vault:secret/db#password}` inside one. What looks like a reference and
// is none is a fault: handed on as it stands it would be taken for the secret.
// https://bank-vaults.dev/docs/mutating-webhook/configuration/

import { ShapeError, text, vaultPath } from "@vaultbuddy/common";
import { canonical, parseExact } from "./values.ts";

/** Where values come from: something in Vault that is read, or written to and answers. */
export type Source =
  | {
      readonly kind: "read";
      /** As `vault kv get` and `vault read` take it. */
      readonly path: string;
      /** Of a KV engine of version 2; without it the latest. */
      readonly version?: number;
      /** The path may be the one of the API, with `data/` behind the engine, as bank-vaults writes it. */
      readonly api?: true;
    }
  | {
      readonly kind: "write";
      /** As the API has it. */
      readonly path: string;
      /** A JSON object; equal parameters are equal texts. */
      readonly parameters: string;
    };

/** What a reference stands for: a key of a source, a ciphertext of the transit engine, or the container's own token. */
export type Reference =
  | { readonly kind: "key"; readonly source: Source; readonly key: string }
  | { readonly kind: "ciphertext"; readonly ciphertext: string }
  | { readonly kind: "token" };

/** A value in the order of its parts: text that stays, and references. */
export type Parts = readonly (string | Reference)[];

/** Dollars and the brace before a reference inside a value. */
const INLINE = /(\$+)\{((?:>>)?vault:)/g;
const WHOLE = /^(?:>>)?vault:/;
const CIPHERTEXT = /v\d{1,9}:[A-Za-z0-9+/=_-]+/y;

/**
 * The parts of a variable's value; undefined when it stays as it is. A dollar is doubled to mean itself: `$${vault:…}` is
 * the text `${vault:…}`, and `$$${vault:…}` a dollar and a reference. Throws {@link ShapeError}, which quotes nothing.
 */
export function parseValue(value: string): Parts | undefined {
  if (value.search(INLINE) < 0) {
    const [opening] = WHOLE.exec(value) ?? [];
    return opening === undefined
      ? undefined
      : [parseReference(value, opening.length, opening, "").reference];
  }
  const parts: (string | Reference)[] = [];
  let literal = "";
  let last = 0;
  for (;;) {
    INLINE.lastIndex = last;
    const found = INLINE.exec(value);
    if (found === null) {
      break;
    }
    const [all, dollars = "", opening = ""] = found;
    const before = value.slice(last, found.index);
    literal += before + "$".repeat(dollars.length >> 1);
    last = found.index + all.length;
    if (dollars.length % 2 === 0) {
      literal += `{${opening}`;
      continue;
    }
    const { reference, end } = parseReference(value, last, opening, "}");
    parts.push(literal, reference);
    literal = "";
    last = end;
  }
  return [...parts, literal + value.slice(last)].filter((part) => part !== "");
}

/** Reads one entry of WIS_SECRETS: a path, or a path and the version to read, `secret/web#3`. */
export function parseWhole(value: string): Source {
  const at = value.indexOf("#");
  const path = text(at < 0 ? value : value.slice(0, at), "", vaultPath);
  return at < 0
    ? { kind: "read", path }
    : { kind: "read", path, version: parseVersion(value.slice(at + 1)) };
}

/** The same text for the same question, whichever reference it came from. */
export function sourceId(source: Source): string {
  return JSON.stringify(source);
}

/** What a reader is told of a source. */
export function describeSource(source: Source): string {
  const path = JSON.stringify(source.path);
  if (source.kind === "write") {
    return `the answer of ${path}`;
  }
  return source.version === undefined
    ? path
    : `version ${source.version} of ${path}`;
}

/** Reads what follows `vault:` up to `close`, which is empty for the end of the text. */
function parseReference(
  value: string,
  start: number,
  opening: string,
  close: "" | "}",
): { reference: Reference; end: number } {
  const write = opening.startsWith(">>");
  const closes = (at: number): boolean =>
    close === "" ? at === value.length : value[at] === close;
  const done = (reference: Reference, at: number) => ({
    reference,
    end: at + close.length,
  });
  if (!write) {
    const special = parseSpecial(value, start);
    if (special !== undefined && closes(special.end)) {
      return done(special.reference, special.end);
    }
  }
  const upTo = close === "" ? /[^#]*/y : /[^#}]*/y;
  const pathEnd = endOf(upTo, value, start);
  const path = text(value.slice(start, pathEnd), "", {
    ...vaultPath,
    form: "a reference to a Vault path and a key, such as vault:secret/db#password (WIS_LITERAL names variables that hold none)",
  });
  if (value[pathEnd] !== "#") {
    throw new ShapeError(
      "",
      closes(pathEnd)
        ? "must name a key, as in vault:secret/db#password (WIS_LITERAL names variables that hold no reference)"
        : "must close its reference with }",
    );
  }
  const keyEnd = endOf(upTo, value, pathEnd + 1);
  const key = parseKey(value.slice(pathEnd + 1, keyEnd));
  const third = value[keyEnd] === "#" ? keyEnd + 1 : undefined;
  const { source, end } = write
    ? parseWrite(path, value, third, keyEnd, close)
    : parseRead(path, value, third, keyEnd, upTo);
  if (!closes(end)) {
    throw new ShapeError("", "must close its reference with }");
  }
  return done({ kind: "key", source, key }, end);
}

function parseSpecial(
  value: string,
  start: number,
): { reference: Reference; end: number } | undefined {
  if (value.startsWith("login", start)) {
    return { reference: { kind: "token" }, end: start + "login".length };
  }
  CIPHERTEXT.lastIndex = start;
  const [rest] = CIPHERTEXT.exec(value) ?? [];
  return rest === undefined
    ? undefined
    : {
        // "vault:" is part of the ciphertext itself.
        reference: { kind: "ciphertext", ciphertext: `vault:${rest}` },
        end: start + rest.length,
      };
}

function parseKey(key: string): string {
  if (key.startsWith("${") || key.startsWith("{{")) {
    throw new ShapeError("", "must name a key: templates are not known here");
  }
  return text(key, "", { max: 512, pattern: /^[^#\0]+$/, form: "a key" });
}

function parseRead(
  path: string,
  value: string,
  third: number | undefined,
  keyEnd: number,
  upTo: RegExp,
): { source: Source; end: number } {
  const base = { kind: "read", path, api: true } as const;
  if (third === undefined) {
    return { source: base, end: keyEnd };
  }
  const end = endOf(upTo, value, third);
  return {
    source: { ...base, version: parseVersion(value.slice(third, end)) },
    end,
  };
}

function parseWrite(
  path: string,
  value: string,
  third: number | undefined,
  keyEnd: number,
  close: "" | "}",
): { source: Source; end: number } {
  if (third === undefined) {
    return { source: { kind: "write", path, parameters: "{}" }, end: keyEnd };
  }
  const end = close === "" ? value.length : endOfObject(value, third);
  const parameters = parseExact(value.slice(third, end));
  if (
    typeof parameters !== "object" ||
    parameters === null ||
    Array.isArray(parameters)
  ) {
    throw new ShapeError("", "must give its parameters as a JSON object");
  }
  return {
    source: { kind: "write", path, parameters: canonical(parameters) },
    end,
  };
}

/** KV counts versions from 1. */
function parseVersion(digits: string): number {
  if (!/^[1-9]\d{0,8}$/.test(digits)) {
    throw new ShapeError("", "must give its version as a number from 1");
  }
  return Number(digits);
}

/** Where the JSON object that begins here ends; the end of the text when it does not. */
function endOfObject(value: string, start: number): number {
  const token = /"(?:[^"\\]|\\.)*"|[{}]|[^"{}]+|"/gsy;
  token.lastIndex = start;
  for (let depth = 0; ;) {
    const [found] = token.exec(value) ?? [];
    if (found === undefined) {
      return value.length;
    }
    depth += found === "{" ? 1 : found === "}" ? -1 : 0;
    if (depth <= 0) {
      return found === "}" ? token.lastIndex : value.length;
    }
  }
}

function endOf(pattern: RegExp, value: string, start: number): number {
  pattern.lastIndex = start;
  return start + (pattern.exec(value)?.[0].length ?? 0);
}
