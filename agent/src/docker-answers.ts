// What Docker says, in our terms: the lines of its event stream and the elements of its list, each read on its own, so
// that one that cannot be read costs nothing but itself. Type, Action and Actor alone are used: the older `status`, `id`
// and `from` are gone from API 1.52.

import { Fields, parseJson, text } from "@vaultbuddy/common";
import { readUptime } from "./uptime.ts";
import type { Uptime } from "./uptime.ts";

/** A container as both an event and the list describe it. */
export interface Described {
  /** Docker's full id. */
  readonly id: string;
  /** Its name, without the slash the list puts before it. */
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
}

/** A container started or ended. */
export interface ContainerEvent extends Described {
  readonly action: "start" | "die";
  /** When, by Docker's clock, in milliseconds since 1970. */
  readonly time: number;
  /** The same as `seconds.nanoseconds`, exact: what tells one event from another and what `since` takes. */
  readonly stamp: string;
}

/** A container of the list that runs. */
export interface RunningContainer extends Described {
  /** Absent where Docker's words for it are not understood. */
  readonly uptime?: Uptime;
}

/** The longest line of the event stream that is read, in bytes. */
export const LINE_BYTES = 1024 * 1024;
/** The longest element of the list that is read, in bytes. */
export const ELEMENT_BYTES = 1024 * 1024;
/** The longest list that is read, in bytes: some 10,000 containers. */
export const LIST_BYTES = 32 * 1024 * 1024;

const ID = {
  max: 128,
  pattern: /^[0-9a-zA-Z-]{12,128}$/,
  form: "a container id",
};

/** Reads one line of the stream; undefined for an event of another kind. Throws ShapeError. */
export function parseEvent(line: string): ContainerEvent | undefined {
  const fields = new Fields(parseJson(Buffer.from(line), LINE_BYTES));
  const action = fields.take("Action");
  if (
    fields.take("Type") !== "container" ||
    (action !== "start" && action !== "die")
  ) {
    return undefined;
  }
  const actor = fields.object("Actor");
  const labels = labelsOf(actor.take("Attributes"));
  const stamp = stampOf(line, fields);
  return {
    action,
    id: actor.text("ID", ID),
    name: labels.get("name") ?? "",
    labels,
    stamp,
    time: Math.floor(Number(stamp) * 1000),
  };
}

/**
 * `timeNano` is above Number.MAX_SAFE_INTEGER, so its digits are taken from the text. No label can pass for it: the
 * quotes of a name inside a JSON text are escaped, and the value of a label stands in quotes.
 */
function stampOf(line: string, fields: Fields): string {
  const nano = /"timeNano":\s*(\d{19,20})\b/.exec(line)?.[1];
  return nano === undefined
    ? `${fields.integer("time", 0, 99_999_999_999)}.000000000`
    : `${nano.slice(0, -9)}.${nano.slice(-9)}`;
}

/** Reads one element of the list; undefined when that container does not run. Throws ShapeError. */
export function parseRunning(value: unknown): RunningContainer | undefined {
  const fields = new Fields(value);
  const state = fields.text("State", { max: 64 });
  if (state !== "running" && state !== "paused") {
    return undefined;
  }
  const names = fields.take("Names");
  const first: unknown = Array.isArray(names) ? names[0] : undefined;
  const status = fields.take("Status");
  const uptime =
    typeof status === "string" ? readUptime(status.slice(0, 200)) : undefined;
  return {
    id: text(fields.take("Id"), fields.place("Id"), ID),
    name: typeof first === "string" ? first.replace(/^\//, "") : "",
    labels: labelsOf(fields.take("Labels")),
    ...(uptime === undefined ? {} : { uptime }),
  };
}

function labelsOf(value: unknown): ReadonlyMap<string, string> {
  if (typeof value !== "object" || value === null) {
    return new Map();
  }
  return new Map(
    Object.entries(value).filter(
      (entry): entry is [string, string] => typeof entry[1] === "string",
    ),
  );
}
