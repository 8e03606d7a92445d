// What happens to the ledger's file while the broker has it open.

import { rmSync } from "node:fs";
import { get } from "node:http";
import { DatabaseSync } from "node:sqlite";
import { looseTask, notify, Stack, until } from "@vaultbuddy/devstack";
import { afterAll, beforeAll, expect, test } from "vitest";
import { keepsToken, living } from "./facts.ts";

let stack: Stack;
beforeAll(async () => {
  stack = await Stack.start({ containers: false });
});
afterAll(() => stack.close());

test("a ledger file that is removed stops deliveries: the next broker would not know of them", async () => {
  const path = `${stack.folder}/removed.db`;
  const args = ["--ledger", `sqlite:${path}`];
  const { daemon, url } = await stack.startBroker(args);
  const task = await looseTask(stack, {
    env: { ...keepsToken, WIS_TIMEOUT: "60s" },
  });
  const entrypoint = task.start();
  for (const end of ["", "-wal", "-shm"]) {
    rmSync(`${path}${end}`);
  }
  const answer = await notify(url, task.notice);
  await daemon.stop();
  const { url: next } = await stack.startBroker(args);
  expect((await notify(next, task.notice)).code).toBe("delivered");
  expect(await living(stack)).toHaveLength(1);
  expect(answer.code).toBe("ledger_unavailable");
  await entrypoint.stop();
}, 60_000);

test("a ledger that another process holds makes notices wait and fail, and nothing else", async () => {
  const path = `${stack.folder}/held.db`;
  const { url } = await stack.startBroker(["--ledger", `sqlite:${path}`]);
  const tasks = await Promise.all(
    Array.from({ length: 10 }, () => looseTask(stack)),
  );
  const other = new DatabaseSync(path);
  other.exec("BEGIN IMMEDIATE");
  const order: string[] = [];
  const answers = tasks.map(async ({ notice }) => {
    const { code } = await notify(url, notice);
    order.push(code);
  });
  await until(
    () =>
      Promise.resolve(
        stack.aws.audit.list("DescribeTasks").length > 0 ? true : undefined,
      ),
    () => Promise.resolve("the broker did not ask ECS"),
  );
  expect(await statusOf(`${url}/healthz`)).toBe(200);
  order.push("health");
  await Promise.all(answers);
  other.exec("ROLLBACK");
  other.close();
  // While every claim waits for the file, the broker still answers.
  expect(order).toEqual([
    "health",
    ...Array<string>(10).fill("ledger_unavailable"),
  ]);
}, 60_000);

function statusOf(url: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    get(url, (response) => {
      response.resume();
      resolve(response.statusCode);
    }).on("error", reject);
  });
}
