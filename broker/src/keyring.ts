// The broker's keys: masters, from which every family's key is derived, and Ed25519 pairs. Several of each may be active,
// so that containers can go from one to the next while both count. Their files are read at the start and again when the
// operator asks; a file with a fault leaves the keys as they are, because a slip while rotating must not end the service.

import {
  deriveFamilyKey,
  MOST_SIGNATURES,
  parseKey,
  parseSigningKey,
  Refusal,
  sameBytes,
} from "@vaultbuddy/common";
import type { FamilyKey, SecretBytes, SigningKey } from "@vaultbuddy/common";
import type { Log } from "@vaultbuddy/common/daemon";

/** The files the keys stand in, as the settings name them. */
export interface KeyFiles {
  readonly masters: readonly string[];
  readonly pairs: readonly string[];
}

/** Every active key, none twice. */
export interface KeySet {
  readonly masters: readonly SecretBytes[];
  readonly pairs: readonly SigningKey[];
}

/** What is wrong with the key files, by file; no text of theirs is repeated. */
export class KeyFault extends Error {
  override readonly name = "KeyFault";
  readonly ours = true;
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(faults.join("; "));
    this.faults = faults;
  }
}

/** The most keys of one kind: a delivery carries a signature by each. */
const MOST_KEYS = MOST_SIGNATURES;
const MOST_FAMILIES = 10_000;

/** Reads all key files. Throws {@link KeyFault} with every fault. */
export function readKeys(
  files: KeyFiles,
  read: (path: string) => string,
): KeySet {
  const faults: string[] = [];
  const gather = <Key>(
    paths: readonly string[],
    parse: (text: string) => Key[],
  ): Key[] =>
    paths.flatMap((path) => {
      try {
        return parse(read(path));
      } catch (error) {
        faults.push(`${path}: ${reason(error)}`);
        return [];
      }
    });
  const masters = gather(files.masters, parseMasters);
  const pairs = gather(files.pairs, parsePairs);
  const set = {
    masters: masters.filter(
      (one, at) =>
        masters.findIndex((other) =>
          sameBytes(one.expose(), other.expose()),
        ) === at,
    ),
    pairs: pairs.filter(
      (one, at) => pairs.findIndex((other) => other.kid === one.kid) === at,
    ),
  };
  if (set.masters.length > MOST_KEYS || set.pairs.length > MOST_KEYS) {
    faults.push(`at most ${MOST_KEYS} keys of one kind may be active at once`);
  }
  if (faults.length > 0) {
    throw new KeyFault(faults);
  }
  return set;
}

/** The masters in a file: one a line, at least one. Throws RangeError. */
export function parseMasters(text: string): SecretBytes[] {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  if (lines.length === 0) {
    throw new RangeError("holds no key: write one a line, as base64url");
  }
  return lines.map(parseKey);
}

/** The pairs in a file: one JWK, or PEM blocks one after the other, at least one. Throws RangeError. */
export function parsePairs(text: string): SigningKey[] {
  const blocks = text.trim().split(/(?<=-----END [A-Z ]{1,40}-----)\s+/);
  return blocks.map(parseSigningKey);
}

function reason(error: unknown): string {
  if (error instanceof RangeError) {
    return error.message;
  }
  const code: unknown =
    error instanceof Error ? Reflect.get(error, "code") : undefined;
  return typeof code === "string" && /^E[A-Z]+$/.test(code)
    ? `cannot be read (${code})`
    : "cannot be read";
}

/** What a task's delivery is proven with. Asked anew for each handshake and each signature. */
export type TaskKeys =
  | { readonly proof: "hmac"; readonly active: () => readonly FamilyKey[] }
  | { readonly proof: "ed25519"; readonly active: () => readonly SigningKey[] };

/** Whose keys are asked for. */
interface KeyOwner {
  readonly account: string;
  readonly family: string;
  readonly rule: { readonly proof: "hmac" | "ed25519" };
}

/** The keys in force. */
export class KeyRing {
  #set: KeySet;
  readonly #families = new Map<string, readonly FamilyKey[]>();

  constructor(set: KeySet) {
    this.#set = set;
  }

  /**
   * The keys for one handoff: those in force when it began and those that come into force while it lasts, because its
   * container may hold the one or the other. Throws Refusal `policy_denied` when the broker has none of that kind.
   */
  for({ account, family, rule }: KeyOwner): TaskKeys {
    const { proof } = rule;
    const none = this.#set[proof === "hmac" ? "masters" : "pairs"].length === 0;
    if (none) {
      throw new Refusal(
        "policy_denied",
        proof === "hmac"
          ? "the rule's proof is hmac, and the broker has no master key: give it --hmac-key-file"
          : "the rule's proof is ed25519, and the broker has no signing key: give it --signing-key-file",
      );
    }
    return proof === "hmac"
      ? { proof, active: kept(() => this.#familyKeys(account, family)) }
      : { proof, active: kept(() => this.#set.pairs) };
  }

  /** Reads the files again. Never throws: the outcome is logged, and a fault changes nothing. */
  reload(files: KeyFiles, read: (path: string) => string, log: Log): void {
    try {
      this.#set = readKeys(files, read);
      this.#families.clear();
      log.info(this.summary, "the keys were read again");
    } catch (error) {
      log.error(
        { err: error },
        "the keys could not be read again: those before stay in force",
      );
    }
  }

  /** How many masters there are, and which pairs. */
  get summary(): {
    readonly masters: number;
    readonly pairs: readonly string[];
  } {
    const { masters, pairs } = this.#set;
    return { masters: masters.length, pairs: pairs.map(({ kid }) => kid) };
  }

  /** Derived once; the number remembered is bounded. */
  #familyKeys(account: string, family: string): readonly FamilyKey[] {
    const name = `${account}/${family}`;
    const keys =
      this.#families.get(name) ??
      this.#set.masters.map((one) => deriveFamilyKey(one, account, family));
    if (this.#families.size >= MOST_FAMILIES) {
      this.#families.clear();
    }
    this.#families.set(name, keys);
    return keys;
  }
}

/** What is in force now, newest state first, and what was when this was made. */
function kept<Key extends { readonly kid: string }>(
  now: () => readonly Key[],
): () => readonly Key[] {
  const began = now();
  return () => {
    const current = now();
    return current === began
      ? current
      : [
          ...current,
          ...began.filter(({ kid }) => current.every((key) => key.kid !== kid)),
        ];
  };
}
