// A container may be told to stop at any moment, also in the one in which the entrypoint becomes the command. A signal
// that got lost there would cost the orchestrator's whole patience, and then a SIGKILL.

import { looseTask, notify, Stack } from "@vaultbuddy/devstack";
import { afterAll, beforeAll, expect, test } from "vitest";

let stack: Stack;
let url: string;

beforeAll(async () => {
  stack = await Stack.start({ containers: false });
  ({ url } = await stack.startBroker());
});
afterAll(() => stack.close());

test("SIGTERM around the moment of the exec ends the process, by our hand or by the app's", async () => {
  for (let count = 0; count < 40; count += 1) {
    const task = await looseTask(stack);
    const entrypoint = task.start();
    expect((await notify(url, task.notice)).code).toBe("delivered");
    await new Promise((resolve) => setTimeout(resolve, count % 10));
    // 137 would be the SIGKILL that comes when nobody heard.
    expect([0, 143]).toContain(await entrypoint.stop());
  }
}, 120_000);
