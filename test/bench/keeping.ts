// What staying on costs: the memory of Node and of the process that reaps, while they keep a command and have read its
// secrets anew, beside a Node that only listens.

import { setTimeout as delay } from "node:timers/promises";
import { FakeVault } from "../../entrypoint/src/process/fake-vault.ts";
import { must, run, words } from "../bundle/docker.ts";
import type { Kit } from "../bundle/kit.ts";
import { deliver } from "./deliver.ts";
import type { Row } from "./table.ts";

const self = {
  key: "PPdRfsVlbj5U9fa46RKkketchkYaZ1HsDQnA8dA1ZeQ",
  taskArn:
    "arn:aws:ecs:us-east-1:123456789012:task/default/0123456789abcdef0123456789abcdef",
  containerName: "web",
};

/** `bare` puts a Node into an image that has none; its script is there already (start to listening). */
export async function benchKeeping(
  kit: Kit,
  bare: readonly string[],
): Promise<Row> {
  const vault = await new FakeVault().start();
  vault.secrets.set("secret/web", { PASSWORD: "of no use" });
  vault.mint("wrap-1");
  const own = words("run -d --network host");
  const settings = {
    WIS_LISTEN: "127.0.0.1:0",
    WIS_HMAC_KEY: self.key,
    WIS_TASK_ARN: self.taskArn,
    WIS_CONTAINER_NAME: self.containerName,
    WIS_LOG_LEVEL: "info",
    WIS_SUPERVISE: "true",
    WIS_SECRETS: "secret/web",
    WIS_POLL: "1s",
    VAULT_ADDR: vault.addr,
  };
  const ids: string[] = [];
  try {
    const id = await must("docker", [
      ...own,
      ...kit.mount,
      ...Object.entries(settings).flatMap(([name, value]) => [
        "-e",
        `${name}=${value}`,
      ]),
      kit.image("busybox"),
      ...words("/vaultbuddy/entrypoint /bin/busybox sleep 1000"),
    ]);
    ids.push(id);
    const yardstick = await must("docker", [
      ...own,
      ...bare,
      "-v",
      `${kit.out}:/bench:ro`,
      // In an image where nothing of OpenSSL's or the loader's is in its way.
      "-v",
      `${await must("which", ["busybox"])}:/bin/busybox:ro`,
      kit.image("scratch"),
      ...words("/bare/node /bench/listen.cjs"),
    ]);
    ids.push(yardstick);
    await delay(1500);
    const { stderr } = await run("docker", ["logs", id]);
    const port = Number(/delivery port=(\d+)/.exec(stderr)?.[1]);
    await deliver(vault, { ...self, port });
    // It has read anew a few times by then.
    await delay(5000);
    const node = await must("docker", [
      ...words(`exec ${id} /bin/busybox pidof vaultbuddy-entrypoint node`),
    ]);
    // It is found by both names.
    const ours = await resident(id, [...new Set(["1", ...words(node)])]);
    const theirs = await resident(yardstick, ["1"]);
    return {
      what: "resident while it keeps a command (WIS_SUPERVISE=true)",
      values: [ours],
      unit: "MiB",
      bar: 70,
      note: `two processes; ${(ours / theirs).toFixed(2)} × the ${theirs.toFixed(1)} MiB of a bare Node that listens`,
    };
  } finally {
    await run("docker", ["rm", "-f", ...ids]);
    vault.stop();
  }
}

/** Of these processes together, in MiB. */
async function resident(
  container: string,
  pids: readonly string[],
): Promise<number> {
  const text = await must("docker", [
    ...words(`exec ${container} /bin/busybox cat`),
    ...pids.map((pid) => `/proc/${pid}/smaps_rollup`),
  ]);
  const all = [...text.matchAll(/^Rss:\s+(\d+)/gm)];
  return all.reduce((sum, [, kib]) => sum + Number(kib), 0) / 1024;
}
