// What `wrap` prints, run as it is printed: for each image the application prints the same behind the entrypoint as
// without it, with the folder in a volume of the task and with the folder as a layer. The tasks run in the stand-in for
// ECS, on real Docker, where entryPoint drops CMD as it does everywhere.

import {
  RegisterTaskDefinitionCommand,
  RunTaskCommand,
} from "@aws-sdk/client-ecs";
import type { ContainerDefinition } from "@aws-sdk/client-ecs";
import { exitCode, Stack } from "@vaultbuddy/devstack";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildImage } from "../packages/devstack/src/engine/image.ts";
import type { ImageSpec } from "../packages/devstack/src/engine/image.ts";
import { must, run, words } from "./bundle/docker.ts";
import { Kit, noBundle } from "./bundle/kit.ts";
import { tool } from "./bundle/tool.ts";

interface Definition {
  readonly containerDefinitions: readonly ContainerDefinition[];
  readonly volumes?: readonly { readonly name: string }[];
}

/** What the tool prints with --json. */
interface Wrapped {
  readonly runs: readonly string[];
  readonly volume: { readonly taskDefinition: Definition };
  readonly layer: {
    readonly image: string;
    readonly dockerfile: string;
    readonly taskDefinition: Definition;
  };
  readonly notes: readonly string[];
}

/** Lines of the probe without what differs from container to container. */
function lines(output: string): string[] {
  return output
    .replaceAll(/"HOSTNAME=\w+"/g, '"HOSTNAME=…"')
    .replaceAll(/\/v4\/[\w-]+"/g, '/v4/…"')
    .trim()
    .split("\n")
    .filter((line) => !line.startsWith('variable "WIS_'))
    .toSorted();
}

describe.skipIf(noBundle)("vaultbuddy-entrypoint wrap", () => {
  let kit: Kit;
  let stack: Stack;
  const made: string[] = [];
  beforeAll(async () => {
    kit = await Kit.make(["scratch", "busybox"]);
    stack = await Stack.start();
  }, 180_000);
  afterAll(async () => {
    await stack?.close();
    for (const image of made.toReversed()) {
      await run("docker", ["rmi", "-f", image]);
    }
    await kit?.close();
  });

  /** An image from the lines of a Dockerfile that needs no files. */
  async function build(name: string, dockerfile: string): Promise<string> {
    await must("sh", [
      "-c",
      'printf %s "$1" | docker build -q -t "$2" -',
      "sh",
      dockerfile,
      name,
    ]);
    made.push(name);
    return name;
  }

  /** An image of the devstack with the probe in it. */
  async function withProbe(spec: Omit<ImageSpec, "files">): Promise<string> {
    const files = ["/probe", "/opt/tools/probe"].map((path) => ({
      path,
      mode: 0o755,
      source: kit.programs.probe,
    }));
    const image = await buildImage({ ...spec, files });
    made.push(image);
    return image;
  }

  async function wrap(...args: readonly string[]): Promise<Wrapped> {
    const ran = await tool([
      ...words(`wrap --json --bundle-image ${kit.carrier}`),
      ...args,
    ]);
    expect(ran, ran.stderr).toMatchObject({ code: 0, stderr: "" });
    return JSON.parse(ran.stdout) as Wrapped;
  }

  /** Runs a printed task definition, with what every one needs besides; answers what its application printed. */
  async function runTask(printed: Definition): Promise<string[]> {
    const { taskDefinition } = await stack.ecs.send(
      new RegisterTaskDefinitionCommand({
        family: "wrapped",
        networkMode: "bridge",
        volumes: [...(printed.volumes ?? [])],
        containerDefinitions: printed.containerDefinitions.map((one) => ({
          memory: 128,
          ...one,
          environment: [
            ...(one.environment ?? []),
            { name: "WIS_MODE", value: "off" },
            { name: "WIS_LOG_LEVEL", value: "error" },
          ],
        })),
      }),
    );
    const { tasks = [] } = await stack.ecs.send(
      new RunTaskCommand({
        cluster: stack.aws.cluster,
        taskDefinition: taskDefinition?.taskDefinitionArn,
      }),
    );
    const taskArn = tasks[0]?.taskArn ?? "";
    const task = { taskArn, containerName: "app", calledAt: Date.now() };
    const code = await exitCode(stack, task);
    const output = await stack.aws.logs(taskArn, "app");
    expect(code, output).toBe(0);
    return lines(output);
  }

  /** The image as it is, then both ways behind the entrypoint. */
  async function expectSame(
    image: string,
    args: readonly string[] = [],
    command: readonly string[] = [],
  ): Promise<{ wrapped: Wrapped; seen: string[] }> {
    const wrapped = await wrap(image, ...args);
    const direct = await runTask({
      containerDefinitions: [
        {
          name: "app",
          image,
          ...(command.length === 0 ? {} : { command: [...command] }),
        },
      ],
    });
    expect(direct.join("\n")).toContain("argument ");
    expect(await runTask(wrapped.volume.taskDefinition)).toEqual(direct);
    await build(wrapped.layer.image, wrapped.layer.dockerfile);
    expect(await runTask(wrapped.layer.taskDefinition)).toEqual(direct);
    return { wrapped, seen: direct };
  }

  test.each<[string, Omit<ImageSpec, "files" | "name">]>([
    [
      "ENTRYPOINT, CMD, USER and WORKDIR",
      {
        entryPoint: ["/probe", "an entrypoint's"],
        command: ["--port", 'a "b" $c \\d', "ü", ""],
        user: "4711:4712",
        workingDirectory: '/some/where $HOME "x"',
        env: { GIVEN: "by the image", VAULTED: "no" },
      },
    ],
    ["a CMD alone", { command: ["/probe", "alone"] }],
    ["an ENTRYPOINT alone", { entryPoint: ["/probe"], user: "1000" }],
    [
      "a command found on PATH",
      { command: ["probe"], env: { PATH: "/nowhere:/opt/tools" } },
    ],
  ])(
    "an image with %s",
    async (name, spec) => {
      const image = await withProbe({
        name: `wrap-${name.replaceAll(/\W+/g, "-").toLowerCase()}`,
        ...spec,
      });
      const { seen } = await expectSame(image);
      if (spec.user !== undefined) {
        expect(seen.join("\n")).toMatch(
          new RegExp(`\\b${parseInt(spec.user)}\\b`),
        );
      }
    },
    120_000,
  );

  test("an image with ENTRYPOINT and CMD in shell form, and all that goes with a builder's image", async () => {
    const base = await build(
      `${kit.carrier}-shell`,
      `FROM ${kit.image("busybox")}
ENV A="of the image"
WORKDIR /tmp/made
ENTRYPOINT exec /probe "$A" "$0" x
CMD unread by anybody
HEALTHCHECK --interval=5s CMD true
STOPSIGNAL SIGWINCH
ONBUILD ENV BUILT=on
`,
    );
    const wrapped = await wrap(base);
    expect(wrapped.notes).toEqual([
      expect.stringContaining("ENTRYPOINT is in shell form"),
      expect.stringContaining("ONBUILD instructions"),
      expect.stringContaining("HEALTHCHECK stays"),
      expect.stringContaining("STOPSIGNAL SIGWINCH"),
      expect.stringContaining("--depended-on"),
    ]);
    const direct = await runTask({
      containerDefinitions: [{ name: "app", image: base }],
    });
    expect(direct).toContain('argument "of the image"');
    expect(await runTask(wrapped.volume.taskDefinition)).toEqual(direct);
    await build(wrapped.layer.image, wrapped.layer.dockerfile);
    // The note said it: this one line is what the builder made of ONBUILD.
    expect(await runTask(wrapped.layer.taskDefinition)).toEqual(
      [...direct, 'variable "BUILT=on"'].toSorted(),
    );
    const kept = await must("docker", [
      ...words("image inspect --format"),
      "{{json .Config.Healthcheck.Test}} {{.Config.StopSignal}}",
      wrapped.layer.image,
    ]);
    expect(kept).toBe('["CMD-SHELL","true"] SIGWINCH');
  }, 120_000);

  test("another command in the place of the CMD", async () => {
    const image = await withProbe({
      name: "wrap-command",
      entryPoint: ["/probe"],
      command: ["dropped"],
    });
    const command = ["--own", "words"];
    const { seen } = await expectSame(image, ["--", ...command], command);
    expect(seen.join("\n")).not.toContain("dropped");
  }, 120_000);

  test("90 s of waiting where another container depends on it", async () => {
    const { volume, layer } = await wrap(
      kit.image("busybox"),
      "--depended-on",
      "sh",
    );
    const environment = [{ name: "WIS_TIMEOUT", value: "90s" }];
    for (const { taskDefinition } of [volume, layer]) {
      expect(taskDefinition.containerDefinitions.at(-1)).toMatchObject({
        environment,
      });
    }
  });

  test("an image without a command, one that is not there, and one that is wrapped already", async () => {
    const image = kit.image("scratch");
    expect(await tool(["wrap", image])).toEqual({
      code: 1,
      stdout: "",
      stderr: `vaultbuddy-entrypoint: ${image} has neither ENTRYPOINT nor CMD, so there is no command to keep: name it, vaultbuddy-entrypoint wrap ${image} COMMAND…\n`,
    });
    const absent = await tool(["wrap", "vaultbuddy.invalid/none:1"]);
    expect(absent).toMatchObject({ code: 1, stdout: "" });
    expect(absent.stderr).toMatch(
      /^vaultbuddy-entrypoint: Docker has no image .*\n$/,
    );
    const wrapped = await build(
      `${kit.carrier}-wrapped`,
      `FROM ${image}\nENTRYPOINT ["/vaultbuddy/entrypoint"]\nCMD ["/probe"]\n`,
    );
    const again = await tool(["wrap", wrapped]);
    expect(again).toMatchObject({ code: 1, stdout: "" });
    expect(again.stderr).toContain("in front of its command already");
  }, 60_000);

  test("without --json a person reads both ways", async () => {
    const { stdout } = await tool(["wrap", kit.image("busybox"), "sh"]);
    expect(stdout).toContain(
      '   ENTRYPOINT ["/vaultbuddy/entrypoint"]\n   CMD ["sh"]\n',
    );
  });
});
