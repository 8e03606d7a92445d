// Without Vault nothing starts and nothing is used up; when it is back in time, everything goes on.

import { looseTask, notify, Stack } from "@vaultbuddy/devstack";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { keepsToken, living, mintedAccessors } from "./facts.ts";

let stack: Stack;
let url: string;

beforeAll(async () => {
  stack = await Stack.start({ containers: false });
  ({ url } = await stack.startBroker(["--vault-timeout", "1s"]));
});
afterEach(() => {
  stack.vault.setSealed(false);
  stack.vault.faults.clear();
});
afterAll(() => stack.close());

const started = (line: {
  fields: Readonly<Record<string, unknown>>;
}): boolean => line.fields["app"] === "started";

test("a sealed Vault: no exec, a clear exit code, and nothing used up", async () => {
  stack.vault.setSealed(true);
  const task = await looseTask(stack, { env: { WIS_TIMEOUT: "3s" } });
  const entrypoint = task.start();
  expect(await notify(url, task.notice)).toMatchObject({
    status: 503,
    code: "vault_unavailable",
  });
  expect(await entrypoint.exit()).toBe(224);
  stack.vault.setSealed(false);
  const again = task.start();
  expect((await notify(url, task.notice)).code).toBe("delivered");
  await again.line(started);
  await again.stop();
});

test.each<[string, Parameters<typeof stack.vault.faults.add>[0]]>([
  [
    "is sealed",
    {
      prefix: "auth/token/create",
      kind: "answer",
      status: 503,
      body: '{"errors":["Vault is sealed"]}',
      times: 4,
    },
  ],
  [
    "refuses the role",
    {
      prefix: "auth/token/create",
      kind: "answer",
      status: 403,
      body: '{"errors":["permission denied"]}',
      times: 4,
    },
  ],
])(
  "a Vault that %s at the mint uses up no try, however often",
  async (_name, fault) => {
    const task = await looseTask(stack);
    const entrypoint = task.start();
    stack.vault.faults.add(fault);
    for (let count = 0; count < 4; count += 1) {
      expect((await notify(url, task.notice)).code).toBe("vault_unavailable");
    }
    expect((await notify(url, task.notice)).code).toBe("delivered");
    await entrypoint.stop();
  },
);

test("a Vault that goes away between delivery and unwrap is waited for, with the same delivery", async () => {
  const task = await looseTask(stack);
  const entrypoint = task.start();
  stack.vault.faults.add({
    prefix: "sys/wrapping",
    kind: "answer",
    status: 503,
    body: '{"errors":["Vault is sealed"]}',
    times: 3,
  });
  const before = mintedAccessors(stack).length;
  expect((await notify(url, task.notice)).code).toBe("delivered");
  expect(mintedAccessors(stack)).toHaveLength(before + 1);
  await entrypoint.line(started);
  await entrypoint.stop();
});

test("a read that Vault refuses ends the container with its own code, and its token with it", async () => {
  const task = await looseTask(stack, {
    env: { WIS_SECRETS: "secret/forbidden" },
  });
  const entrypoint = task.start();
  expect((await notify(url, task.notice)).code).toBe("delivered");
  expect(await entrypoint.exit()).toBe(234);
  expect(entrypoint.output).toContain("secret/forbidden");
  expect(await living(stack)).not.toContain(mintedAccessors(stack).at(-1));
});

// The last one, because it moves Vault's clock.
test("a mint whose answer is lost leaves a token that nobody can name and that dies by itself", async () => {
  const task = await looseTask(stack, { env: keepsToken });
  const entrypoint = task.start();
  stack.vault.faults.add({
    prefix: "auth/token/create",
    kind: "drop",
    when: "after",
    times: 1,
  });
  expect((await notify(url, task.notice)).code).toBe("vault_unavailable");
  const lost = mintedAccessors(stack).at(-1) ?? "";
  expect((await notify(url, task.notice)).code).toBe("delivered");
  const served = mintedAccessors(stack).at(-1) ?? "";
  await entrypoint.line(started);
  // The entrypoint renewed the one it holds; the lost one ends with its first TTL: wrapping and half a minute.
  stack.vault.advance(95_000);
  expect(await living(stack)).not.toContain(lost);
  expect(await living(stack)).toContain(served);
  await entrypoint.stop();
});
