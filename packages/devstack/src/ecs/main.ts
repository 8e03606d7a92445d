// The stand-in as a process: reads its flags, starts, says so in one line of JSON, and removes all it made when it is
// told to stop.

import { parseArgs } from "node:util";
import { dockerEngine } from "../engine/docker.ts";
import { startAws } from "./server.ts";

const usage = `usage: node packages/devstack/src/ecs/main.ts [flags]
  --listen HOST:PORT    the AWS endpoint (default 127.0.0.1:4566)
  --control HOST:PORT   the control port (default: none)
  --account DIGITS      default 123456789012
  --region NAME         default us-east-1
  --cluster NAME        may be repeated (default: default)
  --docker URL          unix:///path or tcp://host:port (default: DOCKER_HOST, else the usual socket); none: no engine
Credentials are made up at each start and printed; AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, when set, are taken instead.`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      listen: { type: "string", default: "127.0.0.1:4566" },
      control: { type: "string" },
      account: { type: "string" },
      region: { type: "string" },
      cluster: { type: "string", multiple: true },
      docker: { type: "string", default: process.env["DOCKER_HOST"] ?? "" },
      help: { type: "boolean" },
    },
  });
  if (values.help === true) {
    process.stdout.write(`${usage}\n`);
    return 0;
  }
  const {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
  } = process.env;
  const engine =
    values.docker === "none" ? undefined : dockerEngine(values.docker);
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const)
      process.once(signal, () => resolve());
  });
  const stack = await startAws({
    listen: values.listen,
    ...(engine && { engine }),
    ...(values.control !== undefined && { control: values.control }),
    ...(values.account !== undefined && { account: values.account }),
    ...(values.region !== undefined && { region: values.region }),
    ...(values.cluster !== undefined && { clusters: values.cluster }),
    ...(accessKeyId !== undefined && { accessKeyId }),
    ...(secretAccessKey !== undefined && { secretAccessKey }),
  });
  const { env, metadataUrl, controlUrl, clusterArn, hostAddress } = stack;
  process.stdout.write(
    `${JSON.stringify({ ready: true, ...env, metadataUrl, controlUrl, clusterArn, hostAddress })}\n`,
  );
  await stopped;
  await stack.close();
  return 0;
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(
      `ecs: ${error instanceof Error ? error.message : "failed"}\n`,
    );
    process.exitCode = 1;
  },
);
