// What docs/any-image.md shows, run as it stands there with names of this machine. The task definition gets a real
// delivery: a container that ends fills a volume, and in front of any image the entrypoint receives the secrets and
// leaves no trace. The probe's output differs from that of the same task without the entrypoint by the secrets only.

import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
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
import { has, must, run, words } from "./bundle/docker.ts";
import type { Ran } from "./bundle/docker.ts";
import { Kit, madeKinds, noBundle } from "./bundle/kit.ts";
import type { Kind } from "./bundle/roots.ts";

/** The first block of a language in the documentation. */
async function documented(language: string): Promise<string> {
  const text = await readFile(
    new URL("../docs/any-image.md", import.meta.url),
    "utf8",
  );
  const block = new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(text);
  return block?.[1] ?? "";
}

/** Lines of the probe without what differs from task to task. */
function lines(output: string): string[] {
  return output
    .replaceAll(/"HOSTNAME=\w+"/g, '"HOSTNAME=…"')
    .replaceAll(/\/v4\/[\w-]+"/g, '/v4/…"')
    .trim()
    .split("\n");
}

describe.skipIf(noBundle)("the documentation", () => {
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
    const { family: _, ...definition } = JSON.parse(
      await documented("json"),
    ) as RegisterTaskDefinitionCommandInput;
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
    "the task definition: in front of a %s image the secrets are the only difference",
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

  /** The command of the examples, as the probe prints it. */
  const asGiven = /^argument ".*"\nargument "--port"\nargument "8080"\n/;

  test("the folder as a layer of the image", async () => {
    const context = join(kit.out, "context");
    await mkdir(context);
    await cp(kit.programs.probe, join(context, "server"));
    await writeFile(
      join(context, "Dockerfile"),
      (await documented("dockerfile"))
        .replace(/^FROM .* AS/, `FROM ${kit.carrier} AS`)
        .replace("debian:12-slim", kit.image("busybox")),
    );
    const image = kit.image("layered");
    await must("docker", ["build", "-q", "-t", image, context]);
    const ran = await run(
      "docker",
      words(`run --rm --user 99 --read-only -e WIS_MODE=off ${image}`),
    );
    expect(ran.code, ran.stderr).toBe(0);
    expect(ran.stdout).toMatch(asGiven);
  });

  test.skipIf(!has("docker-compose"))(
    "the services of Compose",
    async () => {
      const folder = join(kit.out, kit.volume);
      await mkdir(folder);
      const file = join(folder, "docker-compose.yml");
      await writeFile(
        file,
        (await documented("yaml"))
          .replace("image: vaultbuddy-entrypoint", `image: ${kit.carrier}`)
          .replace("image: web", `image: ${kit.image("scratch")}`)
          .replace("/app/server", "/probe"),
      );
      const compose = (...args: string[]): Promise<Ran> =>
        run("docker-compose", ["-f", file, ...args]);
      try {
        const up = await compose("up", "--no-color");
        expect(up.code, up.stderr).toBe(0);
        const logs = await compose(
          "logs",
          "--no-color",
          "--no-log-prefix",
          "web",
        );
        expect(logs.stdout).toMatch(/argument "--port"\nargument "8080"\n/);
      } finally {
        await compose("down", "-v");
      }
    },
    60_000,
  );
});
