// Whatever the order in which brokers, Vault and the ledger act, fail and die: never two live tokens for one container.

import { isNoticeRefusal, Refusal } from "@vaultbuddy/common";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ClaimLost } from "./claim.ts";
import type { Claim } from "./claim.ts";
import { isSettled, keyOf, readRecord } from "./claim/record.ts";
import type { ClaimRecord, Token } from "./claim/record.ts";
import { MAX_MINTS } from "./claim/standing.ts";
import { arrows } from "./claim/state.ts";
import { Process, settle, World, WRAP_TTL } from "./claim/world.ts";
import type { Fate, VaultToken } from "./claim/world.ts";
import type { Vouched } from "./validate.ts";

const TIMEOUT = 90_000;
const MARGIN = 2000;

function task(name: string): Vouched {
  return {
    taskArn:
      "arn:aws:ecs:us-east-1:123456789012:task/main/0123456789abcdef0123456789abcdef",
    clusterArn: "arn:aws:ecs:us-east-1:123456789012:cluster/main",
    account: "123456789012",
    family: "web",
    containerName: name,
    containerId: "c".repeat(64),
    rule: { restart: { max: 2, minInterval: 1000 } },
  } as unknown as Vouched;
}

const tasks = [task("web"), task("side")] as const;

/** The broker's flow, as far as claims see it. */
async function handOff(process: Process, which: Vouched): Promise<void> {
  const deadline = new AbortController();
  void process.clock.sleep(TIMEOUT).then(() => deadline.abort());
  const taken = await process.claims.take(which, deadline.signal);
  if ("joined" in taken) {
    return;
  }
  const { claim } = taken;
  try {
    await serve(process, claim);
  } catch (error) {
    if (error instanceof ClaimLost) {
      return;
    }
    if (!isNoticeRefusal(error)) {
      throw error;
    }
    await (error.message === "down"
      ? process.claims.release(claim, error)
      : process.claims.undo(claim, error));
  }
}

async function serve(process: Process, claim: Claim): Promise<void> {
  const { claims, world } = process;
  const { task: target, generation } = claim;
  await process.call("delivery_timeout", () => undefined);
  await claims.minting(claim);
  const made = await process.call("vault_unavailable", () =>
    world.mint(target.containerName, generation),
  );
  await claims.minted(claim, written(made, world.time));
  await claims.sending(claim);
  for (let attempt = 0; attempt < 2; attempt += 1) {
    claims.fresh(claim);
    const answer = await process
      .call("delivery_timeout", () => {
        made.sent = true;
        return world.listens && world.open(made)
          ? "receipt"
          : "already_unwrapped";
      })
      .catch(() => "no answer");
    if (answer === "receipt") {
      await claims.delivered(claim);
      return;
    }
  }
  throw new Refusal("delivery_refused", "no receipt");
}

function written(made: VaultToken, now: number): Token {
  return {
    accessor: made.accessor,
    wrapAccessor: made.wrapAccessor,
    wrapExpires: now + WRAP_TTL,
    tokenExpires: made.tokenExpires,
    creationPath: "auth/token/create/vaultbuddy",
  };
}

/** What is asserted at every moment, and what only at the end. */
class Watch {
  readonly world: World;
  readonly faults: string[] = [];
  readonly #last = new Map<string, ClaimRecord>();

  constructor(world: World) {
    this.world = world;
    world.watch = (value) => this.#written(value);
  }

  moment(): void {
    for (const { containerName } of tasks) {
      const live = this.world.tokens.filter(
        (token) =>
          token.container === containerName && this.world.holdable(token),
      );
      if (live.length > 1) {
        this.faults.push(`${containerName} has ${live.length} live tokens`);
      }
      for (let generation = 0; generation < 5; generation += 1) {
        const made = this.world.tokens.filter(
          (token) =>
            token.container === containerName &&
            token.generation === generation,
        );
        if (made.length > MAX_MINTS) {
          this.faults.push(`${containerName} had ${made.length} mints`);
        }
      }
    }
  }

  end(): void {
    for (const record of this.#last.values()) {
      if (!isSettled(record)) {
        this.faults.push(`a claim is ${record.state} for ever`);
      }
      const token = this.#tokenOf(record);
      if (record.state === "delivered" && !token?.opened) {
        this.faults.push("a delivered token was never opened");
      }
      if (record.state === "delivered" && !this.#lives(token)) {
        this.faults.push("a delivered token was revoked");
      }
    }
  }

  #written(value: string): void {
    if (!value.includes('"taskArn"')) {
      return;
    }
    const record = readRecord({
      key: keyOf(JSON.parse(value) as ClaimRecord),
      value,
      version: "",
    });
    const key = keyOf(record);
    const before = this.#last.get(key);
    this.#last.set(key, record);
    if (
      before === undefined
        ? record.state !== "reserved"
        : !arrows[before.state].includes(record.state)
    ) {
      this.faults.push(`${before?.state ?? "none"} became ${record.state}`);
    }
    if (before !== undefined && before.generation > record.generation) {
      this.faults.push("a generation went back");
    }
    if (record.state === "released" || record.state === "uncertain") {
      this.#ended(before, record);
    }
  }

  #ended(before: ClaimRecord | undefined, record: ClaimRecord): void {
    const { time, tokens } = this.world;
    const mine = tokens.filter(
      (token) =>
        token.container === record.containerName &&
        token.generation === record.generation,
    );
    if (mine.some((token) => this.world.holdable(token))) {
      this.faults.push(`${record.state} while a token may live`);
    }
    const token = before === undefined ? undefined : this.#tokenOf(before);
    if (token === undefined) {
      return;
    }
    if (token.tokenExpires > time || token.wrapExpires > time) {
      this.faults.push(`${record.state} before both were gone`);
    }
    if (record.state === "uncertain" && !token.unsealed && !token.ranOut) {
      this.faults.push("uncertain, though nobody opened it");
    }
    const named =
      before !== undefined && "token" in before ? before.token : undefined;
    if (
      record.state === "released" &&
      token.opened &&
      named !== undefined &&
      time < named.wrapExpires + MARGIN
    ) {
      this.faults.push("released, though somebody opened it");
    }
  }

  #tokenOf(record: ClaimRecord): VaultToken | undefined {
    const accessor = "token" in record ? record.token.accessor : undefined;
    return this.world.tokens.find((token) => token.accessor === accessor);
  }

  #lives(token: VaultToken | undefined): boolean {
    return token !== undefined && token.tokenExpires > this.world.time;
  }
}

interface Act {
  readonly kind:
    | "step"
    | "burst"
    | "time"
    | "notice"
    | "start"
    | "crash"
    | "vault"
    | "ledger"
    | "container"
    | "thief";
  readonly pick: number;
  readonly fate: Fate;
}

const act: fc.Arbitrary<Act> = fc.record({
  kind: fc.oneof(
    { weight: 40, arbitrary: fc.constant("step" as const) },
    { weight: 12, arbitrary: fc.constant("burst" as const) },
    { weight: 10, arbitrary: fc.constant("time" as const) },
    { weight: 12, arbitrary: fc.constant("notice" as const) },
    { weight: 4, arbitrary: fc.constant("start" as const) },
    { weight: 4, arbitrary: fc.constant("crash" as const) },
    { weight: 1, arbitrary: fc.constant("vault" as const) },
    { weight: 1, arbitrary: fc.constant("ledger" as const) },
    { weight: 4, arbitrary: fc.constant("container" as const) },
    { weight: 1, arbitrary: fc.constant("thief" as const) },
  ),
  pick: fc.nat(1000),
  fate: fc.oneof(
    { weight: 12, arbitrary: fc.constant("well" as const) },
    { weight: 1, arbitrary: fc.constant("before" as const) },
    { weight: 1, arbitrary: fc.constant("after" as const) },
  ),
});

const LEAPS = [50, 300, 1000, 1000, 2500, 6000, 61_000];

class Run {
  readonly world = new World();
  readonly watch = new Watch(this.world);
  readonly failures: unknown[] = [];
  #processes: Process[] = [];

  async start(): Promise<void> {
    const process = new Process(this.world);
    this.#processes.push(process);
    void process.claims.start().catch((error: unknown) => this.#noted(error));
    await settle();
  }

  async act({ kind, pick, fate }: Act): Promise<void> {
    const { world } = this;
    const process = this.#processes[pick % this.#processes.length];
    switch (kind) {
      case "step":
        await world.step(pick, fate);
        break;
      case "burst":
        for (let left = pick % 40; left > 0 && world.waiting > 0; left -= 1) {
          await world.step(0, "well");
          this.watch.moment();
        }
        break;
      case "time":
        world.advance(LEAPS[pick % LEAPS.length] ?? 50);
        break;
      case "notice":
        if (process !== undefined) {
          void handOff(process, tasks[pick % 2] ?? tasks[0]).catch(
            (error: unknown) => this.#noted(error),
          );
        }
        break;
      case "start":
        if (this.#processes.length < 3) {
          await this.start();
        }
        break;
      case "crash":
        if (process !== undefined) {
          process.alive = false;
          this.#processes = this.#processes.filter((one) => one !== process);
        }
        break;
      case "vault":
        world.vaultUp = !world.vaultUp;
        break;
      case "ledger":
        world.ledgerUp = !world.ledgerUp;
        break;
      case "container":
        world.listens = !world.listens;
        break;
      case "thief": {
        const exposed = world.tokens.filter((token) => token.sent);
        const token = exposed[pick % Math.max(1, exposed.length)];
        if (token !== undefined) {
          world.open(token);
        }
        break;
      }
    }
    await settle();
    this.watch.moment();
  }

  /** Everything works again, and one broker more is there to see to it. */
  async heal(seconds: number): Promise<void> {
    this.world.vaultUp = true;
    this.world.ledgerUp = true;
    await this.start();
    for (let second = 0; second < seconds * 2; second += 1) {
      while (this.world.waiting > 0) {
        await this.world.step(0, "well");
        this.watch.moment();
      }
      this.world.advance(500);
      await settle();
    }
    this.watch.end();
  }

  #noted(error: unknown): void {
    if (!isNoticeRefusal(error)) {
      this.failures.push(error);
    }
  }
}

describe("whatever happens in whichever order", () => {
  test("no container has two live tokens, and every claim comes to an end", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(act, { minLength: 40, maxLength: 400, size: "max" }),
        async (acts) => {
          const run = new Run();
          await run.start();
          await run.act({ kind: "notice", pick: 0, fate: "well" });
          for (const one of acts) {
            await run.act(one);
          }
          await run.heal(200);
          expect(run.failures).toEqual([]);
          expect(run.watch.faults).toEqual([]);
        },
      ),
      { numRuns: Number(process.env["PROPERTY_RUNS"] ?? 100) },
    );
  }, 120_000);
});
