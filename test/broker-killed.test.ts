// The broker dies with SIGKILL between each two steps. Never do two tokens live that somebody holds; and a container that
// still waits is served by the broker that comes after.

import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { looseTask, notify, Stack, until } from "@vaultbuddy/devstack";
import { afterAll, beforeAll, expect, test } from "vitest";
import { keepsToken, living, mintedAccessors } from "./facts.ts";

let stack: Stack;

beforeAll(async () => {
  stack = await Stack.start({ containers: false });
});
afterAll(() => stack.close());

const dieing = fileURLToPath(new URL("die.ts", import.meta.url));

test.each([
  ["before", "reserved", "delivered"],
  ["after", "reserved", "delivered"],
  ["before", "minted", "delivered"],
  ["after", "minted", "delivered"],
  ["before", "sent", "delivered"],
  // Sent is written, nothing has left: the wrapping token is still there, so it is taken back and another is made.
  ["after", "sent", "delivered"],
  // The container has its token and runs; the ledger does not know. Its token is revoked, and it is never served again.
  ["before", "delivered", "delivery_uncertain"],
  ["after", "delivered", "already_delivered"],
])(
  "killed %s a claim is written as %s: the next notice ends as %s expects",
  async (when, state, outcome) => {
    const name = `${when}-${state}`;
    const ledger = `sqlite:${join(stack.folder, `${name}.db`)}`;
    const { daemon, url } = await stack.startBroker(["--ledger", ledger], {
      NODE_OPTIONS: `--import ${dieing}`,
      DIE_AT: `${when}:${state}:${join(stack.folder, name)}`,
    });
    const task = await looseTask(stack, {
      env: { ...keepsToken, WIS_TIMEOUT: "60s" },
    });
    const entrypoint = task.start();
    const before = mintedAccessors(stack).length;
    await expect(notify(url, task.notice)).rejects.toMatchObject({
      name: "TransportError",
    });
    expect(await daemon.exit()).toBe(137);

    const { daemon: next, url: later } = await stack.startBroker([
      "--ledger",
      ledger,
    ]);
    // As an agent would: again, until the answer is definite.
    const answer = await until(
      async () => {
        const one = await notify(later, task.notice);
        return [
          "vault_unavailable",
          "delivery_timeout",
          "ledger_unavailable",
        ].includes(one.code)
          ? undefined
          : one;
      },
      () =>
        Promise.resolve(`no definite answer; the broker said:\n${next.output}`),
      60_000,
    );
    expect(answer.code).toBe(outcome);
    const made = mintedAccessors(stack).slice(before);
    const alive = (await living(stack)).filter((accessor) =>
      made.includes(accessor),
    );
    if (outcome === "delivery_uncertain") {
      expect(alive).toEqual([]);
    } else {
      await entrypoint.line((line) => line.fields["app"] === "started");
      // A token whose mint nobody could write down was never handed to anybody; it dies by its own short life.
      const lost = when === "before" && state === "minted" ? 1 : 0;
      expect(alive.length).toBeGreaterThanOrEqual(1);
      expect(alive.length).toBeLessThanOrEqual(1 + lost);
    }
    await entrypoint.stop();
    await next.stop();
  },
  120_000,
);

test("a broker that is told to stop finishes what is in flight and takes no more", async () => {
  const { daemon, url } = await stack.startBroker([
    "--ledger",
    `sqlite:${join(stack.folder, "stop.db")}`,
  ]);
  const task = await looseTask(stack);
  const asked = stack.aws.audit.list("DescribeTasks").length;
  const answer = notify(url, task.notice);
  await until(
    () =>
      Promise.resolve(
        stack.aws.audit.list("DescribeTasks").length > asked ? true : undefined,
      ),
    () => Promise.resolve("the broker did not ask ECS"),
  );
  const stopped = daemon.stop();
  await daemon.said("stopping: no more notices are taken");
  const entrypoint = task.start();
  expect((await answer).code).toBe("delivered");
  expect(await stopped).toBe(0);
  await expect(notify(url, task.notice)).rejects.toMatchObject({
    code: "ECONNREFUSED",
  });
  await entrypoint.stop();
});

test("a broker that stalls while it holds a claim does not send when it wakes", async () => {
  const ledger = `sqlite:${join(stack.folder, "stall.db")}`;
  const { daemon: first, url } = await stack.startBroker(["--ledger", ledger]);
  const { url: second } = await stack.startBroker(["--ledger", ledger]);
  const task = await looseTask(stack, {
    env: { ...keepsToken, WIS_TIMEOUT: "60s" },
  });
  stack.vault.faults.add({
    prefix: "auth/token/create",
    kind: "delay",
    ms: 800,
    times: 1,
  });
  const before = mintedAccessors(stack).length;
  const entrypoint = task.start();
  const slow = notify(url, task.notice).catch((error: unknown) => error);
  await until(
    () =>
      Promise.resolve(stack.vault.faults.rules.length === 0 ? true : undefined),
    () => Promise.resolve("Vault was not asked"),
  );
  first.freeze(true);
  // The other one takes the claim over when the first has been silent for five seconds.
  expect((await notify(second, task.notice)).code).toBe("delivered");
  first.freeze(false);
  await slow;
  await entrypoint.line((line) => line.fields["app"] === "started");
  const made = mintedAccessors(stack).slice(before);
  await until(
    async () =>
      (await living(stack)).filter((one) => made.includes(one)).length === 1
        ? true
        : undefined,
    () => Promise.resolve("two tokens live"),
    15_000,
  );
  await entrypoint.stop();
}, 60_000);
