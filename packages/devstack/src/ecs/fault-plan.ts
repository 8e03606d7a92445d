// Faults on request: what a test or a developer asks the stand-in to do wrong, per action, for a number of requests.

/** How an answer goes wrong. `delay` only makes it late; all the others replace it. */
export type Fault =
  | { readonly kind: "delay"; readonly ms: number }
  | {
      readonly kind:
        | "throttled"
        | "error500"
        | "html"
        | "truncated"
        | "huge"
        | "hang"
        | "reset";
    }
  | {
      readonly kind: "error";
      readonly code: string;
      readonly message: string;
      readonly status?: number;
    };

export interface PlannedFault {
  /** `DescribeTasks`, …, or `*` for every action. */
  readonly action: string;
  readonly fault: Fault;
  /** For so many requests; absent: until it is cleared. */
  readonly times?: number;
}

export class FaultPlan {
  #planned: { action: string; fault: Fault; left: number }[] = [];

  /** Several faults for one action are used up one after another. */
  add({ action, fault, times = Infinity }: PlannedFault): void {
    this.#planned.push({ action, fault, left: times });
  }

  clear(action?: string): void {
    this.#planned = this.#planned.filter(
      (one) => action !== undefined && one.action !== action,
    );
  }

  /** The fault for a request that has come in, counted as used. */
  next(action: string): Fault | undefined {
    const found = this.#planned.find(
      (one) => one.action === action || one.action === "*",
    );
    if (found === undefined) return undefined;
    found.left -= 1;
    if (found.left < 1)
      this.#planned = this.#planned.filter((one) => one !== found);
    return found.fault;
  }
}
