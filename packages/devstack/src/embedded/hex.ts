// Ids. Randomness is an argument everywhere else.

import { randomBytes } from "node:crypto";

/** So many random hexadecimal digits. */
export type Hex = (digits: number) => string;

export const randomHex: Hex = (digits) =>
  randomBytes(Math.ceil(digits / 2))
    .toString("hex")
    .slice(0, digits);
