import {
  familyKey,
  parseKey,
  Refusal,
  signJws,
  writeDelivery,
} from "@vaultbuddy/common";
import type { Delivery, DeliveryCode } from "@vaultbuddy/common";
import { expect, test } from "vitest";
import { Failure } from "./exit.ts";
import { Reception } from "./receive.ts";
import type { ReceiveDeps } from "./receive.ts";
import type { Reply } from "./serve.ts";
import { FakeLog, opened, someDelivery } from "./testing.ts";
import type { Token } from "./unwrap.ts";
import { openDelivery } from "./verify.ts";
import type { Verified } from "./verify.ts";

const key = familyKey(parseKey("PPdRfsVlbj5U9fa46RKkketChkYaZ1HsDQnA8dA1ZeQ"));
const sign = (delivery: Delivery): Buffer =>
  signJws(writeDelivery(delivery), [key]);
const first = sign(someDelivery());
const second = sign(someDelivery({ jti: "delivery-0002" }));

/** A reception whose unwrapping is decided by the test, call by call. */
function setUp(stray: ReceiveDeps["stray"] = "exit") {
  const granted: string[] = [];
  const unwraps: PromiseWithResolvers<Token>[] = [];
  const reception = new Reception({
    open: (bytes) => openDelivery(bytes, key),
    stray,
    patience: {
      grant: (ms) => granted.push(`grant ${ms}`),
      giveBack: (ms) => granted.push(`give back ${ms}`),
    },
    log: new FakeLog(),
    judge: (delivery) =>
      Promise.resolve({
        delivery,
        vault: { addr: "https://vault" },
      } as Verified),
    unwrap: () => {
      const unwrap = Promise.withResolvers<Token>();
      unwraps.push(unwrap);
      return unwrap.promise;
    },
  });
  const refuse = (at: number, code: DeliveryCode): void =>
    unwraps[at]?.reject(new Refusal(code, "because"));
  return {
    reception,
    granted,
    unwraps,
    refuse,
    accept: (at: number) => unwraps[at]?.resolve(opened as Token),
  };
}

const codeOf = (reply: Reply): unknown =>
  (JSON.parse(reply.body) as { code?: unknown }).code;
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** What became of the container: "waits" while it still does. */
async function state(reception: Reception): Promise<string> {
  return Promise.race([
    reception.taken.then(
      () => "taken",
      (error: unknown) =>
        error instanceof Failure ? error.exit : String(error),
    ),
    settle().then(() => "waits"),
  ]);
}

test("the container goes on only when the receipt is written", async () => {
  const { reception, accept, granted } = setUp();
  const answer = reception.handle(first);
  await settle();
  accept(0);
  const reply = await answer;
  expect(reply).toMatchObject({
    status: 200,
    body: '{"jti":"delivery-0001","accessor":"inner-accessor"}',
  });
  expect(await state(reception)).toBe("waits");
  reply.sent("written");
  expect(await state(reception)).toBe("taken");
  expect(granted).toEqual(["grant 10000"]);
});

test("a receipt is lost when nobody is left to take it, and not before", async () => {
  const { reception, accept, unwraps } = setUp();
  const answers = [reception.handle(first), reception.handle(first)];
  await settle();
  accept(0);
  const [one, two] = await Promise.all(answers);
  expect(unwraps).toHaveLength(1);
  one?.sent("lost");
  expect(await state(reception)).toBe("waits");
  two?.sent("lost");
  expect(await state(reception)).toBe("receipt_lost");
  expect(reception.opened?.token.token).toBe(opened.token);
});

test("one written receipt is enough, whatever becomes of the others", async () => {
  const { reception, accept } = setUp();
  const answers = [reception.handle(first), reception.handle(first)];
  await settle();
  accept(0);
  const [one, two] = await Promise.all(answers);
  one?.sent("written");
  two?.sent("lost");
  const again = await reception.handle(first);
  again.sent("lost");
  expect(again.status).toBe(200);
  expect(await state(reception)).toBe("taken");
});

test("another delivery waits for the first one's end: refused after a token, taken after a refusal", async () => {
  const { reception, accept, refuse, unwraps } = setUp();
  const answers = [reception.handle(first), reception.handle(second)];
  await settle();
  expect(unwraps).toHaveLength(1);
  refuse(0, "vault_unavailable");
  await settle();
  expect(unwraps).toHaveLength(2);
  const third = reception.handle(first);
  accept(1);
  const [one, two] = await Promise.all(answers);
  expect([one && codeOf(one), two?.status]).toEqual(["vault_unavailable", 200]);
  expect(codeOf(await third)).toBe("bad_delivery");
  expect(await state(reception)).toBe("waits");
});

test("after vault_unavailable the channel stays open, the time is given back, and the same delivery is worked on anew", async () => {
  const { reception, accept, refuse, granted, unwraps } = setUp();
  const answer = reception.handle(first);
  await settle();
  refuse(0, "vault_unavailable");
  const reply = await answer;
  expect(reply).toMatchObject({ status: 503, keepOpen: true, last: false });
  expect(granted).toEqual(["grant 10000", "give back 10000"]);
  const again = reception.handle(first);
  await settle();
  expect(unwraps).toHaveLength(2);
  accept(1);
  expect((await again).status).toBe(200);
});

test.each([
  ["exit", true],
  ["reject", false],
] as const)(
  "with %s a stray ends the container: %s, and only once its answer is out",
  async (stray, ends) => {
    const { reception } = setUp(stray);
    const reply = await reception.handle(
      new Refusal<DeliveryCode>("bad_delivery", "no"),
    );
    expect(reply).toMatchObject({ status: 422, last: ends });
    expect(await state(reception)).toBe("waits");
    reply.sent("lost");
    expect(await state(reception)).toBe(ends ? "bad_delivery" : "waits");
  },
);

test("a stray does not end a container that is about to have its token", async () => {
  const { reception, accept } = setUp();
  const answer = reception.handle(first);
  await settle();
  const stray = await reception.handle(
    new Refusal<DeliveryCode>("bad_delivery", "no"),
  );
  stray.sent("written");
  expect(await state(reception)).toBe("waits");
  accept(0);
  (await answer).sent("written");
  const late = await reception.handle(Buffer.from("{}"));
  late.sent("written");
  expect(await state(reception)).toBe("taken");
});

test("when the time is over, an alarm counts more than what came after it", async () => {
  const { reception, refuse } = setUp("reject");
  expect(reception.overdue().exit).toBe("timeout");
  const answer = reception.handle(first);
  await settle();
  refuse(0, "already_unwrapped");
  expect(await answer).toMatchObject({ status: 410, last: false });
  await reception.handle(new Refusal<DeliveryCode>("bad_delivery", "no"));
  expect(reception.overdue().exit).toBe("already_unwrapped");
});

test("when the time is over after vault_unavailable, that is the reason", async () => {
  const { reception, refuse } = setUp();
  const answer = reception.handle(first);
  await settle();
  refuse(0, "vault_unavailable");
  await answer;
  expect(reception.overdue().exit).toBe("vault_unavailable");
});

test("when the time is over after a token was opened, what was still to be done is the reason", async () => {
  const { reception, accept } = setUp();
  const answer = reception.handle(first);
  await settle();
  accept(0);
  const reply = await answer;
  expect(reception.overdue().exit).toBe("receipt_lost");
  reply.sent("written");
  expect(reception.overdue().exit).toBe("read_failed");
});

test("a fault that nobody foresaw ends the container and is not told to the caller", async () => {
  const { reception, unwraps } = setUp();
  const answer = reception.handle(first);
  await settle();
  unwraps[0]?.reject(new TypeError("quoting a secret"));
  expect((await answer).body).not.toContain("quoting");
  expect(await state(reception)).toContain("TypeError");
});
