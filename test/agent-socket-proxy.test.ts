// The agent behind a proxy that lets through four GETs of Docker's API and nothing else: HAProxy of this machine with the
// configuration that is shipped. The agent notices what starts, the proxy refuses it nothing because it asks for nothing
// else, and refuses everybody all the rest.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { chooseEngine } from "@vaultbuddy/devstack";
import { expect, onTestFinished, test } from "vitest";
import { Host } from "./agent/host.ts";
import { Listener } from "./agent/listener.ts";
import { noDocker } from "./docker.ts";

const shipped = readFileSync(
  new URL("../deploy/docker-proxy/haproxy.cfg", import.meta.url),
  "utf8",
);
const required = process.env["REQUIRE_DOCKER"] === "1";
const noHaproxy = !existsSync("/usr/sbin/haproxy") && !required;
if (noHaproxy) {
  process.stderr.write(
    "The story of the agent behind a proxy is LEFT OUT: this machine has no HAProxy. Debian: apt-get install haproxy.\n",
  );
}

/** HAProxy with the shipped configuration, at other paths and with a log of each request. */
class Proxy {
  readonly #folder = mkdtempSync(join(tmpdir(), "agent-haproxy-"));
  readonly socketPath = join(this.#folder, "docker.sock");
  #log = "";
  #stop: () => Promise<void> = () => Promise.resolve();

  async start(dockerHost: string): Promise<void> {
    const changed = [
      ["/run/docker-proxy/docker.sock", this.socketPath],
      ["unix@/var/run/docker.sock", dockerHost.replace("unix://", "unix@")],
      ["local0 notice", "local0 info"],
      ["log global\n", "log global\n    option httplog\n"],
    ].reduce((text, [from = "", to = ""]) => {
      expect(text).toContain(from);
      return text.replaceAll(from, to);
    }, shipped);
    const file = join(this.#folder, "haproxy.cfg");
    writeFileSync(file, changed);
    execFileSync("/usr/sbin/haproxy", ["-c", "-q", "-f", file]);
    const child = spawn("/usr/sbin/haproxy", ["-db", "-f", file], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = once(child, "exit");
    child.stdout
      .setEncoding("utf8")
      .on("data", (chunk: string) => (this.#log += chunk));
    this.#stop = async () => {
      child.kill("SIGTERM");
      await Promise.race([ended, delay(2000)]);
      child.kill("SIGKILL");
      await ended;
      rmSync(this.#folder, { recursive: true, force: true });
    };
    for (let tries = 0; tries < 200 && !existsSync(this.socketPath); tries += 1)
      await delay(25);
  }

  /** Status, method and path of each request that has ended, in order. */
  get answered(): string[] {
    return [
      ...this.#log.matchAll(/ (\d{3}) \d+ .*"([A-Z]+) ([^ ?"]+)[^"]*"/g),
    ].map(([, status, method, path]) => `${status} ${method} ${path}`);
  }

  async status(method: string, path: string): Promise<number> {
    return await new Promise((resolve, reject) => {
      request(
        { socketPath: this.socketPath, method, path, timeout: 10_000 },
        (answer) => {
          answer.resume();
          resolve(answer.statusCode ?? 0);
        },
      )
        .on("error", reject)
        .end();
    });
  }

  close(): Promise<void> {
    return this.#stop();
  }
}

test.skipIf(noHaproxy)(
  "four GETs are enough: the agent works behind the shipped proxy, which refuses it nothing and everybody else the rest",
  async () => {
    const { dockerHost } = await chooseEngine(process.env);
    const host = await Host.open(noDocker ? undefined : dockerHost);
    onTestFinished(() => host.close(), 60_000);
    const broker = await Listener.open();
    onTestFinished(() => broker.close());
    const proxy = new Proxy();
    onTestFinished(() => proxy.close());
    await proxy.start(host.dockerHost);
    const all = [await host.start(1)];
    const agent = await host.agent(broker.url, `unix://${proxy.socketPath}`);
    await agent.daemon.said("docker's event stream stands");
    all.push(await host.start(2), await host.start(3));
    await host.engine.kill(all[1] ?? "", "KILL");
    await host.engine.wait(all[1] ?? "", AbortSignal.timeout(15_000));
    await host.engine.start(all[1] ?? "");
    await broker.until(() => broker.times(all[1] ?? "") === 2);
    expect(all.map((id) => broker.times(id))).toEqual([1, 2, 1]);
    await agent.daemon.stop();
    // Its event stream is logged when it has ended.
    for (let tries = 0; tries < 100; tries += 1) {
      if (proxy.answered.some((one) => one.endsWith("/events"))) break;
      await delay(50);
    }
    const refused = proxy.answered.filter((one) => one.startsWith("403"));
    expect(refused).toEqual([]);
    expect([...new Set(proxy.answered)].toSorted()).toEqual([
      "200 GET /_ping",
      "200 GET /containers/json",
      "200 GET /events",
      "200 GET /version",
    ]);

    const id = all[0] ?? "";
    const forbidden = [
      ["GET", `/containers/${id}/json`],
      ["GET", `/containers/${id}/logs?stdout=1`],
      ["GET", `/containers/${id}/archive?path=/`],
      ["GET", "/containers/json/../../info"],
      ["GET", "/containers%2Fjson"],
      ["GET", "/v1.41/v1.41/_ping"],
      ["GET", "/images/json"],
      ["GET", "/info"],
      ["GET", "/secrets"],
      ["HEAD", "/_ping"],
      ["POST", "/_ping"],
      ["POST", "/containers/create"],
      ["POST", `/containers/${id}/kill`],
      ["POST", `/containers/${id}/exec`],
      ["DELETE", `/containers/${id}?force=1`],
    ] as const;
    for (const [method, path] of forbidden) {
      expect([method, path, await proxy.status(method, path)]).toEqual([
        method,
        path,
        403,
      ]);
    }
    expect(await proxy.status("GET", "/v1.41/_ping")).toBe(200);
    expect((await host.engine.inspect(id)).status).toBe("running");
  },
  60_000,
);
