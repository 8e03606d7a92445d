// The installation as its users make it: the images as they are built, docker-compose.yml brought up with the stand-in
// for Vault in the place of Vault's own image, and the task definitions of deploy/ecs run as they are on ECS's stand-in.
// Whatever was made is removed again.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  RegisterTaskDefinitionCommand,
  RunTaskCommand,
} from "@aws-sdk/client-ecs";
import type {
  RegisterTaskDefinitionCommandInput,
  Task,
} from "@aws-sdk/client-ecs";
import {
  appLine,
  describeTask,
  freePort,
  readAppLine,
  Stack,
  startSts,
  stopTask,
  until,
} from "@vaultbuddy/devstack";
import type { StsServer } from "@vaultbuddy/devstack";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { must, run, words } from "./bundle/docker.ts";
import {
  bridgeGateway,
  haproxyImage,
  Images,
  noHaproxy,
  noInstallation,
  Project,
  root,
} from "./deploy/kit.ts";

const documented = readFileSync(join(root, "docs/install.md"), "utf8");

const digest = (value: string): string =>
  createHash("sha256").update(value).digest("hex").slice(0, 16);

describe.skipIf(noInstallation)("an installation", () => {
  let images: Images;
  let host: string;
  beforeAll(async () => {
    host = await bridgeGateway();
    images = await Images.build();
  }, 420_000);
  afterAll(() => images?.remove(), 60_000);

  describe("its images", () => {
    test.each(["agent", "broker", "sample", "devstack"])(
      "%s runs as nobody, on a base without a shell",
      async (name) => {
        const { Config } = await images.inspect(name);
        expect(Config.User).toBe("65532:65532");
        expect((Config.Env ?? []).join()).not.toMatch(/KEY|TOKEN|SECRET|PASS/);
        if (name === "devstack") return;
        const shell = await run("docker", [
          "run",
          "--rm",
          "--entrypoint",
          "/bin/sh",
          images.name(name),
          "-c",
          "true",
        ]);
        expect(shell.code).toBe(127);
      },
    );

    test.each([
      ["agent", 135],
      ["broker", 140],
      ["entrypoint", 130],
      ["sample", 260],
    ])(
      "%s takes less than %d MB, and the script says how much",
      async (name, most) => {
        const { Size } = await images.inspect(name);
        expect(Size / 1e6).toBeLessThan(most);
        expect(images.told).toContain(
          `${(Size / 1e6).toFixed(1)} MB  ${images.name(name)}`,
        );
      },
    );

    test("run read-only, without a capability and without a network", async () => {
      const key = await must("docker", [
        ...words("run --rm --read-only --cap-drop ALL --network none"),
        images.name("broker"),
        ...words("keys generate"),
      ]);
      expect(key).toMatch(/^[A-Za-z0-9_-]{43}$/);
    });

    test.each([
      ["agent", "LICENSES,agent.cjs,health.cjs"],
      ["broker", "LICENSES,broker.mjs,health.cjs,place.cjs"],
    ])(
      "%s holds its programs, their licences and no modules",
      async (name, wanted) => {
        const files = await must("docker", [
          ...words("run --rm --entrypoint node"),
          images.name(name),
          ...words("-p fs.readdirSync('/app').toSorted().join()"),
        ]);
        expect(files).toBe(wanted);
      },
    );

    test("are what a plain docker build makes of the same folder", async () => {
      const name = `vaultbuddy-plain:${images.tag}`;
      await must("docker", [
        "build",
        "-q",
        "-t",
        name,
        "--build-arg",
        `BASE=${images.name("base")}`,
        join(images.folder, "broker"),
      ]);
      const [plain] = JSON.parse(
        await must("docker", ["image", "inspect", name]),
      ) as { Config: object }[];
      const { Config } = await images.inspect("broker");
      expect(plain?.Config).toMatchObject({
        User: Config.User,
        Entrypoint: Config.Entrypoint,
        Cmd: Config.Cmd,
        Healthcheck: Config.Healthcheck,
        Volumes: Config.Volumes,
      });
    });
  });

  describe("docker-compose.yml", () => {
    const files = ["docker-compose.yml", "docker-compose.standin.yml"];
    let project: Project;

    beforeAll(async () => {
      project = new Project(`vb${images.tag.replaceAll(/[^a-z0-9]/g, "")}`, {
        VAULTBUDDY_TAG: images.tag,
        HOST_ADDRESS: host,
        VAULT_PORT: String(await freePort()),
        ECS_PORT: String(await freePort()),
        DOCKER_PROXY_IMAGE: `vaultbuddy-haproxy:${images.tag}`,
      });
      await project.compose(files, "up", "-d");
    }, 300_000);
    afterAll(
      () => project?.down([...files, "docker-compose.proxy.yml"]),
      180_000,
    );

    async function served(): Promise<void> {
      const told = await until(
        async () => {
          const { stdout } = await run("docker", [
            "logs",
            project.container("app"),
          ]);
          return stdout.includes("HEALTHY") ? stdout : undefined;
        },
        async () =>
          `the task was not served:\n${await project.compose(files, "logs", "--no-color")}`,
        120_000,
      );
      const [, arn = ""] = /^(\S+) is HEALTHY/m.exec(told) ?? [];
      const container = await must("docker", [
        "ps",
        "-q",
        "--no-trunc",
        "--filter",
        `label=com.amazonaws.ecs.task-arn=${arn}`,
      ]);
      const app = readAppLine(await must("docker", ["logs", container]));
      expect(app?.pid).toBe(1);
      expect(app?.variables).toMatchObject({
        DB_USER: digest("compose-user"),
        DB_PASSWORD: digest("compose-example-only"),
      });
      expect(
        Object.keys(app?.variables ?? {}).filter((name) =>
          /^(WIS|VAULT)_/.test(name),
        ),
      ).toEqual([]);
    }

    test("brings up an installation that serves a task", served, 150_000);

    test("main file alone is one that docker-compose takes", async () => {
      expect(await project.compose(["docker-compose.yml"], "config")).toContain(
        "hashicorp/vault:",
      );
    });

    test("Vault holds what the Terraform files would have made", async () => {
      const inVault = async (path: string, field: string): Promise<string> =>
        await must("docker", [
          "exec",
          project.container("vault"),
          "sh",
          "-c",
          `VAULT_TOKEN=compose-root vault read -field=${field} ${path}`,
        ]);
      expect(
        await inVault("sys/policies/acl/vaultbuddy-broker", "policy"),
      ).toBe(
        readFileSync(
          join(root, "deploy/vault/broker-policy.hcl"),
          "utf8",
        ).trim(),
      );
      expect(await inVault("auth/token/roles/vaultbuddy", "orphan")).toBe(
        "true",
      );
      expect(
        await inVault("auth/token/roles/vaultbuddy", "token_explicit_max_ttl"),
      ).toBe("86400");
      expect(
        await inVault("auth/approle/role/vaultbuddy-broker", "token_ttl"),
      ).toBe("1200");
    });

    test.skipIf(noHaproxy)(
      "serves a task also when a proxy shows the agent four questions of Docker's API and no other",
      async () => {
        await haproxyImage(images);
        const all = [...files, "docker-compose.proxy.yml"];
        await project.compose(
          all,
          "up",
          "-d",
          "--force-recreate",
          "agent",
          "docker-proxy",
        );
        await project.compose(
          all,
          "up",
          "-d",
          "--force-recreate",
          "--no-deps",
          "app",
        );
        await served();
        const ask = async (path: string, method = "GET"): Promise<string> =>
          await must("docker", [
            "exec",
            project.container("agent"),
            ...words("node -e"),
            `http.request({ socketPath: "/run/docker-proxy/docker.sock", path: "${path}", method: "${method}" }, ({ statusCode }) => { console.log(statusCode); process.exit(); }).end()`,
          ]);
        expect(await ask("/v1.41/containers/json")).toBe("200");
        expect(await ask("/v1.41/containers/json", "POST")).toBe("403");
        expect(await ask("/v1.41/info")).toBe("403");
        expect(await ask("/v1.41/containers/x/json")).toBe("403");
        const { Config } = JSON.parse(
          await must("docker", [
            "inspect",
            "--format",
            "{{json .}}",
            project.container("agent"),
          ]),
        ) as { Config: { User: string } };
        expect(Config.User).toBe("65532:65532");
      },
      240_000,
    );
  });

  describe("the task definitions of deploy/ecs", () => {
    let stack: Stack;
    let sts: StsServer;
    beforeAll(async () => {
      stack = await Stack.start({
        aws: { region: "eu-west-1", clusters: ["main"], listen: `${host}:0` },
      });
      const { accessKeyId, secretAccessKey } = stack.aws;
      sts = await startSts({
        host,
        principals: [
          {
            accessKeyId,
            secretAccessKey,
            arn: "arn:aws:sts::123456789012:assumed-role/vaultbuddy-broker/0123456789abcdef",
            userId: "AROABROKER:0123456789abcdef",
          },
        ],
      });
      await setUpVault(stack, sts, images);
    }, 120_000);
    afterAll(async () => {
      await stack?.close();
      await sts?.close();
    }, 120_000);

    /** Registers a definition with `replaced` texts, runs it and waits until ECS says what is wanted. */
    async function runs(
      file: string,
      replaced: Readonly<Record<string, string>>,
      wanted: (task: Task) => boolean,
    ): Promise<Task> {
      const text = Object.entries(replaced).reduce(
        (whole, [from, to]) => {
          expect(whole, `${file} names ${from}`).toContain(from);
          return whole.replaceAll(from, to);
        },
        readFileSync(join(root, "deploy/ecs", file), "utf8"),
      );
      const definition = JSON.parse(text) as RegisterTaskDefinitionCommandInput;
      const { taskDefinition } = await stack.ecs.send(
        new RegisterTaskDefinitionCommand(definition),
      );
      const { tasks = [] } = await stack.ecs.send(
        new RunTaskCommand({
          cluster: "main",
          taskDefinition: taskDefinition?.taskDefinitionArn,
          ...(definition.networkMode === "awsvpc" && {
            networkConfiguration: {
              awsvpcConfiguration: { subnets: ["subnet-0123456789abcdef0"] },
            },
          }),
        }),
      );
      const arn = tasks[0]?.taskArn ?? "";
      return await until(
        async () => {
          const task = await describeTask(stack, arn);
          if (task.lastStatus === "STOPPED")
            throw new Error(`${file} stopped: ${await logs(task)}`);
          return wanted(task) ? task : undefined;
        },
        async () =>
          `${file} is not as wanted: ${await logs(await describeTask(stack, arn))}`,
      );
    }

    async function logs(task: Task): Promise<string> {
      const each = (task.containers ?? []).map(
        async ({ name = "", lastStatus, exitCode }) =>
          `${name} ${lastStatus} ${exitCode ?? ""}\n${await stack.aws.logs(task.taskArn ?? "", name)}`,
      );
      return `${task.stoppedReason ?? ""}\n${(await Promise.all(each)).join("\n")}`;
    }

    const registry = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/";
    const vaultAddress = "https://vault.example.com:8200";
    const secret = (name: string): string =>
      `arn:aws:secretsmanager:eu-west-1:123456789012:secret:${name}-AbCdEf`;
    const healthy = (task: Task): boolean => task.healthStatus === "HEALTHY";
    const ipOf = (task: Task): string =>
      task.attachments?.[0]?.details?.find(
        ({ name }) => name === "privateIPv4Address",
      )?.value ?? "";

    // One story in steps: each stands on those before it.
    let broker: Task;
    let agent: Task;

    test("broker.json: the broker logs in to Vault as its task role", async () => {
      stack.aws.secrets.set(secret("vaultbuddy/master"), stack.masterKey);
      const { AWS_REGION: _told, ...lent } = stack.aws.env;
      broker = await runs(
        "broker.json",
        {
          [`${registry}vaultbuddy-broker:0.1.0`]: images.name("broker"),
          [vaultAddress]: stack.vault.addr,
          // What AWS gives a task without being told, and where AWS is.
          '"environment": [': `"environment": [${Object.entries({
            ...lent,
            AWS_ENDPOINT_URL_STS: sts.endpoint,
          })
            .map(([name, value]) => `${JSON.stringify({ name, value })},`)
            .join("")}`,
        },
        healthy,
      );
      const told = await stack.aws.logs(broker.taskArn ?? "", "broker");
      expect(told).toContain('"method":"aws iam"');
      expect(told).not.toContain(stack.masterKey);
      // The log as docs/install.md shows it.
      const shown = documented.match(/^\{.*"msg":"[^"]+"\}$/gm) ?? [];
      const messages = shown
        .slice(0, 4)
        .map((line) => /"msg":"[^"]+"/.exec(line)?.[0]);
      for (const message of messages) expect(told).toContain(message);
    }, 90_000);

    const toBroker = (): Record<string, string> => ({
      [`${registry}vaultbuddy-agent:0.1.0`]: images.name("agent"),
      "http://broker.vaultbuddy.internal:9201": `http://${ipOf(broker)}:9201`,
    });

    test("agent.json: the agent watches", async () => {
      agent = await runs("agent.json", toBroker(), healthy);
    }, 90_000);

    async function isServed(
      file: string,
      image: string,
      more: Readonly<Record<string, string>> = {},
    ): Promise<void> {
      stack.aws.secrets.set(secret("web-wis-key"), stack.familyKey("web"));
      const task = await runs(
        file,
        {
          [`${registry}web:1.0.0`]: images.name(image),
          [vaultAddress]: stack.vault.addr,
          ...more,
        },
        ({ lastStatus }) => lastStatus === "RUNNING",
      );
      const started = {
        taskArn: task.taskArn ?? "",
        containerName: "app",
        calledAt: 0,
      };
      const app = await appLine(stack, started);
      expect(app.pid).toBe(1);
      expect(app.variables).toMatchObject({
        DB_PASSWORD: digest("of the web family"),
      });
    }

    test(
      "app-awsvpc.json: is served",
      () => isServed("app-awsvpc.json", "sample"),
      90_000,
    );

    test(
      "app-bridge.json: is served",
      () => isServed("app-bridge.json", "sample"),
      90_000,
    );

    test("app-volume.json: an image that knows nothing of it is served, by an entrypoint on a volume", async () => {
      const app = readFileSync(
        join(root, "packages/devstack/sample-app/app.cjs"),
        "utf8",
      );
      await isServed("app-volume.json", "base", {
        [`${registry}vaultbuddy-entrypoint:0.1.0`]: images.name("entrypoint"),
        '["node", "/app/app.cjs"]': JSON.stringify(["node", "-e", app]),
      });
    }, 90_000);

    test.skipIf(noHaproxy)(
      "agent-proxied.json: a task is served also when a proxy stands before Docker's socket",
      async () => {
        await stopTask(stack, agent.taskArn ?? "");
        await until(
          async () =>
            (await describeTask(stack, agent.taskArn ?? "")).lastStatus ===
            "STOPPED"
              ? true
              : undefined,
          () => Promise.resolve("the agent does not stop"),
        );
        await runs(
          "agent-proxied.json",
          {
            ...toBroker(),
            [`${registry}vaultbuddy-docker-proxy:0.1.0`]:
              await haproxyImage(images),
          },
          healthy,
        );
        await isServed("app-bridge.json", "sample");
      },
      150_000,
    );
  });
});

/** deploy/vault/setup.sh as it is, by the image's command `vault`; then what belongs to the family `web`. */
async function setUpVault(
  stack: Stack,
  sts: StsServer,
  images: Images,
): Promise<void> {
  const env = [
    "-e",
    `VAULT_ADDR=${stack.vault.addr}`,
    "-e",
    `VAULT_TOKEN=${stack.vault.rootToken}`,
  ];
  const sh = (...args: string[]): Promise<string> =>
    must("docker", [
      "run",
      "--rm",
      ...env,
      "-v",
      `${join(root, "deploy")}:/deploy:ro`,
      "--entrypoint",
      "sh",
      images.name("devstack"),
      ...args,
    ]);
  for (let again = 0; again < 2; again += 1) {
    const told = await sh(
      ...words(
        "/deploy/vault/setup.sh --aws-iam arn:aws:iam::123456789012:role/vaultbuddy-broker",
      ),
      ...words("--server-id vault.example.com --unresolved web"),
    );
    for (const line of told.split("\n")) expect(documented).toContain(line);
    expect(told.split("\n")).toHaveLength(again === 0 ? 5 : 4);
  }
  const { admin } = stack;
  await admin.ask("POST", "auth/aws/config/client", {
    sts_endpoint: sts.endpoint,
    iam_server_id_header_value: "vault.example.com",
  });
  await admin.ask("PUT", "sys/policies/acl/web", {
    policy: 'path "secret/data/web" { capabilities = ["read"] }',
  });
  await admin.ask("POST", "secret/data/web", {
    data: { DB_PASSWORD: "of the web family" },
  });
  await admin.ask("POST", "secret/data/vaultbuddy", {
    data: { web: { policies: ["web"], ttl: 3600, secrets: ["secret/web"] } },
  });
}
