// The token buckets with which ECS throttles an account in a region ("Request throttling for the Amazon ECS API"): each
// holds a burst, is refilled at a steady rate, and is shared by a group of actions.

/** Size in requests, refill in requests per second. */
export interface Rate {
  readonly burst: number;
  readonly refill: number;
}

/** AWS's published figures for the groups that have one; the other groups are ours, high enough not to be met. */
export const awsRates = {
  clusterRead: { burst: 50, refill: 20 },
  /** DescribeTasks, ListTasks, DescribeContainerInstances together. */
  resourceRead: { burst: 100, refill: 20 },
  definitionRead: { burst: 50, refill: 20 },
  runTask: { burst: 100, refill: 40 },
  modify: { burst: 100, refill: 40 },
  /** EC2's describe actions (its own documentation, not ECS's). */
  ec2Describe: { burst: 100, refill: 20 },
} as const satisfies Record<string, Rate>;

export type BucketName = keyof typeof awsRates;

export class Bucket {
  #rate: Rate;
  #level: number;
  #at: number;
  readonly #now: () => number;

  /** Full at first. `now` in milliseconds. */
  constructor(rate: Rate, now: () => number) {
    this.#rate = rate;
    this.#level = rate.burst;
    this.#at = now();
    this.#now = now;
  }

  /** Takes one token, or answers false. */
  take(): boolean {
    this.#refill();
    if (this.#level < 1) return false;
    this.#level -= 1;
    return true;
  }

  /** How many requests would be let through now. */
  get level(): number {
    this.#refill();
    return Math.floor(this.#level);
  }

  /** A new size and rate; the bucket is full again. */
  reset(rate: Rate): void {
    this.#rate = rate;
    this.#level = rate.burst;
    this.#at = this.#now();
  }

  #refill(): void {
    const now = this.#now();
    // A clock that was set back gives nothing and takes nothing.
    const gained = (Math.max(0, now - this.#at) / 1000) * this.#rate.refill;
    this.#level = Math.min(this.#rate.burst, this.#level + gained);
    this.#at = now;
  }
}

export type Buckets = Readonly<Record<BucketName, Bucket>>;

/** One bucket for each group, at AWS's rates where `rates` says nothing else. */
export function makeBuckets(
  rates: Partial<Record<BucketName, Rate>>,
  now: () => number,
): Buckets {
  const make = (name: BucketName): Bucket =>
    new Bucket(rates[name] ?? awsRates[name], now);
  return {
    clusterRead: make("clusterRead"),
    resourceRead: make("resourceRead"),
    definitionRead: make("definitionRead"),
    runTask: make("runTask"),
    modify: make("modify"),
    ec2Describe: make("ec2Describe"),
  };
}
