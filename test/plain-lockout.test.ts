// Eight silent strangers must not lock the broker out, where the channel is plain no more than where it is not.

import { connect } from "node:net";
import { looseTask, notify, Stack } from "@vaultbuddy/devstack";
import { afterAll, beforeAll, expect, test } from "vitest";

let stack: Stack;
let url: string;
beforeAll(async () => {
  stack = await Stack.start({
    containers: false,
    families: ["open"],
    policy: {
      open: {
        policies: ["open"],
        ttl: 3600,
        transport: "plain",
        secrets: ["secret/shared"],
      },
    },
  });
  ({ url } = await stack.startBroker(["--delivery-timeout", "4s"]));
});
afterAll(() => stack.close());

test.each(["", "POST / HTTP/1.1\r\n"])(
  "eight strangers who sent %j and nothing more",
  async (bytes) => {
    const task = await looseTask(stack, {
      family: "open",
      container: { environment: [{ name: "WIS_PLAINTEXT", value: "allow" }] },
      env: { WIS_PLAINTEXT: "allow", WIS_LOG_LEVEL: "info" },
    });
    const entrypoint = task.start();
    await entrypoint.line((line) => line.text.includes("waiting for"));
    const strangers = Array.from({ length: 8 }, () =>
      connect(task.port, stack.aws.hostAddress),
    );
    for (const stranger of strangers) {
      stranger.on("error", () => undefined);
      stranger.write(bytes);
    }
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect((await notify(url, task.notice)).code).toBe("delivered");
    for (const stranger of strangers) {
      stranger.destroy();
    }
    await entrypoint.stop();
  },
  40_000,
);
