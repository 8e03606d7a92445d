// The demo: a whole installation, two served tasks, and a fake agent that gets nothing. Reads from top to bottom.

import { Stack } from "../stack/stack.ts";
import { runSample } from "../stack/tasks.ts";
import type { StartedTask } from "../stack/tasks.ts";
import { tryAsFakeAgent } from "./fake-agent.ts";
import { timeline } from "./timeline.ts";

export interface DemoOptions {
  /** Leave everything running until `stopped` resolves. */
  readonly keep: boolean;
  readonly stopped: Promise<void>;
  readonly print: (line: string) => void;
}

/** Runs it. Whatever happens, what was made is removed. */
export async function demo({
  keep,
  stopped,
  print,
}: DemoOptions): Promise<void> {
  const stack = await Stack.start({ tell: (what) => print(`- ${what}`) });
  try {
    const showing = show(stack, print, keep);
    // When it is stopped in the middle, what it was about to do fails for want of the stack: nobody needs to hear that.
    showing.catch(() => undefined);
    await Promise.race([showing, stopped]);
    if (keep) {
      await stopped;
    }
  } finally {
    print("\n- removing everything that was made");
    await stack.close({ images: true });
  }
}

/** What there is to see. */
async function show(
  stack: Stack,
  print: (line: string) => void,
  keep: boolean,
): Promise<void> {
  print("- starting the broker and the agent");
  const { daemon: broker, url } = await stack.startBroker();
  const agent = await stack.startAgent([url], [], { LOG_LEVEL: "debug" });
  const served: StartedTask[] = [];
  for (const mode of ["bridge", "awsvpc"] as const) {
    print(
      `\nA task in ${mode} mode. Neither its image nor its task definition holds a secret of Vault's.`,
    );
    const task = await runSample(stack, { mode });
    served.push(task);
    for (const line of await timeline(stack, task, { broker, agent })) {
      print(`  ${line}`);
    }
  }
  print("\nSomebody pretends to be an agent.");
  for (const line of await tryAsFakeAgent(url, poking(stack, served))) {
    print(`  ${line}`);
  }
  if (keep) {
    print("\nEverything is left running; Ctrl-C ends it.");
    printAddresses(stack, url, print);
  }
}

function poking(
  stack: Stack,
  served: readonly StartedTask[],
): Parameters<typeof tryAsFakeAgent>[1] {
  const [first, second] = served;
  if (first === undefined || second === undefined) {
    throw new Error("two tasks were to be served");
  }
  const notice = (
    taskArn: string,
    containerId: string,
  ): Record<string, string> => ({
    taskArn,
    cluster: stack.aws.cluster,
    containerName: "app",
    containerId,
  });
  const idOf = (task: StartedTask): string =>
    stack.aws.containerId(task.taskArn, task.containerName) ?? "";
  const absent = first.taskArn.replace(
    /[0-9a-f]{32}$/,
    "0123456789abcdef0123456789abcdef",
  );
  return [
    {
      what: "for a task that isn't there",
      notice: notice(absent, idOf(first)),
    },
    {
      what: "for a task that was served",
      notice: notice(first.taskArn, idOf(first)),
    },
    {
      what: "for another container than ECS names",
      notice: notice(first.taskArn, idOf(second)),
    },
  ];
}

function printAddresses(
  stack: Stack,
  broker: string,
  print: (line: string) => void,
): void {
  const {
    AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY,
    AWS_REGION,
    AWS_ENDPOINT_URL,
  } = stack.aws.env;
  print(`  broker        ${broker}`);
  print(
    `  Vault         ${stack.vault.addr} (root token ${stack.vault.rootToken}: of this demo's stand-in only)`,
  );
  print(
    `  ECS and EC2   ${AWS_ENDPOINT_URL ?? ""} in ${AWS_REGION ?? ""}, cluster ${stack.aws.cluster}`,
  );
  print(
    `                AWS_ACCESS_KEY_ID=${AWS_ACCESS_KEY_ID ?? ""} AWS_SECRET_ACCESS_KEY=${AWS_SECRET_ACCESS_KEY ?? ""} (made up)`,
  );
  print(`  files         ${stack.folder}`);
}
