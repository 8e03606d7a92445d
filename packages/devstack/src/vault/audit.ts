// Vault's stand-in, what was asked of it, for stories to read: method, path, outcome and accessors. There is no field
// that could hold a token, a key or a secret value, and the path is kept without its query.

export interface AuditEntry {
  /** Milliseconds of the server's clock. */
  readonly time: number;
  readonly method: string;
  readonly path: string;
  /** 0 when a fault left the request without any answer. */
  readonly status: number;
  readonly accessorOfCaller?: string;
  /** The accessor of a token that the answer gives, also when it is wrapped. */
  readonly tokenAccessorCreated?: string;
  /** The accessor of the token that the answer is wrapped in. */
  readonly wrappingAccessorCreated?: string;
  /** Milliseconds that were asked for. */
  readonly wrapTtl?: number;
  /** The fault rule that stood in for the answer, or spoiled it. */
  readonly fault?: string;
}

const most = 10_000;

export class Audit {
  readonly #entries: AuditEntry[] = [];
  readonly #listeners = new Set<(entry: AuditEntry) => void>();

  /** The latest entries, oldest first. */
  get entries(): readonly AuditEntry[] {
    return this.#entries;
  }

  add(entry: AuditEntry): void {
    this.#entries.push(entry);
    if (this.#entries.length > most) this.#entries.shift();
    for (const listener of this.#listeners) listener(entry);
  }

  /** Calls the listener with each entry from now on; the returned function ends that. */
  listen(listener: (entry: AuditEntry) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  clear(): void {
    this.#entries.length = 0;
  }
}
