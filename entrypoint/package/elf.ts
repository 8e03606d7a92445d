// Changes to binaries that need no tool: a path in an executable or library is replaced by one that is no longer.
// So our Node finds its own loader, and loader and C library no longer read files of the image that could change them.

/** The places in the bundle that the binaries name; each fits where the system's path stood. */
export const places = {
  loader: "/vaultbuddy/lib/ld.so",
  nsswitch: "/vaultbuddy/lib/ns",
  /** Deliberately no file. */
  none: "/vaultbuddy/none",
} as const;

/** Replaces each whole string `from` in a binary. Throws when there is none: another version of it needs another look. */
export function replaceString(
  binary: Buffer,
  from: string,
  to: string,
  what: string,
): void {
  const old = Buffer.from(`\0${from}\0`);
  const fresh = Buffer.alloc(old.length);
  fresh.write(to, 1);
  if (to.length > from.length) {
    throw new Error(`${to} is longer than ${from}`);
  }
  let count = 0;
  for (let at = 0; (at = binary.indexOf(old, at)) >= 0; at += 1) {
    fresh.copy(binary, at);
    count += 1;
  }
  if (count === 0) {
    throw new Error(`${what} does not hold the path ${from}`);
  }
}
