// A broker that cannot have its port says so and ends: one that stayed, without a port and with a heartbeat, would never be
// started anew by anybody.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Stack } from "@vaultbuddy/devstack";
import { afterAll, beforeAll, expect, test } from "vitest";

let stack: Stack;
beforeAll(async () => {
  stack = await Stack.start({ containers: false });
});
afterAll(() => stack.close());

test("a broker whose port is taken ends, and says which", async () => {
  const other = createServer();
  await new Promise<void>((resolve) => {
    other.listen(0, "127.0.0.1", resolve);
  });
  const { port } = other.address() as AddressInfo;
  try {
    await expect(
      stack.startBroker(["--listen", `127.0.0.1:${port}`]),
    ).rejects.toThrow(`cannot listen on 127.0.0.1:${port} (EADDRINUSE)`);
  } finally {
    other.close();
  }
}, 60_000);
