// Vault's stand-in, how Vault tidies and matches lists of names: policies of tokens and roles, and globs over them.

export const rootPolicy = "root";
export const defaultPolicy = "default";
export const responseWrappingPolicy = "response-wrapping";
/** Policies that Vault keeps for itself and gives to no token on request. */
export const notAssignable: readonly string[] = [
  responseWrappingPolicy,
  "control-group",
];

/** Trimmed, without doubles and empty names, in lower case, in order. */
export function tidyNames(names: readonly string[]): string[] {
  const tidy = names.map((name) => name.trim().toLowerCase());
  return [...new Set(tidy.filter((name) => name !== ""))].toSorted();
}

/** Policies as Vault gives them to a token: "root" swallows all others, "default" is added when asked for. */
export function tidyPolicies(
  names: readonly string[],
  addDefault: boolean,
): string[] {
  const tidy = tidyNames(names);
  if (tidy.includes(rootPolicy)) return [rootPolicy];
  return addDefault ? tidyNames([...tidy, defaultPolicy]) : tidy;
}

/** Whether one of the patterns, in which `*` stands for any text, covers the name. */
export function coveredByGlob(
  patterns: readonly string[],
  name: string,
): boolean {
  return patterns.some((pattern) =>
    new RegExp(`^${pattern.split("*").map(escaped).join(".*")}$`, "s").test(
      name,
    ),
  );
}

function escaped(text: string): string {
  return text.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`);
}

/** Vault's match of a parameter's value: `*` counts only as the first or the last letter. */
export function matchesEnds(pattern: string, value: string): boolean {
  if (pattern.length < 2) return pattern === value;
  const open = pattern.startsWith("*");
  const close = pattern.endsWith("*");
  if (open && close) return value.includes(pattern.slice(1, -1));
  if (open) return value.endsWith(pattern.slice(1));
  if (close) return value.startsWith(pattern.slice(0, -1));
  return pattern === value;
}
