// JSON as a person writes it: JSON.parse keeps the last of two equal keys and says nothing, and in a policy that is a
// rule its author believes in and that does not exist. So the text is read a second time, for doubled keys only.

/** A key that stands twice in one object. */
export interface DoubledKey {
  /** The path of the object's key, such as `web.meta.team`. */
  readonly at: string;
  /** The line of the second one, counted from 1. */
  readonly line: number;
}

interface Level {
  readonly at: string;
  /** The keys so far; undefined in a list. */
  readonly keys: Set<string> | undefined;
  index: number;
  key: string;
}

/** Every doubled key of a text that JSON.parse has accepted (it is not checked again). */
export function doubledKeys(json: string): DoubledKey[] {
  const found: DoubledKey[] = [];
  const levels: Level[] = [];
  let line = 1;
  let expectKey = false;
  for (const [token] of json.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],]|\n/g)) {
    const level = levels.at(-1);
    if (token === "\n") {
      line += 1;
    } else if (token === "{" || token === "[") {
      const keys = token === "{" ? new Set<string>() : undefined;
      levels.push({ at: placeOf(level), keys, index: 0, key: "" });
      expectKey = token === "{";
    } else if (token === "}" || token === "]") {
      levels.pop();
      expectKey = false;
    } else if (token === ",") {
      expectKey = level?.keys !== undefined;
      if (level !== undefined) {
        level.index += 1;
      }
    } else if (expectKey && level?.keys !== undefined) {
      const key = String(JSON.parse(token));
      level.key = key;
      if (level.keys.has(key)) {
        found.push({ at: placeOf(level), line });
      }
      level.keys.add(key);
      expectKey = false;
    }
  }
  return found;
}

function placeOf(level: Level | undefined): string {
  if (level === undefined) {
    return "";
  }
  if (level.keys === undefined) {
    return `${level.at}[${level.index}]`;
  }
  return level.at === "" ? level.key : `${level.at}.${level.key}`;
}

/** Where JSON.parse gave up, as `line 3, column 5`; its own message quotes the text and is not passed on. */
export function placeOfSyntaxError(json: string, error: unknown): string {
  const message = error instanceof Error ? error.message : "";
  const position = /at position (\d+)/.exec(message)?.[1];
  const upTo = json.slice(0, position === undefined ? json.length : +position);
  const lines = upTo.split("\n");
  return `line ${lines.length}, column ${(lines.at(-1) ?? "").length + 1}`;
}
