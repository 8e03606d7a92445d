// The type of every token, key and secret value in this product. It exists so that a message, a cause, a log line or a
// thrown object that happens to hold one prints `[secret]`: the value leaves only through expose(), the one word to
// look for in a review.

import { timingSafeEqual } from "node:crypto";
import { inspect } from "node:util";

const HIDDEN = "[secret]";

/** A value that no serialisation shows. Holds text; keys are {@link SecretBytes}. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The value itself: to be put on a wire, into an environment or into a file, and nowhere else. */
  expose(): string {
    return this.#value;
  }

  /** Compares in a time that depends on the lengths only. */
  equals(other: string): boolean {
    return sameBytes(Buffer.from(this.#value), Buffer.from(other));
  }

  toString(): string {
    return HIDDEN;
  }

  toJSON(): string {
    return HIDDEN;
  }

  [inspect.custom](): string {
    return HIDDEN;
  }
}

/** Key material that no serialisation shows. */
export class SecretBytes {
  readonly #bytes: Buffer;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes);
  }

  /** The bytes themselves, for a cryptographic call and nothing else. */
  expose(): Buffer {
    return this.#bytes;
  }

  toString(): string {
    return HIDDEN;
  }

  toJSON(): string {
    return HIDDEN;
  }

  [inspect.custom](): string {
    return HIDDEN;
  }
}

/** Whether two byte strings are equal, without telling where they differ. */
export function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && timingSafeEqual(left, right);
}
