// Many at once: lookups share calls, and whoever floods the broker makes only himself wait.

import { Agent, request } from "node:http";
import { DescribeTasksCommand } from "@aws-sdk/client-ecs";
import { looseTask, notify, Stack } from "@vaultbuddy/devstack";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";

let stack: Stack;
beforeAll(async () => {
  stack = await Stack.start({ containers: false });
});
beforeEach(() => stack.aws.audit.clear());
afterAll(() => stack.close());

interface Called {
  readonly calls: number;
  /** Tasks, instances or definitions named in all calls. */
  readonly named: number;
}

function called(action: string): Called {
  const entries = stack.aws.audit.list(action);
  return {
    calls: entries.length,
    named: entries.reduce((sum, { arns }) => sum + arns, 0),
  };
}

test("a hundred tasks on twenty hosts share their calls to ECS and EC2", async () => {
  const { daemon, url } = await stack.startBroker([
    "--delivery-timeout",
    "4s",
    "--ledger",
    `sqlite:${stack.folder}/hundred.db`,
  ]);
  const { notice } = await looseTask(stack);
  const { taskDefinitionArn } = stack.aws.putTask({
    taskDefinitionArn: await definitionOf(notice.taskArn),
  });
  const hosts = Array.from({ length: 20 }, (_, host) =>
    stack.aws.putInstance(`127.0.1.${host + 1}`),
  );
  const notices = Array.from({ length: 100 }, (_, index) => {
    const task = stack.aws.putTask({
      taskDefinitionArn,
      containerInstanceArn: hosts[index % hosts.length] ?? "",
      containers: [
        {
          name: "app",
          networkBindings: [
            {
              bindIP: "0.0.0.0",
              containerPort: 9202,
              hostPort: 1,
              protocol: "tcp",
            },
          ],
        },
      ],
    });
    return {
      taskArn: task.taskArn,
      cluster: stack.aws.cluster,
      containerName: "app",
      containerId: task.containers[0]?.runtimeId ?? "",
    };
  });
  stack.aws.audit.clear();
  const answers = await Promise.all(notices.map((one) => notify(url, one)));
  // All were found, judged and dialled; that nobody listens there is this story's own doing.
  expect(new Set(answers.map(({ code }) => code))).toEqual(
    new Set(["delivery_timeout"]),
  );
  const tasks = called("DescribeTasks");
  expect(tasks.named).toBe(100);
  // Four or so on a machine that has nothing else to do; more where the notices come in slowly.
  expect(tasks.calls).toBeLessThan(34);
  expect(called("DescribeTaskDefinition")).toMatchObject({ calls: 1 });
  const instances = called("DescribeContainerInstances");
  expect(instances.named).toBe(20);
  expect(instances.calls).toBeLessThan(10);
  const addresses = called("DescribeInstances");
  expect(addresses.named).toBe(20);
  expect(addresses.calls).toBeLessThan(10);
  await daemon.stop();
}, 60_000);

async function definitionOf(taskArn: string): Promise<string> {
  const { tasks = [] } = await stack.ecs.send(
    new DescribeTasksCommand({ cluster: stack.aws.cluster, tasks: [taskArn] }),
  );
  return tasks[0]?.taskDefinitionArn ?? "";
}

/** A notice from an address of its own; answers the status. */
function from(
  localAddress: string,
  url: string,
  notice: unknown,
  agent: Agent,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(
      `${url}/v1/notify`,
      { method: "POST", localAddress, agent },
      (answer) => {
        answer.resume();
        answer.once("end", () => resolve(answer.statusCode ?? 0));
      },
    );
    sent.once("error", reject);
    sent.end(JSON.stringify(notice));
  });
}

test("a flood of made-up tasks from one address leaves the containers of another served", async () => {
  const { daemon, url } = await stack.startBroker([
    "--delivery-timeout",
    "15s",
    "--ledger",
    `sqlite:${stack.folder}/flood.db`,
  ]);
  const { notice } = await looseTask(stack);
  const agent = new Agent({ keepAlive: false });
  const madeUp = (index: number): unknown => ({
    ...notice,
    taskArn: notice.taskArn.replace(
      /[0-9a-f]{32}$/,
      index.toString(16).padStart(32, "f"),
    ),
  });
  const flood = Array.from({ length: 1500 }, (_, index) =>
    from("127.0.0.66", url, madeUp(index), agent),
  );
  const served: string[] = [];
  for (let index = 0; index < 5; index += 1) {
    const task = await looseTask(stack);
    const entrypoint = task.start();
    served.push((await notify(url, task.notice)).code);
    await entrypoint.stop();
  }
  expect(served).toEqual(Array(5).fill("delivered"));
  const statuses = await Promise.all(flood);
  agent.destroy();
  // Over the burst of one address: turned away. Within it: asked for, and unknown, or not asked in time.
  expect(statuses.filter((status) => status === 429).length).toBeGreaterThan(0);
  expect(statuses.filter((status) => status === 200)).toEqual([]);
  // What the flood was allowed to cost is a quarter of the account's calls.
  const { calls } = called("DescribeTasks");
  expect(calls).toBeLessThan(200);
  await daemon.stop();
}, 90_000);
