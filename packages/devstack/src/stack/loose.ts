// A loose task: a record that ECS shows, and the entrypoint as a plain process of this machine at the address the record
// names. For stories that are about what is said and not about containers: it starts in a tenth of the time and lets a
// story stand in the way.

import { randomBytes, randomUUID } from "node:crypto";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { RegisterTaskDefinitionCommand } from "@aws-sdk/client-ecs";
import type { ContainerDefinition } from "@aws-sdk/client-ecs";
import { request } from "@vaultbuddy/common/daemon";
import { Agent } from "undici";
import type { MadeUpTask } from "../ecs/put-task.ts";
import type { Daemon } from "./daemon.ts";
import { sampleFamily } from "./sample.ts";
import type { Stack } from "./stack.ts";

/** What a loose task is to be like. */
export interface LooseSpec {
  readonly family?: string;
  /** Default: bridge, at the host's address. In awsvpc mode that address is shown as the task's own. */
  readonly networkMode?: "bridge" | "awsvpc";
  /** Variables of the entrypoint beside those it needs; they beat them. */
  readonly env?: Readonly<Record<string, string>>;
  /** Changes the container's definition. */
  readonly container?: Partial<ContainerDefinition>;
  /** Changes what ECS shows of the task. */
  readonly record?: MadeUpTask;
  /** The port ECS names; default: the entrypoint's own. */
  readonly dialledPort?: number;
}

/** A notice as an agent would send it. */
export interface LooseNotice {
  readonly taskArn: string;
  readonly cluster: string;
  readonly containerName: string;
  readonly containerId: string;
}

/** A loose task. Its entrypoint does not run before {@link LooseTask.start}. */
export interface LooseTask {
  readonly notice: LooseNotice;
  /** Where the entrypoint listens. */
  readonly port: number;
  start(env?: Readonly<Record<string, string>>): Daemon;
}

const app = fileURLToPath(new URL("../../sample-app/app.cjs", import.meta.url));

/** How a container's definition and ECS's record name an address and port. */
const places = {
  bridge: (_host: string, hostPort: number) => ({
    defined: { portMappings: [{ containerPort: 9202, hostPort: 0 }] },
    shown: {
      networkBindings: [
        { bindIP: "0.0.0.0", containerPort: 9202, hostPort, protocol: "tcp" },
      ],
    },
  }),
  awsvpc: (privateIpv4Address: string, port: number) => ({
    defined: { environment: [{ name: "WIS_LISTEN", value: `:${port}` }] },
    shown: {
      networkInterfaces: [{ attachmentId: randomUUID(), privateIpv4Address }],
    },
  }),
};

/** Registers the definition and places the record. */
export async function looseTask(
  stack: Stack,
  spec: LooseSpec = {},
): Promise<LooseTask> {
  const family = spec.family ?? sampleFamily;
  const port = await freePort();
  const networkMode = spec.networkMode ?? "bridge";
  const { defined, shown } = places[networkMode](
    stack.aws.hostAddress,
    spec.dialledPort ?? port,
  );
  const { taskDefinition } = await stack.ecs.send(
    new RegisterTaskDefinitionCommand({
      family,
      networkMode,
      containerDefinitions: [
        {
          name: "app",
          image: "loose",
          memory: 64,
          dockerLabels: { "vaultbuddy.enable": "true" },
          ...defined,
          ...spec.container,
        },
      ],
    }),
  );
  const containerId = randomBytes(32).toString("hex");
  const record = stack.aws.putTask({
    cluster: stack.aws.cluster,
    ...(taskDefinition?.taskDefinitionArn !== undefined && {
      taskDefinitionArn: taskDefinition.taskDefinitionArn,
    }),
    containers: [
      {
        name: "app",
        runtimeId: containerId,
        ...shown,
      },
    ],
    ...spec.record,
  });
  const notice = {
    taskArn: record.taskArn,
    cluster: stack.aws.cluster,
    containerName: "app",
    containerId,
  };
  return {
    notice,
    port,
    start: (env = {}) =>
      stack.startEntrypoint([process.execPath, app], {
        WIS_LISTEN: `${stack.aws.hostAddress}:${port}`,
        WIS_HMAC_KEY: stack.familyKey(family),
        WIS_TASK_ARN: record.taskArn,
        WIS_CONTAINER_NAME: "app",
        WIS_CONTAINER_ID: containerId,
        VAULT_ADDR: stack.vault.addr,
        ...spec.env,
        ...env,
      }),
  };
}

/** A port nobody listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** What a broker answered. */
export interface BrokerAnswer {
  readonly status: number;
  /** `delivered` or the code of the refusal. */
  readonly code: string;
  readonly detail: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
}

/** Sends something to a broker's /v1/notify and reads what it says. */
export async function notify(
  broker: string,
  notice: LooseNotice | string | Readonly<Record<string, unknown>>,
  ms = 120_000,
): Promise<BrokerAnswer> {
  const dispatcher = new Agent();
  try {
    const { status, headers, body } = await request({
      method: "POST",
      url: `${broker}/v1/notify`,
      headers: { "content-type": "application/json" },
      body: typeof notice === "string" ? notice : JSON.stringify(notice),
      timeout: ms,
      maxBytes: 64 * 1024,
      dispatcher,
    });
    const value = JSON.parse(body.toString()) as Record<string, unknown>;
    return {
      status,
      headers,
      code: textOf(value["code"] ?? value["outcome"]),
      detail: textOf(value["detail"]),
      text: body.toString(),
    };
  } finally {
    await dispatcher.destroy();
  }
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
