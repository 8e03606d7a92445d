// Vault's stand-in, durations. Vault takes "90s", "1h30m" and bare seconds in one field and counts in whole seconds
// only where it answers, so everything inside is milliseconds. The texts of the faults are those of Go's parsers.

import { quote } from "./json.ts";

const units: Record<string, number> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** A duration as Go's time.ParseDuration reads it, in milliseconds; throws with Go's text. */
function parseGoDuration(text: string): number {
  let rest = text;
  const sign = rest.startsWith("-") ? -1 : 1;
  if (/^[+-]/.test(rest)) rest = rest.slice(1);
  if (rest === "0") return 0;
  if (rest === "") throw new Error(`time: invalid duration ${quote(text)}`);
  let total = 0;
  while (rest !== "") {
    const number = /^(?:\d+\.?\d*|\.\d+)/.exec(rest)?.[0];
    if (number === undefined)
      throw new Error(`time: invalid duration ${quote(text)}`);
    rest = rest.slice(number.length);
    const unit = /^[^\d.]*/.exec(rest)?.[0] ?? "";
    if (unit === "")
      throw new Error(`time: missing unit in duration ${quote(text)}`);
    const factor = units[unit];
    if (factor === undefined)
      throw new Error(
        `time: unknown unit ${quote(unit)} in duration ${quote(text)}`,
      );
    total += Number(number) * factor;
    rest = rest.slice(unit.length);
  }
  return sign * total;
}

/** Vault's ParseDurationSecond for a string: a Go duration when it ends in one of its units, else whole seconds. */
export function parseSeconds(text: string): number {
  if (text === "") return 0;
  if (/[smh]$/.test(text)) return parseGoDuration(text);
  if (!/^[+-]?\d+$/.test(text))
    throw new Error(`strconv.ParseInt: parsing ${quote(text)}: invalid syntax`);
  return Number(text) * 1000;
}

/** Whole seconds, as Vault cuts a duration off for an answer. */
export function wholeSeconds(milliseconds: number): number {
  return Math.trunc(milliseconds / 1000);
}

/** Go's Duration.String() for whole milliseconds: 0s, 1m30s, 768h0m0s. */
export function goDuration(milliseconds: number): string {
  if (milliseconds === 0) return "0s";
  const sign = milliseconds < 0 ? "-" : "";
  const all = Math.abs(milliseconds);
  if (all < 1000) return `${sign}${all}ms`;
  const hours = Math.floor(all / 3_600_000);
  const minutes = Math.floor((all % 3_600_000) / 60_000);
  const seconds = (all % 60_000) / 1000;
  if (hours > 0) return `${sign}${hours}h${minutes}m${seconds}s`;
  if (minutes > 0) return `${sign}${minutes}m${seconds}s`;
  return `${sign}${seconds}s`;
}

/** A duration without its empty parts, as Vault prints it in warnings: 768h, 1h1s. */
export function humanDuration(milliseconds: number): string {
  return goDuration(milliseconds).replace(/m0s$/, "m").replace(/h0m/, "h");
}
