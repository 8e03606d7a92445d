// An app that reads files has its secrets in them: on a tmpfs, behind a read-only root, for its own user only; and where
// there is no such place the container ends before anything is minted.

import { execFileSync } from "node:child_process";
import {
  appLine,
  looseTask,
  notify,
  runSample,
  sampleFamily,
  sampleSecrets,
  Stack,
  stopTask,
  until,
} from "@vaultbuddy/devstack";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { must, run, words } from "./bundle/docker.ts";
import type { Ran } from "./bundle/docker.ts";
import { Kit, madeKinds, noBundle } from "./bundle/kit.ts";
import type { Kind } from "./bundle/roots.ts";
import { noDocker } from "./docker.ts";
import { lives, mintedAccessors } from "./facts.ts";

const { DB_PASSWORD, DB_USER } = sampleSecrets.sample;

describe.skipIf(noDocker)("in a task", () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await Stack.start();
    const { url } = await stack.startBroker();
    await stack.startAgent([url]);
  });
  afterAll(() => stack?.close());

  test("files hold whole secrets and templates, and are gone with the container", async () => {
    const task = await runSample(stack, {
      mode: "bridge",
      environment: {
        WIS_FILES_DIR: "/dev/shm",
        WIS_FILES: JSON.stringify([
          { path: "/dev/shm/all.json", secret: "secret/sample" },
          {
            path: "/dev/shm/app/app.conf",
            template: "password={{vault:secret/sample#DB_PASSWORD}}\n",
            mode: "0440",
            owner: "1000:50",
          },
        ]),
      },
      container: { readonlyRootFilesystem: true },
    });
    const app = await appLine(stack, task);
    expect(Object.keys(app.variables).join()).not.toContain("WIS_");
    const id = stack.aws.containerId(task.taskArn, task.containerName) ?? "";
    const looking = `
      const { readFileSync, statSync, readdirSync } = require("node:fs");
      const look = (path) => [
        readFileSync(path, "utf8"),
        (statSync(path).mode & 0o7777).toString(8),
        statSync(path).uid,
      ];
      console.log(
        JSON.stringify([
          look("/dev/shm/all.json"),
          look("/dev/shm/app/app.conf"),
          readdirSync("/dev/shm").toSorted(),
          readdirSync("/dev/shm/app"),
        ]),
      );`;
    const found: unknown = JSON.parse(
      await must("docker", ["exec", id, "node", "-e", looking]),
    );
    expect(found).toEqual([
      [`{"DB_PASSWORD":"${DB_PASSWORD}","DB_USER":"${DB_USER}"}`, "400", 0],
      [`password=${DB_PASSWORD}\n`, "440", 1000],
      ["all.json", "app"],
      ["app.conf"],
    ]);
    // What Docker knows of the container is where the secrets are, and no secret.
    const seen = execFileSync("docker", ["inspect", id], { encoding: "utf8" });
    expect(seen).toContain("secret/sample");
    expect(seen).not.toContain(DB_PASSWORD);
    expect(await lives(stack, mintedAccessors(stack).at(-1) ?? "")).toBe(false);
    await stopTask(stack, task.taskArn);
  });

  test("an app made for kubernetes-vault finds its token, which lives until its task stops", async () => {
    const task = await runSample(stack, {
      mode: "bridge",
      environment: {
        WIS_MODE: "credentials",
        CREDENTIALS_PATH: "/dev/shm",
        TIMEOUT: "1m30s",
      },
      container: { readonlyRootFilesystem: true },
    });
    await appLine(stack, task);
    const accessor = mintedAccessors(stack).at(-1) ?? "";
    const id = stack.aws.containerId(task.taskArn, task.containerName) ?? "";
    const looking = `
      const { readFileSync, statSync } = require("node:fs");
      const path = "/dev/shm/vault-token";
      console.log((statSync(path).mode & 0o7777).toString(8) + readFileSync(path, "utf8"));`;
    const found = await must("docker", ["exec", id, "node", "-e", looking]);
    expect(found).toMatch(
      /^444\{"clientToken":"[^"]+","accessor":"[^"]+","leaseDuration":3600,"renewable":true,"vaultAddr":"http[^"]+"\}$/,
    );
    expect(JSON.parse(found.slice(3))).toMatchObject({ accessor });
    expect(await lives(stack, accessor)).toBe(true);
    await stopTask(stack, task.taskArn);
    await until(
      async () => ((await lives(stack, accessor)) ? undefined : true),
      () => Promise.resolve("the token of a stopped task still lives"),
      20_000,
    );
  }, 60_000);
});

describe.skipIf(noBundle)("in front of any image", () => {
  let kit: Kit;
  beforeAll(async () => {
    kit = await Kit.make();
  }, 180_000);
  afterAll(() => kit?.close());

  const settings = Object.entries({
    VAULT_ADDR: "http://127.0.0.1:8200",
    WIS_HMAC_KEY: "PPdRfsVlbj5U9fa46RKkketChkYaZ1HsDQnA8dA1ZeQ",
    WIS_TASK_ARN:
      "arn:aws:ecs:us-east-1:123456789012:task/default/0123456789abcdef0123456789abcdef",
    WIS_CONTAINER_NAME: "web",
    WIS_TIMEOUT: "100ms",
    WIS_FILES_DIR: "/secrets",
    WIS_FILES: JSON.stringify([
      { path: "/secrets/deep/a", template: "{{vault:secret/db#password}}" },
    ]),
  }).flatMap(([name, value]) => ["-e", `${name}=${value}`]);
  const start = (image: string, options: string) =>
    run("docker", [
      ...words(`run --rm --network none ${options}`),
      ...kit.mount,
      ...settings,
      image,
      "/vaultbuddy/entrypoint",
      "/probe",
    ]);
  const confined =
    "--read-only --user 4711:4712 --cap-drop ALL --security-opt no-new-privileges";

  test.each(madeKinds)(
    "%s: with a tmpfs it waits for its delivery, without one it ends at once",
    async (kind) => {
      const image = kit.image(kind);
      const [good, closed, missing] = await Promise.all([
        start(image, `${confined} --tmpfs /secrets:uid=4711,mode=0700`),
        start(image, `${confined} --tmpfs /secrets:mode=0700`),
        start(image, confined),
      ]);
      expect([good.code, good.stderr]).toEqual([
        224,
        expect.stringContaining("no good delivery came in time"),
      ]);
      expect(closed.code, closed.stderr).toBe(238);
      expect(closed.stderr).toContain("EACCES");
      expect(missing.code, missing.stderr).toBe(238);
      expect(missing.stderr).toContain("ENOENT");
    },
    60_000,
  );

  describe("with a broker", () => {
    let stack: Stack;
    let url: string;
    beforeAll(async () => {
      stack = await Stack.start({ containers: false });
      ({ url } = await stack.startBroker());
    });
    afterAll(() => stack?.close());

    /** Runs our own Node, which every image has then, behind the entrypoint of a container that is served. */
    async function serve(
      kind: Kind,
      options: string,
      env: Record<string, string>,
    ): Promise<Ran> {
      const task = await looseTask(stack);
      const all = {
        WIS_LISTEN: `${stack.aws.hostAddress}:${task.port}`,
        WIS_HMAC_KEY: stack.familyKey(sampleFamily),
        WIS_TASK_ARN: task.notice.taskArn,
        WIS_CONTAINER_NAME: task.notice.containerName,
        WIS_CONTAINER_ID: task.notice.containerId,
        VAULT_ADDR: stack.vault.addr,
        // So that our Node runs as the command, too, where the image has what would change it.
        LD_LIBRARY_PATH: "/vaultbuddy/lib",
        OPENSSL_CONF: "/dev/null",
        ...env,
      };
      const looking = `
        const { readFileSync, statSync } = require("node:fs");
        const look = (path) => [
          readFileSync(path, "utf8"),
          (statSync(path).mode & 0o7777).toString(8),
          statSync(path).uid + ":" + statSync(path).gid,
        ];
        process.stdout.write(JSON.stringify(process.argv.slice(1).map(look)));`;
      const told = notify(url, task.notice, 30_000);
      const ran = await run("docker", [
        ...words(`run --rm --network host ${options}`),
        ...kit.mount,
        ...Object.entries(all).flatMap(([name, value]) => [
          "-e",
          `${name}=${value}`,
        ]),
        kit.image(kind),
        ...words("/vaultbuddy/entrypoint /vaultbuddy/lib/node -e"),
        looking,
        "/secrets/a.json",
        "/secrets/deep/b",
      ]);
      expect((await told).code, ran.stderr).toBe("delivered");
      return ran;
    }
    const files = {
      WIS_FILES_DIR: "/secrets",
      WIS_FILES: JSON.stringify([
        { path: "/secrets/a.json", secret: "secret/sample" },
        {
          path: "/secrets/deep/b",
          template: "{{vault:secret/sample#DB_PASSWORD}}",
          mode: "0440",
          owner: "4711:4712",
        },
      ]),
    };
    const json = `{"DB_PASSWORD":"${DB_PASSWORD}","DB_USER":"${DB_USER}"}`;

    test.each(madeKinds)(
      "%s: a confined container has its files",
      async (kind) => {
        const ran = await serve(
          kind,
          `${confined} --tmpfs /secrets:uid=4711,mode=0700`,
          files,
        );
        expect(ran.code, ran.stderr).toBe(0);
        expect(JSON.parse(ran.stdout)).toEqual([
          [json, "400", "4711:4712"],
          [DB_PASSWORD, "440", "4711:4712"],
        ]);
      },
      60_000,
    );

    test("root gives a file away with the one capability that this takes", async () => {
      const ran = await serve(
        "scratch",
        "--read-only --cap-drop ALL --cap-add CHOWN --cap-add DAC_READ_SEARCH --tmpfs /secrets",
        files,
      );
      expect(ran.code, ran.stderr).toBe(0);
      expect(JSON.parse(ran.stdout)).toEqual([
        [json, "400", "0:0"],
        [DB_PASSWORD, "440", "4711:4712"],
      ]);
    }, 60_000);

    test("a tmpfs that is too small leaves no file and no token", async () => {
      const large = JSON.stringify([
        { path: "/secrets/a.json", secret: "secret/sample" },
        {
          path: "/secrets/deep/b",
          template: `${"x".repeat(20_000)}{{vault:secret/sample#DB_PASSWORD}}`,
        },
      ]);
      const ran = await serve(
        "busybox",
        `${confined} --tmpfs /secrets:uid=4711,mode=0700,size=16k`,
        { ...files, WIS_FILES: large },
      );
      expect(ran.code, ran.stderr).toBe(238);
      expect(ran.stderr).toContain('"/secrets/deep/b" (ENOSPC)');
      expect(ran.stderr).not.toContain(DB_PASSWORD);
      expect(await lives(stack, mintedAccessors(stack).at(-1) ?? "")).toBe(
        false,
      );
    }, 60_000);
  });

  test("a volume is a disk, and is taken only where that is said", async () => {
    const volume = await must("docker", ["volume", "create"]);
    try {
      const image = kit.image("busybox");
      const mount = `-v ${volume}:/secrets`;
      const refused = await start(image, mount);
      expect(refused.code, refused.stderr).toBe(238);
      expect(refused.stderr).toContain("WIS_FILES_DISK=allow");
      const taken = await start(image, `${mount} -e WIS_FILES_DISK=allow`);
      expect(taken.code, taken.stderr).toBe(224);
    } finally {
      await run("docker", ["volume", "rm", "-f", volume]);
    }
  }, 60_000);
});
