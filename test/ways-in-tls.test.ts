// Agents may speak https to the broker: with a pair of files that is exchanged while it serves, and never for a pair
// that does not fit.

import { copyFileSync, readFileSync } from "node:fs";
import { request } from "node:https";
import { connect } from "node:tls";
import {
  appLine,
  looseTask,
  notify,
  runSample,
  Stack,
  stopTask,
} from "@vaultbuddy/devstack";
import type { Daemon } from "@vaultbuddy/devstack";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const fixture = (name: string): string =>
  new URL(`fixtures/${name}`, import.meta.url).pathname;

let stack: Stack;
beforeAll(async () => {
  stack = await Stack.start({ containers: false });
});
afterAll(() => stack.close());

/** Puts a certificate and a key where the broker reads them; answers its flags. */
function install(certificate: string, key: string): string[] {
  const [cert, own] = ["tls.pem", "tls-key.pem"].map(
    (name) => `${stack.folder}/${name}`,
  );
  copyFileSync(fixture(certificate), cert ?? "");
  copyFileSync(fixture(key), own ?? "");
  return ["--tls-cert", cert ?? "", "--tls-key", own ?? ""];
}

/** The common name of the certificate that the broker shows. */
async function shown(port: number, ca: string): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port, ca });
  return await new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.once("secureConnect", () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.end();
    });
  });
}

async function post(port: number, ca: string, body: unknown): Promise<string> {
  return await new Promise((resolve, reject) => {
    const sent = request(
      { host: "127.0.0.1", port, ca, method: "POST", path: "/v1/notify" },
      (answer) => {
        answer.setEncoding("utf8");
        let text = "";
        answer.on("data", (chunk: string) => (text += chunk));
        answer.on("end", () => resolve(text));
      },
    );
    sent.once("error", reject);
    sent.end(JSON.stringify(body));
  });
}

async function portOf(daemon: Daemon): Promise<number> {
  const { fields } = await daemon.said("listening");
  return Number(String(fields["address"]).split(":").at(-1));
}

describe("with a real agent", () => {
  let running: Stack;
  beforeAll(async () => {
    running = await Stack.start();
  });
  afterAll(() => running.close());

  test("a container is served when the agent trusts the broker's authority, and not before", async () => {
    const { daemon } = await running.startBroker([
      "--tls-cert",
      fixture("broker-one.pem"),
      "--tls-key",
      fixture("broker-one-key.pem"),
    ]);
    const url = `https://127.0.0.1:${await portOf(daemon)}`;
    const mistaken = await running.startAgent(
      [url],
      ["--broker-ca", fixture("broker-two.pem")],
      { LOG_LEVEL: "debug" },
    );
    const task = await runSample(running, { mode: "bridge" });
    await mistaken.line((line) =>
      /SELF_SIGNED|CERT/.test(String(line.fields["code"])),
    );
    expect(daemon.lines.some((line) => line.fields["msg"] === "handoff")).toBe(
      false,
    );
    await mistaken.stop();
    await running.startAgent([url], ["--broker-ca", fixture("broker-one.pem")]);
    expect(
      (await appLine(running, task)).variables["DB_PASSWORD"],
    ).toBeDefined();
    await stopTask(running, task.taskArn);
  }, 60_000);
});

test("a task is served over https, and the certificate is exchanged on SIGHUP", async () => {
  const one = readFileSync(fixture("broker-one.pem"), "utf8");
  const two = readFileSync(fixture("broker-two.pem"), "utf8");
  const { daemon } = await stack.startBroker(
    install("broker-one.pem", "broker-one-key.pem"),
  );
  const port = await portOf(daemon);
  const task = await looseTask(stack);
  const entrypoint = task.start();
  expect(await post(port, one, task.notice)).toContain("delivered");
  await entrypoint.stop();
  await expect(shown(port, two)).rejects.toThrow();

  install("broker-two.pem", "broker-one-key.pem");
  process.kill(daemon.pid, "SIGHUP");
  await daemon.said(
    "the certificate could not be read again: the one before it stays in force",
  );
  expect(await shown(port, one)).toBe("broker one");

  install("broker-two.pem", "broker-two-key.pem");
  process.kill(daemon.pid, "SIGHUP");
  await daemon.said("the certificate was read again");
  expect(await shown(port, two)).toBe("broker two");
  expect(await daemon.stop()).toBe(0);
});

test("plain HTTP and another authority get nowhere", async () => {
  const { daemon, url } = await stack.startBroker(
    install("broker-one.pem", "broker-one-key.pem"),
  );
  const port = await portOf(daemon);
  const task = await looseTask(stack);
  await expect(post(port, "", task.notice)).rejects.toThrow(
    /self-signed|unable to/,
  );
  await expect(notify(url, task.notice)).rejects.toThrow();
  await daemon.stop();
});

test.each<[string, () => string[]]>([
  [
    "one file without the other",
    () => install("broker-one.pem", "broker-one-key.pem").slice(0, 2),
  ],
  [
    "a key of another certificate",
    () => install("broker-one.pem", "broker-two-key.pem"),
  ],
  [
    "a file that is missing",
    () => ["--tls-cert", "/nowhere.pem", "--tls-key", "/nowhere-key.pem"],
  ],
])("%s is a fault at the start", async (_, args) => {
  const daemon = stack.spawnBroker(args());
  expect(await daemon.exit()).toBe(2);
  expect(daemon.output).toContain("--tls-cert and --tls-key:");
});
