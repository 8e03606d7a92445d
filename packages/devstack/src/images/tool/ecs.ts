// The stand-in for ECS and EC2 as docker-compose.yml starts it: on the machine's own Docker, with the families' keys as
// what Secrets Manager would hold.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startAws } from "../../ecs/server.ts";
import { dockerEngine } from "../../engine/docker.ts";
import type { Job } from "./job.ts";

const account = "123456789012";

/**
 * `ecs --listen HOST:PORT [--region NAME] [--cluster NAME] [--keys DIRECTORY]`. Each `FAMILY.key` in the directory is the
 * secret `vaultbuddy/FAMILY`.
 */
export const standInForEcs: Job = async (args, { env, print, stopped }) => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      listen: { type: "string", default: "127.0.0.1:4566" },
      region: { type: "string", default: "eu-west-1" },
      cluster: { type: "string", default: "default" },
      keys: { type: "string" },
    },
  });
  const { region, cluster, listen } = values;
  const {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
  } = env;
  const stack = await startAws({
    engine: dockerEngine(env["DOCKER_HOST"]),
    account,
    region,
    listen,
    clusters: [cluster],
    secrets: values.keys === undefined ? {} : secretsIn(values.keys, region),
    ...(accessKeyId !== undefined && { accessKeyId }),
    ...(secretAccessKey !== undefined && { secretAccessKey }),
  });
  print(
    `the stand-in for ECS and EC2 listens on ${stack.endpoint}, cluster ${stack.clusterArn}`,
  );
  await stopped;
  await stack.close();
};

function secretsIn(directory: string, region: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(directory)
      .flatMap((name) => /^([A-Za-z0-9_-]+)\.key$/.exec(name)?.[1] ?? [])
      .map((family) => [
        `arn:aws:secretsmanager:${region}:${account}:secret:vaultbuddy/${family}`,
        readFileSync(join(directory, `${family}.key`), "utf8"),
      ]),
  );
}
