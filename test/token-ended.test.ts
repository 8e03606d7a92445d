// A token that only read is ended by its own container, and the broker hears nothing of it: whatever comes next finds it
// gone, and nothing is taken for a theft or waits for what is no more.

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openConnections, request } from "@vaultbuddy/common/daemon";
import { looseTask, notify, Stack, until } from "@vaultbuddy/devstack";
import type { Daemon, LooseTask } from "@vaultbuddy/devstack";
import { afterAll, beforeAll, expect, test } from "vitest";
import { lives, living, mintedAccessors } from "./facts.ts";

let stack: Stack;
let url: string;
let broker: Daemon;

beforeAll(async () => {
  stack = await Stack.start({
    containers: false,
    policy: {
      again: {
        policies: ["sample"],
        secrets: ["secret/sample"],
        restart: { max: 3, min_interval: "1s" },
      },
    },
  });
  ({ url, daemon: broker } = await stack.startBroker());
});
afterAll(() => stack.close());

/** Serves a task, and ends its app once it has begun. */
async function serve(task: LooseTask): Promise<void> {
  const entrypoint = task.start();
  expect((await notify(url, task.notice)).code).toBe("delivered");
  await entrypoint.line((line) => line.fields["app"] === "started");
  await entrypoint.stop();
}

test("a container that is restarted gets another, and that one is ended as well", async () => {
  const task = await looseTask(stack, { family: "again" });
  await serve(task);
  const [first = ""] = mintedAccessors(stack);
  expect(await lives(stack, first)).toBe(false);
  // A second has to pass: the shortest interval there is.
  await new Promise((resolve) => setTimeout(resolve, 1100));
  await serve(task);
  expect(mintedAccessors(stack)).toHaveLength(2);
  expect(await living(stack)).toEqual([]);
});

test("when the task has stopped its claim is forgotten without a word of complaint", async () => {
  const task = await looseTask(stack);
  await serve(task);
  stack.aws.updateTask(task.notice.taskArn, {
    lastStatus: "STOPPED",
    desiredStatus: "STOPPED",
  });
  await notifyStopped(task);
  await broker.line(
    ({ fields }) =>
      fields["task"] === task.notice.taskArn &&
      /claim forgotten/.test(String(fields["msg"])),
  );
  expect(broker.output).not.toContain("could not be revoked");
});

async function notifyStopped(task: LooseTask): Promise<void> {
  const dispatcher = openConnections({ perOrigin: 1, connectTimeout: 5000 });
  const answer = await request({
    method: "POST",
    url: `${url}/v1/stopped`,
    headers: { "content-type": "application/json" },
    body: JSON.stringify(task.notice),
    timeout: 5000,
    maxBytes: 64 * 1024,
    dispatcher,
  });
  expect(answer.status).toBeLessThan(300);
  await dispatcher.destroy();
}

test.each([
  // The container has run with it, and the ledger does not know: as with any spent wrapping, nobody is served again.
  ["before", "delivery_uncertain"],
  ["after", "already_delivered"],
])(
  "a broker that dies %s it has written a delivery settles it: %s",
  async (when, outcome) => {
    const ledger = `sqlite:${join(stack.folder, `${when}.db`)}`;
    const dies = await stack.startBroker(["--ledger", ledger], {
      NODE_OPTIONS: `--import ${fileURLToPath(new URL("die.ts", import.meta.url))}`,
      DIE_AT: `${when}:delivered:${join(stack.folder, when)}`,
    });
    const task = await looseTask(stack);
    const entrypoint = task.start();
    await notify(dies.url, task.notice).catch(() => undefined);
    await dies.daemon.exit();
    await entrypoint.line((line) => line.fields["app"] === "started");
    const { url: later } = await stack.startBroker(["--ledger", ledger]);
    const code = await until(
      async () => {
        const one = await notify(later, task.notice);
        return one.code === outcome ? one.code : undefined;
      },
      () => Promise.resolve("no definite answer"),
      30_000,
    );
    expect(code).toBe(outcome);
    expect(await living(stack)).toEqual([]);
    await entrypoint.stop();
  },
  60_000,
);
