// How the value of a setting is written, wherever it stands: durations, booleans, words, addresses. Each reader throws
// an Error that says what the value must be and never what it was.

/** Reads `250ms`, `30s`, `2m` or `1h` as milliseconds. */
export function duration(text: string): number {
  const [, digits, unit] = /^(\d{1,9})(ms|s|m|h)$/.exec(text) ?? [];
  if (digits === undefined || unit === undefined) {
    throw new Error("must be a duration such as 30s, 2m or 1h");
  }
  const factor =
    { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[unit] ?? Number.NaN;
  return Number(digits) * factor;
}

/** A duration of at least `min` and at most `max`, both as written. */
export function durationWithin(
  min: string,
  max: string,
): (text: string) => number {
  return (text) => {
    const value = duration(text);
    if (value < duration(min) || value > duration(max)) {
      throw new Error(`must be a duration from ${min} to ${max}`);
    }
    return value;
  };
}

/** Exactly `true` or `false`: anything else is a fault, so that no typo turns a check off. */
export function boolean(text: string): boolean {
  if (text !== "true" && text !== "false") {
    throw new Error("must be exactly true or false");
  }
  return text === "true";
}

/** One of a closed list of words. */
export function word<const Word extends string>(
  words: readonly Word[],
): (text: string) => Word {
  return (text) => {
    const found = words.find((one) => one === text);
    if (found === undefined) {
      throw new Error(`must be one of ${words.join(", ")}`);
    }
    return found;
  };
}

/** A whole number in a range. */
export function wholeNumber(
  min: number,
  max: number,
): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max)) {
      throw new Error(`must be a whole number from ${min} to ${max}`);
    }
    return value;
  };
}

/** Where to listen: `host:port`, `[v6]:port` or `:port` for every address. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** Reads an address to listen on. */
export function listenAddress(text: string): ListenAddress {
  const [, bracketed, plain, digits] =
    /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits === undefined || port > 65_535) {
    throw new Error("must be an address such as 127.0.0.1:9201 or :9201");
  }
  return {
    host:
      bracketed ?? (plain === undefined || plain === "" ? "0.0.0.0" : plain),
    port,
  };
}

/** An absolute http(s) URL without credentials, query or fragment, and without its trailing slash. */
export function httpUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const plain =
    url !== undefined &&
    /^https?:$/.test(url.protocol) &&
    [url.username, url.password, url.search, url.hash].every(
      (part) => part === "",
    );
  if (!plain) {
    throw new Error(
      "must be an http(s) URL without credentials, query or fragment",
    );
  }
  return `${url.protocol}//${url.host}${url.pathname.replace(/\/+$/, "")}`;
}

/** A list separated by commas, each element read by `read`, at least one. */
export function listOf<Item>(
  read: (text: string) => Item,
): (text: string) => Item[] {
  return (text) =>
    text
      .split(",")
      .map((item) => item.trim())
      .map((item) => read(item));
}

/** Any text. */
export function plainText(text: string): string {
  return text;
}
