// A signal between the receipt and the command: the token was opened, nobody will use it, and nobody else knows.

import { looseTask, notify, Stack, until } from "@vaultbuddy/devstack";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { living, mintedAccessors } from "./facts.ts";

let stack: Stack;
let url: string;
beforeAll(async () => {
  stack = await Stack.start({ containers: false });
  ({ url } = await stack.startBroker());
});
afterEach(() => stack.vault.faults.clear());
afterAll(() => stack.close());

test.each([
  ["SIGTERM", 143, "delay"],
  ["SIGINT", 130, "delay"],
  ["SIGHUP", 129, "hang"],
  ["SIGQUIT", 131, "delay"],
  ["SIGUSR1", 138, "hang"],
] as const)(
  "%s while the secrets are read revokes the token first",
  async (signal, code, kind) => {
    stack.vault.faults.add({ prefix: "secret/data", kind, ms: 3000 });
    const task = await looseTask(stack);
    const entrypoint = task.start();
    expect((await notify(url, task.notice)).code).toBe("delivered");
    await until(
      () =>
        Promise.resolve(
          stack.vault.audit.entries.some(({ path }) =>
            path.includes("renew-self"),
          ) || undefined,
        ),
      () => Promise.resolve("nothing was read"),
    );
    const began = performance.now();
    process.kill(entrypoint.pid, signal);
    expect(await entrypoint.exit()).toBe(code);
    expect(performance.now() - began).toBeLessThan(1500);
    expect(await living(stack)).not.toContain(mintedAccessors(stack).at(-1));
  },
);
