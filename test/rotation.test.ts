// Keys are exchanged while tasks keep starting: old, then old and new, then the containers, then new alone. The broker is
// never restarted, and no container goes without its secrets.

import { writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { join } from "node:path";
import {
  deriveFamilyKey,
  generateSigningKey,
  parseKey,
  privatePem,
  publicJwk,
} from "@vaultbuddy/common";
import {
  looseTask,
  notify,
  readAppLine,
  Stack,
  until,
} from "@vaultbuddy/devstack";
import type { BrokerAnswer, Daemon } from "@vaultbuddy/devstack";
import { afterAll, beforeAll, expect, test } from "vitest";
import { keepsToken, living, mintedAccessors } from "./facts.ts";

const pairs = { old: generateSigningKey(), new: generateSigningKey() };
const fresh = Buffer.alloc(32, 7).toString("base64url");
let stack: Stack;
let broker: Daemon;
let url: string;

beforeAll(async () => {
  stack = await Stack.start({
    containers: false,
    families: ["public"],
    policy: {
      public: {
        policies: ["public"],
        proof: "ed25519",
        listener: "unproven",
      },
    },
  });
  ({ daemon: broker, url } = await stack.startBroker(
    ["--delivery-timeout", "15s"],
    { SIGNING_KEY_FILE: stack.write("signing.pem", privatePem(pairs.old)) },
  ));
});
afterAll(() => stack.close());

/** Writes the broker's files and has them read; answers with what it said of it. */
async function exchange(masters: string, pem: string): Promise<string> {
  const from = broker.lines.length;
  writeFileSync(join(stack.folder, "master.key"), masters);
  writeFileSync(join(stack.folder, "signing.pem"), pem);
  process.kill(broker.pid, "SIGHUP");
  const line = await broker.line(
    ({ fields }) => String(fields["msg"]).startsWith("the keys "),
    30_000,
    from,
  );
  return String(line.fields["msg"]);
}

type Which = "old" | "new";
const families = ["sample", "public"] as const;

function variables(
  family: (typeof families)[number],
  which: Which,
): Record<string, string> {
  if (family === "public") {
    return { WIS_HMAC_KEY: "", WIS_PUBLIC_KEY: publicJwk(pairs[which]) };
  }
  const key = which === "old" ? stack.familyKey("sample") : familyKey(fresh);
  return { WIS_HMAC_KEY: key };
}

function familyKey(master: string): string {
  return deriveFamilyKey(parseKey(master), stack.aws.account, "sample")
    .key.expose()
    .toString("base64url");
}

interface Served {
  readonly family: string;
  readonly which: Which;
  readonly answer: BrokerAnswer;
  readonly started: boolean;
}

/** One task from its start to its end. */
async function serveOne(
  family: (typeof families)[number],
  which: Which,
  target = url,
): Promise<Served> {
  const task = await looseTask(stack, {
    family,
    env: { ...keepsToken, ...variables(family, which) },
  });
  const entrypoint = task.start();
  const answer = await notify(target, task.notice);
  if (answer.status === 200) {
    await entrypoint.line((line) => readAppLine(line.text) !== undefined);
  }
  await entrypoint.stop();
  const started = readAppLine(entrypoint.output) !== undefined;
  return { family, which, answer, started };
}

/** Tasks that keep starting, one after the other on each of a few lanes, with the key that is handed out by then. */
class Load {
  handedOut: Which = "old";
  readonly served: Served[] = [];
  readonly #lanes: Promise<void>[];
  #ends = false;

  constructor() {
    this.#lanes = [0, 1, 2, 3].map((lane) => this.#run(lane));
    // Told by whoever waits for them.
    Promise.all(this.#lanes).catch(() => undefined);
  }

  /** Resolves when so many more have been served. */
  async more(count: number): Promise<void> {
    const wanted = this.served.length + count;
    await Promise.race([
      Promise.all(this.#lanes),
      until(
        () => Promise.resolve(this.served.length >= wanted || undefined),
        () => Promise.resolve(`${this.served.length} of ${wanted} were served`),
      ),
    ]);
  }

  /** Resolves when every lane has begun anew since: what was started before is served. */
  async turnOver(): Promise<void> {
    await this.more(this.#lanes.length * 2);
  }

  async end(): Promise<void> {
    this.#ends = true;
    await Promise.all(this.#lanes);
  }

  async #run(lane: number): Promise<void> {
    for (let turn = lane; !this.#ends; turn += 1) {
      const family = families[turn % 2] ?? "sample";
      this.served.push(await serveOne(family, this.handedOut));
    }
  }
}

test("masters and pairs are rotated under load, and no container goes unserved", async () => {
  const load = new Load();
  await load.more(6);

  const [oldPem, newPem] = [privatePem(pairs.old), privatePem(pairs.new)];
  const both = [`${stack.masterKey}\n${fresh}\n`, oldPem + newPem] as const;
  expect(await exchange(...both)).toBe("the keys were read again");
  await load.more(6);

  load.handedOut = "new";
  await load.turnOver();
  // Half a file, as a slip of the hand leaves it: everything stays as it is, and that is told.
  expect(await exchange(fresh.slice(0, 20), newPem)).toMatch(
    /could not be read again: those before stay in force/,
  );
  await load.more(4);

  expect(await exchange(fresh, newPem)).toBe("the keys were read again");
  await load.more(6);
  await load.end();

  const unserved = load.served.filter(
    ({ answer, started }) => answer.code !== "delivered" || !started,
  );
  expect(unserved).toEqual([]);
  for (const family of families) {
    for (const which of ["old", "new"]) {
      expect(
        load.served.filter(
          (one) => one.family === family && one.which === which,
        ).length,
        `${family} with the ${which} key`,
      ).toBeGreaterThan(1);
    }
  }
  // One token each, none left over from a handshake with the wrong key.
  expect(mintedAccessors(stack)).toHaveLength(load.served.length);
  expect(await living(stack)).toHaveLength(load.served.length);

  // Who still has an old key is to be seen before it is taken away.
  const kids = broker.lines
    .filter(({ fields }) => fields["msg"] === "handoff")
    .filter(({ fields }) => fields["family"] === "sample")
    .map(({ fields }) => String(fields["kid"]));
  const kidOf = (master: string): string =>
    deriveFamilyKey(parseKey(master), stack.aws.account, "sample").kid;
  expect(new Set(kids)).toEqual(
    new Set([kidOf(stack.masterKey), kidOf(fresh)]),
  );
  expect(kids.at(-1)).toBe(kidOf(fresh));

  expect(broker.running).toBe(true);
  for (const secret of [stack.masterKey, fresh, fresh.slice(0, 20)]) {
    expect(stack.output).not.toContain(secret);
  }
}, 90_000);

test("a handoff that is under way keeps its keys, and gains those that come", async () => {
  const [oldPem, newPem] = [privatePem(pairs.old), privatePem(pairs.new)];
  const rounds: readonly (readonly [Which, string, string, string, string])[] =
    [
      ["old", stack.masterKey, oldPem, fresh, newPem],
      [
        "new",
        stack.masterKey,
        oldPem,
        `${stack.masterKey}\n${fresh}`,
        oldPem + newPem,
      ],
    ];
  for (const [which, master, pem, nextMaster, nextPem] of rounds) {
    await exchange(master, pem);
    const handoffs = await Promise.all(
      families.map(async (family) => {
        const gate = await Gate.open();
        const task = await looseTask(stack, {
          family,
          env: variables(family, which),
          dialledPort: gate.port,
        });
        const answer = notify(url, task.notice);
        await gate.dialled;
        return { task, gate, answer };
      }),
    );
    // The broker is dialling now, and nobody is there yet.
    await exchange(nextMaster, nextPem);
    for (const { task, gate, answer } of handoffs) {
      const entrypoint = task.start({ WIS_LOG_LEVEL: "info" });
      await entrypoint.line(({ text }) => text.includes("waiting for the"));
      gate.leadTo(task.port);
      expect((await answer).code, `${which} key`).toBe("delivered");
      await entrypoint.stop();
      gate.close();
    }
  }
  await exchange(fresh, newPem);
}, 60_000);

/** A port that cuts whoever comes, until it is led somewhere. */
class Gate {
  readonly port: number;
  readonly dialled: Promise<void>;
  readonly #server: Server;
  #target: number | undefined;

  static async open(): Promise<Gate> {
    const server = createServer();
    await new Promise<void>((resolve) =>
      server.listen(0, "127.0.0.1", resolve),
    );
    return new Gate(server);
  }

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    this.dialled = new Promise((resolve) => {
      server.on("connection", (socket) => {
        resolve();
        this.#pass(socket);
      });
    });
  }

  leadTo(port: number): void {
    this.#target = port;
  }

  close(): void {
    this.#server.close();
  }

  #pass(socket: Socket): void {
    socket.on("error", () => undefined);
    if (this.#target === undefined) {
      socket.destroy();
      return;
    }
    const onward = connect(this.#target, "127.0.0.1");
    onward.on("error", () => undefined);
    onward.on("close", () => socket.destroy());
    socket.on("close", () => onward.destroy());
    socket.pipe(onward).pipe(socket);
  }
}

test("afterwards the old keys open nothing", async () => {
  const before = mintedAccessors(stack).length;
  const { url: second } = await stack.startBroker([], {
    SIGNING_KEY_FILE: join(stack.folder, "signing.pem"),
    DELIVERY_TIMEOUT: "2s",
  });
  expect((await serveOne("sample", "old", second)).answer.code).toBe(
    "delivery_timeout",
  );
  expect(mintedAccessors(stack)).toHaveLength(before);
  const refused = await serveOne("public", "old", second);
  expect(refused.answer.detail).toContain("bad_signature");
  expect(refused.started).toBe(false);
});
