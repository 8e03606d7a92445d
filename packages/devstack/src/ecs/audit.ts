// What the stand-in was asked, for tests to look at: a bounded list, oldest entries dropped first.

/** One request as it was answered. */
export interface AuditEntry {
  /** Epoch milliseconds of its arrival. */
  readonly time: number;
  readonly action: string;
  /** How many ARNs or ids it named; 0 where it names none. */
  readonly arns: number;
  /** HTTP status of the answer; 0 when there was none (hang, cut connection). */
  readonly status: number;
}

export class Audit {
  readonly #entries: AuditEntry[] = [];
  readonly #max: number;

  constructor(max = 10_000) {
    this.#max = max;
  }

  add(entry: AuditEntry): void {
    this.#entries.push(entry);
    if (this.#entries.length > this.#max) this.#entries.shift();
  }

  /** A copy, oldest first; of one action only when it is named. */
  list(action?: string): AuditEntry[] {
    return this.#entries.filter(
      (entry) => action === undefined || entry.action === action,
    );
  }

  clear(): void {
    this.#entries.length = 0;
  }
}
