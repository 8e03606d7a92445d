// Where nobody with the family's key listens, Vault is not even asked: nothing minted, nothing used up.

import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import tls from "node:tls";
import { looseTask, notify, Stack } from "@vaultbuddy/devstack";
import { afterAll, beforeAll, expect, test } from "vitest";
import { mintedAccessors } from "./facts.ts";

let stack: Stack;
let url: string;

beforeAll(async () => {
  stack = await Stack.start({ containers: false });
  ({ url } = await stack.startBroker(["--delivery-timeout", "2s"]));
});
afterAll(() => stack.close());

test("nobody at all: told as such, and served when the container comes after all", async () => {
  const task = await looseTask(stack);
  expect(await notify(url, task.notice)).toMatchObject({
    status: 504,
    code: "delivery_timeout",
  });
  expect(mintedAccessors(stack)).toEqual([]);
  const entrypoint = task.start();
  expect((await notify(url, task.notice)).code).toBe("delivered");
  expect(mintedAccessors(stack)).toHaveLength(1);
  await entrypoint.stop();
});

test("a container with another family's key gets nothing, and waits out its time", async () => {
  const before = mintedAccessors(stack).length;
  const task = await looseTask(stack);
  const entrypoint = task.start({
    WIS_HMAC_KEY: stack.familyKey("other"),
    WIS_TIMEOUT: "4s",
  });
  expect((await notify(url, task.notice)).code).toBe("delivery_timeout");
  expect(mintedAccessors(stack)).toHaveLength(before);
  expect(await entrypoint.exit()).toBe(224);
});

test.each<[string, () => tls.Server | ReturnType<typeof createServer>]>([
  ["accepts and says nothing", () => createServer(() => undefined)],
  ["accepts and closes", () => createServer((socket) => socket.destroy())],
  [
    "answers with a page",
    () => createServer((socket) => socket.end("HTTP/1.1 200 OK\r\n\r\n<html>")),
  ],
  [
    "asks for another PSK",
    () =>
      tls.createServer({ ciphers: "PSK", pskCallback: () => Buffer.alloc(32) }),
  ],
])("somebody who %s gets nothing", async (_name, build) => {
  const before = mintedAccessors(stack).length;
  const server = build();
  server.on("tlsClientError", () => undefined);
  server.on("connection", (socket) => socket.on("error", () => undefined));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const task = await looseTask(stack, {
    dialledPort: (server.address() as AddressInfo).port,
  });
  expect((await notify(url, task.notice)).code).toBe("delivery_timeout");
  expect(mintedAccessors(stack)).toHaveLength(before);
  server.close();
});
