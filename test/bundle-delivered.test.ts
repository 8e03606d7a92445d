// The bundle with a delivery, by the task definition that docs/any-image.md shows: a container that ends fills a volume,
// and in front of an image that holds one static program the entrypoint receives the secrets and leaves no trace. The
// probe's output differs from that of the same task without the entrypoint by the secrets only.

import { readFile } from "node:fs/promises";
import {
  RegisterTaskDefinitionCommand,
  RunTaskCommand,
} from "@aws-sdk/client-ecs";
import type {
  ContainerDefinition,
  RegisterTaskDefinitionCommandInput,
} from "@aws-sdk/client-ecs";
import {
  exitCode,
  sampleFamily,
  sampleSecrets,
  Stack,
} from "@vaultbuddy/devstack";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Kit, madeKinds, noBundle } from "./bundle/kit.ts";
import type { Kind } from "./bundle/roots.ts";

/** The task definition of the documentation. */
async function documented(): Promise<RegisterTaskDefinitionCommandInput> {
  const text = await readFile(
    new URL("../docs/any-image.md", import.meta.url),
    "utf8",
  );
  const [, json = ""] = /```json\n([\s\S]*?)```/.exec(text) ?? [];
  return JSON.parse(json) as RegisterTaskDefinitionCommandInput;
}

/** Lines of the probe without what differs from task to task. */
function lines(output: string): string[] {
  return output
    .replaceAll(/"HOSTNAME=\w+"/g, '"HOSTNAME=…"')
    .replaceAll(/\/v4\/[\w-]+"/g, '/v4/…"')
    .trim()
    .split("\n");
}

describe.skipIf(noBundle)("with a delivery", () => {
  let kit: Kit;
  let stack: Stack;
  beforeAll(async () => {
    kit = await Kit.make();
    stack = await Stack.start();
    const { url } = await stack.startBroker();
    await stack.startAgent([url]);
  }, 180_000);
  afterAll(async () => {
    await stack?.close();
    await kit?.close();
  });

  /** Runs the documented task with images and names of this machine; answers what the application printed. */
  async function runTask(
    kind: Kind,
    change: (app: ContainerDefinition) => ContainerDefinition,
  ): Promise<string[]> {
    const { family: _, ...definition } = await documented();
    const [installer, app] = definition.containerDefinitions ?? [];
    const valueFrom = `arn:aws:secretsmanager:${stack.aws.region}:${stack.aws.account}:secret:bundle-key`;
    stack.aws.secrets.set(valueFrom, stack.familyKey(sampleFamily));
    const registered = await stack.ecs.send(
      new RegisterTaskDefinitionCommand({
        ...definition,
        family: sampleFamily,
        containerDefinitions: [
          { ...installer, image: kit.carrier },
          change({
            ...app,
            image: kit.image(kind),
            command: ["/probe", "an argument"],
            environment: [{ name: "VAULT_ADDR", value: stack.vault.addr }],
            secrets: [{ name: "WIS_HMAC_KEY", valueFrom }],
          }),
        ],
      }),
    );
    const { tasks = [] } = await stack.ecs.send(
      new RunTaskCommand({
        cluster: stack.aws.cluster,
        taskDefinition: registered.taskDefinition?.taskDefinitionArn,
      }),
    );
    const taskArn = tasks[0]?.taskArn ?? "";
    const task = { taskArn, containerName: "app", calledAt: Date.now() };
    const code = await exitCode(stack, task);
    const output = await stack.aws.logs(taskArn, "app");
    expect(code, output).toBe(0);
    return lines(output);
  }

  test.each(madeKinds)(
    "in front of a %s image the secrets are the only difference",
    async (kind) => {
      const behind = await runTask(kind, (app) => app);
      const direct = await runTask(
        kind,
        ({ entryPoint: _entryPoint, dockerLabels: _labels, ...app }) => app,
      );
      const expected = [
        ...direct.filter((line) => !/^variable "(?:WIS|VAULT)_/.test(line)),
        `variable "DB_USER=${sampleSecrets.sample.DB_USER}"`,
        `variable "DB_PASSWORD=${sampleSecrets.sample.DB_PASSWORD}"`,
        `variable "API_KEY=${sampleSecrets.shared.api_key}"`,
      ];
      expect(behind.toSorted()).toEqual(expected.toSorted());
      expect(direct.some((line) => line.includes("WIS_HMAC_KEY="))).toBe(true);
    },
    60_000,
  );
});
