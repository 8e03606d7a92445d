// Where a policy comes from: one file, or a path in Vault with, on demand, every document below it. An absent one is a
// fault and never an empty policy: nobody has written a policy by which nobody gets anything, or everybody something.

import type { Secret } from "@vaultbuddy/common";
import { PolicyError } from "../policy.ts";
import type { PolicyDocument } from "../policy.ts";
import { VaultRefused } from "../vault/client.ts";
import { kvPath } from "../vault/kv.ts";
import type { Kv, KvMount } from "../vault/kv.ts";

/** A place that policy documents are read from. */
export interface PolicySource {
  /** As it is called in messages. */
  readonly name: string;
  /** How often it is read without being told to, in milliseconds; undefined for never. */
  readonly refresh: number | undefined;
  /** Throws {@link PolicyError} when there is none or it cannot be one; or what reading threw. */
  documents(): Promise<readonly PolicyDocument[]>;
}

/** A file. */
export function fileSource(
  path: string,
  read: (path: string) => string,
): PolicySource {
  return {
    name: path,
    refresh: undefined,
    documents: () => {
      try {
        return Promise.resolve([{ source: path, text: read(path) }]);
      } catch {
        return Promise.reject(
          new PolicyError(path, ["the file cannot be read"]),
        );
      }
    },
  };
}

/** What reading from Vault needs. Times in milliseconds. */
export interface VaultSourceDeps {
  readonly kv: Kv;
  /** The broker's own token. Throws Refusal `sealed`. */
  readonly token: () => Secret;
  readonly path: string;
  readonly nested: boolean;
  readonly refresh: number;
}

const MOST_DOCUMENTS = 500;
const DEEPEST = 8;
const PLAIN_NAME = /^[\w.-]{1,128}$/;

/** A path in Vault's KV engine. */
export function vaultSource(deps: VaultSourceDeps): PolicySource {
  return {
    name: deps.path,
    refresh: deps.refresh,
    documents: async () => await new Reading(deps).all(),
  };
}

/** One reading of all documents. */
class Reading {
  readonly #deps: VaultSourceDeps;
  readonly #token: Secret;
  readonly #found: PolicyDocument[] = [];

  constructor(deps: VaultSourceDeps) {
    this.#deps = deps;
    this.#token = deps.token();
  }

  async all(): Promise<readonly PolicyDocument[]> {
    const { kv, path, nested } = this.#deps;
    const mount = await this.#allowed(
      kv.mountOf(this.#token, path),
      `anything in the engine of ${path}`,
    );
    await this.#read(mount, path);
    if (nested) {
      await this.#below(mount, path, 1);
    }
    if (this.#found.length === 0) {
      throw this.#fault(
        nested
          ? "there is no document at this path in Vault and none below it"
          : "there is no document at this path in Vault",
      );
    }
    return this.#found;
  }

  async #below(mount: KvMount, path: string, depth: number): Promise<void> {
    if (depth > DEEPEST) {
      throw this.#fault(`${path}: is more than ${DEEPEST} folders deep`);
    }
    const names = await this.#allowed(
      this.#deps.kv.list(this.#token, mount, path),
      `list on ${kvPath(mount, path, "metadata")}`,
    );
    for (const name of names.toSorted()) {
      const plain = name.replace(/\/$/, "");
      if (!PLAIN_NAME.test(plain) || /^\.+$/.test(plain)) {
        throw this.#fault(
          `${path}: holds a name that is not made of letters, digits, ., - and _`,
        );
      }
      if (name.endsWith("/")) {
        await this.#below(mount, `${path}/${plain}`, depth + 1);
      } else {
        await this.#read(mount, `${path}/${plain}`);
      }
    }
  }

  /** A name may be listed although its document was deleted: version 2 keeps what it knows about it. */
  async #read(mount: KvMount, path: string): Promise<void> {
    const content = await this.#allowed(
      this.#deps.kv.read(this.#token, mount, path),
      `read on ${kvPath(mount, path, "data")}`,
    );
    if (content === undefined) {
      return;
    }
    if (this.#found.length >= MOST_DOCUMENTS) {
      throw this.#fault(`there are more than ${MOST_DOCUMENTS} documents`);
    }
    this.#found.push({ source: path, text: JSON.stringify(content) });
  }

  async #allowed<Value>(work: Promise<Value>, what: string): Promise<Value> {
    try {
      return await work;
    } catch (error) {
      throw error instanceof VaultRefused && error.status === 403
        ? this.#fault(
            `the broker's token lacks ${what}: add it to the broker's policy in Vault`,
          )
        : error;
    }
  }

  #fault(what: string): PolicyError {
    return new PolicyError(this.#deps.path, [what]);
  }
}
