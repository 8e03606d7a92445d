// Plain pairs on a developer's machine: from a file, over the channel that a broker uses, into containers of every kind
// that were started with plain `docker run`. What the command gets is what `docker run --env-file` would have given it.

import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort } from "@vaultbuddy/devstack";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { must, run, words } from "./bundle/docker.ts";
import type { Ran } from "./bundle/docker.ts";
import { Kit, madeKinds, noBundle } from "./bundle/kit.ts";
import type { Kind } from "./bundle/roots.ts";
import { startTool, tool, toolCommand } from "./bundle/tool.ts";

const KEY = randomBytes(32).toString("base64url");
const TASK =
  "arn:aws:ecs:us-east-1:123456789012:task/default/0123456789abcdef0123456789abcdef";

/** Every form of a line that Docker knows. */
const FILE = `# for docker run --env-file
DB_PASSWORD=marked secret
QUOTED="as it is" # not a comment
   INDENTED=1
EMPTY=
EQUALS=a=b=c
UMLAUT=ü€
spring.datasource.url=jdbc:x
FROM_OUTSIDE
NOT_SET_AT_ALL
TWICE=first
TWICE=marked last
`;
const outside = { FROM_OUTSIDE: "marked outside" };

describe.skipIf(noBundle)("vaultbuddy-entrypoint send", () => {
  let kit: Kit;
  let file: string;
  beforeAll(async () => {
    kit = await Kit.make();
    file = join(kit.out, "pairs.env");
    await writeFile(file, FILE);
  }, 180_000);
  afterAll(() => kit?.close());

  /** Arguments of `docker run` for a container that waits for its delivery at a port of this machine. */
  function waiting(
    kind: Kind,
    port: number,
    env: Readonly<Record<string, string>> = {},
    command: readonly string[] = ["/probe"],
  ): string[] {
    const settings = { WIS_MODE: "dev", WIS_HMAC_KEY: KEY, ...env };
    return [
      ...words("run --rm --hostname probe --read-only --cap-drop ALL"),
      ...words(`-p 127.0.0.1:${port}:9202`),
      ...kit.mount,
      ...Object.entries(settings).flatMap(([name, value]) =>
        value === "" ? [] : ["-e", `${name}=${value}`],
      ),
      kit.image(kind),
      "/vaultbuddy/entrypoint",
      ...command,
    ];
  }

  function send(port: number, ...args: string[]): Promise<Ran> {
    const words = ["send", "--env-file", file, ...args];
    return tool([...words, `https://127.0.0.1:${port}`], {
      WIS_HMAC_KEY: KEY,
      ...outside,
    });
  }

  const sorted = (output: string): string[] =>
    output.trim().split("\n").toSorted();

  test.each(madeKinds)(
    "in a %s image: the command finds what docker run --env-file gives, and no other difference",
    async (kind) => {
      const port = await freePort();
      const [sent, behind, direct] = await Promise.all([
        send(port),
        run("docker", waiting(kind, port)),
        run("env", [
          ...Object.entries(outside).map(([name, value]) => `${name}=${value}`),
          ...words("docker run --rm --hostname probe --read-only"),
          ...words(`--cap-drop ALL --env-file ${file}`),
          kit.image(kind),
          "/probe",
        ]),
      ]);
      expect(sent, behind.stderr).toMatchObject({ code: 0, stdout: "" });
      expect(sent.stderr).toContain("has taken 9 variable(s)\n");
      expect(direct.code, direct.stderr).toBe(0);
      expect(direct.stdout).toContain('"TWICE=marked last"');
      expect(sorted(behind.stdout), behind.stderr).toEqual(
        sorted(direct.stdout),
      );
      expect(sent.stderr + behind.stderr).not.toContain("marked");
    },
    60_000,
  );

  test("it waits until the container listens, and then no more than the container does", async () => {
    const port = await freePort();
    const started = startTool(
      ["send", "--env-file", "-", `https://localhost:${port}`],
      { WIS_HMAC_KEY: KEY, ...outside },
      FILE,
    );
    await started.says("nobody listens there");
    const name = `${kit.volume}-late`;
    const [sent, behind] = await Promise.all([
      started.ended,
      run(
        "docker",
        [
          ...waiting("busybox", port, {}, ["sh", "-c", "echo $DB_PASSWORD"]),
        ].toSpliced(1, 0, "--name", name),
      ),
    ]);
    expect(sent.code, sent.stderr).toBe(0);
    expect(behind).toMatchObject({ code: 0, stdout: "marked secret\n" });
  }, 60_000);

  test("whoever reads the container finds no value, nor does a list of processes", async () => {
    const port = await freePort();
    const name = `${kit.volume}-inspected`;
    const args = waiting("busybox", port, {}, ["busybox", "sleep", "60"]);
    await must("docker", args.toSpliced(1, 1, "-d", "--name", name));
    try {
      const sent = await send(port);
      expect(sent.code, sent.stderr).toBe(0);
      const seen = await Promise.all([
        must("docker", ["inspect", name]),
        must("docker", ["logs", name]),
        must("docker", ["top", name, "-o", "pid,args"]),
      ]);
      expect(seen[0]).toContain("WIS_MODE=dev");
      expect(seen.join()).not.toContain("marked");
    } finally {
      await run("docker", ["rm", "-f", name]);
    }
  }, 60_000);

  test("another key opens nothing: the container waits on, and takes what is right", async () => {
    const port = await freePort();
    const container = run("docker", waiting("scratch", port));
    const other = await tool(
      [
        "send",
        "--timeout",
        "4s",
        "--env-file",
        file,
        `https://127.0.0.1:${port}`,
      ],
      { WIS_HMAC_KEY: randomBytes(32).toString("base64url") },
    );
    expect(other.code).toBe(3);
    expect(other.stderr).toContain("does not hold this key");
    expect(other.stderr).toMatch(/Nothing was sent\n$/);
    expect((await send(port)).code).toBe(0);
    expect((await container).stdout).toContain("DB_PASSWORD=marked secret");
  }, 60_000);

  test("a container that knows who it is takes what is addressed to it, and nothing else", async () => {
    const port = await freePort();
    const told = { WIS_TASK_ARN: TASK, WIS_CONTAINER_NAME: "web" };
    const container = run("docker", waiting("scratch", port, told));
    const nobody = await send(port);
    expect(nobody).toMatchObject({ code: 1 });
    expect(nobody.stderr).toMatch(/not_for_me.*--task-arn as WIS_TASK_ARN/);
    const right = await send(
      port,
      "--task-arn",
      TASK,
      "--container-name",
      "web",
    );
    expect(right.code, right.stderr).toBe(0);
    expect((await container).code).toBe(0);
  }, 60_000);

  test("a container that was not told to take plain pairs refuses them and ends", async () => {
    const port = await freePort();
    const container = run(
      "docker",
      waiting("busybox", port, {
        WIS_MODE: "",
        WIS_TASK_ARN: TASK,
        WIS_CONTAINER_NAME: "web",
        VAULT_ADDR: "https://127.0.0.1:8200",
      }),
    );
    const sent = await send(
      port,
      "--task-arn",
      TASK,
      "--container-name",
      "web",
    );
    expect(sent.code).toBe(1);
    expect(sent.stderr).toMatch(/bad_delivery.*only with WIS_MODE=dev/);
    const ended = await container;
    expect(ended).toMatchObject({ code: 225, stdout: "" });
    expect(ended.stderr).not.toContain("marked");
  }, 60_000);

  test("what docs/send.md shows", async () => {
    const page = await readFile(
      new URL("../docs/send.md", import.meta.url),
      "utf8",
    );
    const [start = "", hand = ""] = [
      ...page.matchAll(/```sh\n([^]*?)```/g),
    ].map(([, block = ""]) => block);
    const port = await freePort();
    const here = (script: string): string[] => [
      "-euc",
      `cd ${kit.out}\n${script
        .replace("127.0.0.1:9202:", `127.0.0.1:${port}:`)
        .replace("localhost:9202", `localhost:${port}`)
        .replace("$PWD/dist/vaultbuddy", kit.volume)
        .replace("web:1.4.2 node server.js", `${kit.image("scratch")} /probe`)
        .replace("npx --yes pnpm@12 -s vaultbuddy-entrypoint", toolCommand)
        .replace("--env-file .env", "--env-file pairs.env")}`,
    ];
    const container = run("sh", here(start));
    await expect
      .poll(() => readFile(join(kit.out, "dev.key"), "utf8").catch(() => ""), {
        timeout: 10_000,
      })
      .toMatch(/\n$/);
    const sent = await run("sh", here(hand));
    expect(sent.code, sent.stderr).toBe(0);
    expect((await container).stdout).toContain("DB_PASSWORD=marked secret");
  }, 60_000);

  test.each([
    ["send", "--env-file", "x", "https://h"],
    ["wrap", "busybox"],
  ])("in a container there is no tool: %s is a command", async (...command) => {
    const behind = await kit.behind("busybox", { command });
    expect(behind.code).toBe(127);
    expect(behind.stderr).toContain(`there is no command "${command[0]}"`);
  });
});
