import { duplexPair } from "node:stream";
import { expect, test } from "vitest";
import { LaunchedApp } from "./launched-app.ts";

const message = (what: number, value: number): Buffer =>
  Buffer.from(Uint32Array.of(what, value).buffer);

function launched(prepare: () => void = () => undefined) {
  const [ours, theirs] = duplexPair();
  const told: Buffer[] = [];
  theirs.on("data", (chunk: Buffer) => told.push(chunk));
  return { app: new LaunchedApp("/app", ours, prepare), theirs, told };
}

test("the command is started when its plan is written, and its end is told", async () => {
  const prepared: unknown[] = [];
  const { app, theirs, told } = launched(() => prepared.push("plan"));
  const ended = app.run({ A: "1" });
  expect(prepared).toEqual(["plan"]);
  app.kill(15);
  // In pieces, as a stream may give them.
  const bytes = Buffer.concat([message(4, 0), message(3, 143)]);
  theirs.write(bytes.subarray(0, 5));
  theirs.write(bytes.subarray(5));
  expect(await ended).toBe(143);
  await app.stopped;
  expect(Buffer.concat(told)).toEqual(
    Buffer.concat([message(1, 0), message(2, 15)]),
  );
});

test("what the kernel would not take is a failure before anything is started", async () => {
  const { app, told } = launched(() => {
    throw Object.assign(new Error("too large"), { errno: 7 });
  });
  await expect(app.run({})).rejects.toMatchObject({ exit: "environment" });
  expect(told).toEqual([]);
});

test("without the other process nothing can go on", async () => {
  const [ours] = duplexPair();
  const app = new LaunchedApp("/app", ours, () => undefined);
  const ended = app.run({});
  ours.destroy();
  await expect(ended).rejects.toMatchObject({ exit: "internal" });
});
