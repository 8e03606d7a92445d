// Adapter: the ECS task metadata endpoint v4, which tells a container who it is.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4.html

import {
  ecsName,
  Fields,
  parseJson,
  parseTaskArn,
  pause,
  ShapeError,
} from "@vaultbuddy/common";
import type { Clock } from "@vaultbuddy/common";
import type { KnownSelf } from "./config.ts";
import { Failure, systemCode } from "./exit.ts";
import { Client } from "./http.ts";
import type { Log } from "./log.ts";
import type { Self } from "./verify.ts";

/** A task of ten containers with all their labels is some tens of kilobytes. */
const MOST = 512 * 1024;
/** One try, in milliseconds. */
const TRY_TIME = 2000;
const BACKOFF = { first: 50, most: 1000 };

/**
 * Who this container is: what is known already, and the rest from the endpoint at `uri`. The endpoint knows a container
 * a moment after it has started, so every failure is tried again until `signal` aborts; then throws `identity`.
 */
export async function askSelf(
  known: KnownSelf,
  uri: string | undefined,
  clock: Pick<Clock, "sleep" | "random">,
  log: Log,
  signal: AbortSignal,
): Promise<Self> {
  const { taskArn, containerName, containerId } = known;
  if (
    taskArn !== undefined &&
    containerName !== undefined &&
    (containerId !== undefined || uri === undefined)
  ) {
    return {
      taskArn,
      containerName,
      ...(containerId === undefined ? {} : { containerId }),
    };
  }
  if (uri === undefined) {
    throw new Failure(
      "identity",
      "neither the settings nor ECS tell which container this is",
    );
  }
  const client = new Client(uri);
  try {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return {
          ...(await askOnce(client, taskArn === undefined, signal)),
          ...known,
        };
      } catch (error) {
        const why =
          error instanceof ShapeError ? error.message : systemCode(error);
        log.debug("the metadata endpoint gave no usable answer", { why });
        await clock.sleep(pause(BACKOFF, attempt, clock), signal).catch(() => {
          throw new Failure(
            "identity",
            `ECS_CONTAINER_METADATA_URI_V4 gave no usable answer in time (${why})`,
          );
        });
      }
    }
  } finally {
    client.close();
  }
}

async function askOnce(
  client: Client,
  askTask: boolean,
  signal: AbortSignal,
): Promise<Self> {
  const [container, task] = await Promise.all([
    get(client, "", signal),
    askTask ? get(client, "/task", signal) : undefined,
  ]);
  return {
    containerName: container.text("Name", ecsName),
    containerId: container.text("DockerId", { max: 128 }),
    taskArn:
      task === undefined
        ? ""
        : parseTaskArn(task.take("TaskARN"), "TaskARN").arn,
  };
}

async function get(
  client: Client,
  path: string,
  signal: AbortSignal,
): Promise<Fields> {
  const { status, body } = await client.ask({
    method: "GET",
    path,
    headers: { accept: "application/json" },
    most: MOST,
    signal: AbortSignal.any([signal, AbortSignal.timeout(TRY_TIME)]),
  });
  if (status !== 200) {
    throw new ShapeError(path, `the endpoint answered ${status}`);
  }
  return new Fields(parseJson(body, MOST), path);
}
