// The broker's clock is set in the middle of a handoff. An interception is still seen as one.

import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { looseTask, notify, sampleFamily, Stack } from "@vaultbuddy/devstack";
import { afterAll, beforeAll, expect, test } from "vitest";
import { living } from "./facts.ts";
import { startThief } from "./thief.ts";

let stack: Stack;
beforeAll(async () => {
  stack = await Stack.start({
    containers: false,
    policy: {
      [sampleFamily]: {
        policies: [sampleFamily],
        wrap_ttl: 5,
        secrets: ["secret/sample"],
      },
    },
  });
});
afterAll(() => stack.close());

test.each([0, 300_000, -300_000])(
  "a clock that is set by %i ms hides no interception",
  async (step) => {
    const file = stack.write(`off-by-${step}`, "0");
    const { daemon, url } = await stack.startBroker(
      [
        "--ledger",
        `sqlite:${stack.folder}/step${step}.db`,
        "--delivery-timeout",
        "12s",
      ],
      {
        NODE_OPTIONS: `--import ${fileURLToPath(new URL("set-clock.ts", import.meta.url))}`,
        CLOCK_OFF_BY: file,
      },
    );
    const thief = await startThief(stack, () =>
      writeFileSync(file, String(step)),
    );
    const { notice } = await looseTask(stack, { dialledPort: thief.port });
    expect((await notify(url, notice)).code).toBe("delivery_uncertain");
    expect(daemon.output).toContain('"level":"fatal"');
    expect(await living(stack)).toEqual([]);
    thief.close();
    await daemon.kill();
  },
  60_000,
);
