import { once } from "node:events";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { certificateHash, Refusal } from "@vaultbuddy/common";
import { ManualClock } from "@vaultbuddy/common/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeIdentity } from "./certificate.ts";
import { Door, MOST_SOCKETS } from "./listen.ts";
import { serve } from "./serve.ts";
import type { Reply } from "./serve.ts";
import { FakeLog } from "./testing.ts";

const HEAD = "POST / HTTP/1.1\r\ncontent-type: application/jose+json\r\n";

let door: Door;
let clock: ManualClock;
let port: number;
let asked: (string | Refusal<never>)[];
let outcomes: string[];
let reply: Partial<Reply>;
let waitFor: Promise<void>;

const fine = (changes: Partial<Reply>): Reply => ({
  status: 200,
  type: "application/json",
  body: "{}",
  keepOpen: false,
  last: false,
  sent: (how) => outcomes.push(how),
  ...changes,
});
const settle = () => new Promise((resolve) => setImmediate(resolve));

beforeEach(async () => {
  clock = new ManualClock();
  asked = [];
  outcomes = [];
  reply = {};
  waitFor = Promise.resolve();
  door = new Door(undefined, new FakeLog());
  serve(
    door,
    { kind: "plain" },
    (got) => {
      asked.push(Buffer.isBuffer(got) ? got.toString() : got.message);
      return waitFor.then(() => fine(reply));
    },
    clock,
    new FakeLog(),
  );
  port = await door.listen({ host: "127.0.0.1", port: 0 });
});

afterEach(() => door.close());

async function dial(): Promise<Socket> {
  const socket = connect(port, "127.0.0.1").on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}

/** Resolves when the manual clock has as many sleepers: something then waits for time to pass. */
async function sleepers(count: number): Promise<void> {
  while (clock.sleeping !== count) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test("a request must be whole 5 s after its first byte, and is no request otherwise", async () => {
  const socket = await dial();
  socket.write("P");
  await sleepers(1);
  await clock.advance(4999);
  expect(socket.destroyed).toBe(false);
  socket.write(
    "OST / HTTP/1.1\r\ncontent-length: 5\r\ncontent-type: application/jose+json\r\n\r\nabc",
  );
  const closed = once(socket, "close");
  await clock.advance(1);
  await closed;
  expect(asked).toEqual([]);
});

test("a channel may stand idle for as long as it likes", async () => {
  const socket = await dial();
  await clock.advance(3_600_000);
  socket.write(`${HEAD}content-length: 2\r\n\r\nab`);
  const [answer] = (await once(socket, "data")) as [Buffer];
  expect(answer.toString()).toMatch(/^HTTP\/1.1 200 OK\r\n/);
  expect(asked).toEqual(["ab"]);
  expect(outcomes).toEqual(["written"]);
});

test("the same connection carries another request when the answer kept it open, and its time begins anew", async () => {
  reply = { keepOpen: true };
  const socket = await dial();
  for (const body of ["ab", "cd"]) {
    socket.write(`${HEAD}content-length: 2\r\n\r\n${body}`);
    const [answer] = (await once(socket, "data")) as [Buffer];
    expect(answer.toString()).toContain("keep-alive");
    await clock.advance(60_000);
  }
  expect(asked).toEqual(["ab", "cd"]);
  socket.write("POST");
  await sleepers(1);
  const closed = once(socket, "close");
  await clock.advance(5000);
  await closed;
});

test("an answer for which nobody is left is told to be lost", async () => {
  const gate = Promise.withResolvers<void>();
  const other = new Door(undefined, new FakeLog());
  const lost = new Promise<string>((resolve) => {
    serve(
      other,
      { kind: "plain" },
      async () => {
        await gate.promise;
        return {
          status: 200,
          type: "text/plain",
          body: "",
          keepOpen: false,
          last: false,
          sent: resolve,
        };
      },
      clock,
      new FakeLog(),
    );
  });
  const at = await other.listen({ host: "127.0.0.1", port: 0 });
  const socket = connect(at, "127.0.0.1");
  await once(socket, "connect");
  socket.write(`${HEAD}content-length: 0\r\n\r\n`);
  await sleepers(0);
  socket.end();
  await once(socket.resume(), "close");
  gate.resolve();
  expect(await lost).toBe("lost");
  other.close();
});

test("after the last answer the other side has a moment to close, and not more", async () => {
  reply = { last: true };
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  await once(socket, "connect");
  socket.write("GET / HTTP/1.1\r\n\r\n");
  await once(socket, "data");
  expect(asked).toEqual(["only POST / is served"]);
  socket.destroy();
  while (outcomes.length === 0) {
    await clock.advance(100);
  }
  expect(outcomes).toEqual(["written"]);
});

test("a chunked body counts like any other, and one over 16 KiB is refused", async () => {
  const small = await dial();
  small.write(`${HEAD}transfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n`);
  await once(small, "data");
  const large = await dial();
  const chunk = `1000\r\n${"x".repeat(4096)}\r\n`;
  large.write(
    `${HEAD}transfer-encoding: chunked\r\n\r\n${chunk.repeat(5)}0\r\n\r\n`,
  );
  await once(large, "data");
  expect(asked).toEqual(["ab", "the body is larger than 16384 bytes"]);
});

test("where nobody proves himself the ninth connection takes the place of the oldest that is not being answered", async () => {
  const gate = Promise.withResolvers<void>();
  waitFor = gate.promise;
  const standing: Socket[] = [];
  for (let count = 0; count < MOST_SOCKETS; count += 1) {
    standing.push(await dial());
  }
  const [first, second, third] = standing;
  if (first === undefined || second === undefined || third === undefined) {
    throw new Error("nobody stands");
  }
  first.write(`${HEAD}content-length: 0\r\n\r\n`);
  while (asked.length === 0) {
    await settle();
  }
  const ninth = await dial();
  await once(second.resume(), "close");
  gate.resolve();
  expect(await once(first, "data")).toHaveLength(1);
  ninth.write(`${HEAD}content-length: 0\r\n\r\n`);
  expect(await once(ninth, "data")).toHaveLength(1);
  expect(third.destroyed).toBe(false);
});

test("a channel under a certificate of its own is TLS 1.3 and shows that certificate", async () => {
  const identity = makeIdentity();
  const other = new Door(undefined, new FakeLog());
  serve(
    other,
    { kind: "certificate", identity },
    () => Promise.resolve(fine({ type: "text/plain", body: "heard" })),
    clock,
    new FakeLog(),
  );
  const at = await other.listen({ host: "127.0.0.1", port: 0 });
  const socket = connectTls({
    host: "127.0.0.1",
    port: at,
    rejectUnauthorized: false,
  });
  await once(socket, "secureConnect");
  expect(socket.getProtocol()).toBe("TLSv1.3");
  expect(certificateHash(socket.getPeerCertificate().raw)).toBe(identity.hash);
  socket.write(`${HEAD}content-length: 0\r\n\r\n`);
  const [answer] = (await once(socket, "data")) as [Buffer];
  expect(answer.toString()).toContain("heard");
  socket.destroy();
  other.close();
});
