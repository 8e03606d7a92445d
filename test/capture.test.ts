// Who reads the whole traffic between broker and container finds no wrapping token in it, nor anything of the delivery.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateSigningKey, privatePem, publicJwk } from "@vaultbuddy/common";
import { looseTask, notify, Stack, until } from "@vaultbuddy/devstack";
import { afterAll, beforeAll, expect, test } from "vitest";

let stack: Stack;
let url: string;
const pair = generateSigningKey();
const folder = mkdtempSync(join(tmpdir(), "capture-"));

beforeAll(async () => {
  stack = await Stack.start({
    containers: false,
    families: ["plain", "public"],
    policy: {
      plain: { policies: ["plain"], transport: "plain" },
      public: {
        policies: ["public"],
        proof: "ed25519",
        listener: "unproven",
      },
    },
  });
  const signing = stack.write("signing.pem", privatePem(pair));
  ({ url } = await stack.startBroker(["--signing-key-file", signing]));
});
afterAll(async () => {
  await stack.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Everything that went over the task's port while `work` was done. */
async function captured(
  port: number,
  work: () => Promise<unknown>,
): Promise<string> {
  const file = join(folder, `${port}.pcap`);
  const tcpdump = spawn(
    "tcpdump",
    ["-i", "lo", "-U", "-w", file, "tcp", "port", String(port)],
    {
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  let said = "";
  tcpdump.stderr
    .setEncoding("utf8")
    .on("data", (chunk: string) => (said += chunk));
  await until(
    () => Promise.resolve(said.includes("listening on") ? true : undefined),
    () =>
      Promise.resolve(
        `tcpdump did not start (Debian: apt-get install tcpdump): ${said}`,
      ),
    10_000,
  );
  await work();
  const size = (): number => readFileSync(file).length;
  let last = -1;
  await until(
    () => {
      const now = size();
      const still = now === last && now > 24;
      last = now;
      return Promise.resolve(still ? true : undefined);
    },
    () => Promise.resolve("nothing was captured"),
    10_000,
  );
  tcpdump.kill("SIGINT");
  await once(tcpdump, "exit");
  return readFileSync(file, "latin1");
}

async function served(
  family: string,
  env: Record<string, string> = {},
): Promise<string> {
  const task = await looseTask(stack, {
    family,
    env,
    container: {
      environment: Object.entries(env)
        .filter(([, value]) => value !== "")
        .map(([name, value]) => ({ name, value })),
    },
  });
  const entrypoint = task.start();
  const traffic = await captured(task.port, async () => {
    expect((await notify(url, task.notice)).code).toBe("delivered");
  });
  await entrypoint.stop();
  return traffic;
}

const traces = /"payload"|"signatures"|"protected"|jose\+json|POST \/|accessor/;

test("a capture of a delivery over TLS shows nothing of it", async () => {
  const traffic = await served("sample");
  expect(traffic.length).toBeGreaterThan(1000);
  expect(traffic).not.toMatch(traces);
});

test("nor does one of a delivery to a container that holds a public key", async () => {
  const traffic = await served("public", {
    WIS_HMAC_KEY: "",
    WIS_PUBLIC_KEY: publicJwk(pair),
  });
  expect(traffic.length).toBeGreaterThan(1000);
  expect(traffic).not.toMatch(traces);
});

test("the same capture would show it: of a delivery in plain HTTP it does", async () => {
  expect(await served("plain", { WIS_PLAINTEXT: "allow" })).toMatch(traces);
});
