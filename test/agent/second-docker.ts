// A Docker of its own beside the machine's: its own containerd, roots, socket and bridge, nothing in the firewall. For
// stories that take Docker away: containerd is a service by itself, as on any host, and with `live-restore` containers run
// on while dockerd is away.

import { execFileSync, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { dockerEngine } from "../../packages/devstack/src/engine/docker.ts";

/** How long either may take to answer, in milliseconds. */
const READY_MS = 60_000;
/** Kubernetes' half of containerd, which would listen on a port. */
const config =
  'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n';

export class SecondDocker {
  readonly dockerHost: string;
  readonly #folder = mkdtempSync(join(tmpdir(), "vb-dockerd-"));
  // With `--bridge=none` it would remove docker0, which is the other Docker's.
  readonly #bridge = `vb${randomBytes(5).toString("hex")}`;
  #containerd: ChildProcess | undefined;
  #dockerd: ChildProcess | undefined;

  constructor() {
    this.dockerHost = `unix://${this.#at("docker.sock")}`;
  }

  /** Starts it; resolves when it answers. */
  async start(): Promise<void> {
    if (this.#containerd === undefined) {
      writeFileSync(this.#at("config.toml"), config);
      this.#containerd = this.#run("containerd", [
        `--config=${this.#at("config.toml")}`,
        `--root=${this.#at("containerd-root")}`,
        `--state=${this.#at("containerd-state")}`,
        `--address=${this.#at("containerd.sock")}`,
      ]);
      const socket = (): Promise<boolean> =>
        Promise.resolve(existsSync(this.#at("containerd.sock")));
      await this.#ready("containerd", this.#containerd, socket);
      const address = `198.18.${randomInt(256)}.1/24`;
      execFileSync("ip", ["link", "add", this.#bridge, "type", "bridge"]);
      execFileSync("ip", ["address", "add", address, "dev", this.#bridge]);
    }
    // One that was killed leaves it behind, and its number may be another's by now.
    rmSync(this.#at("pid"), { force: true });
    this.#dockerd = this.#run("dockerd", [
      `--host=${this.dockerHost}`,
      `--containerd=${this.#at("containerd.sock")}`,
      `--data-root=${this.#at("data")}`,
      `--exec-root=${this.#at("run")}`,
      `--pidfile=${this.#at("pid")}`,
      `--bridge=${this.#bridge}`,
      "--iptables=false",
      "--ip6tables=false",
      "--ip-forward=false",
      "--ip-masq=false",
      "--live-restore",
    ]);
    await this.#ready("dockerd", this.#dockerd, () => this.#answers());
  }

  /** Ends it as a crash would; what runs on it runs on. */
  async kill(): Promise<void> {
    await end(this.#dockerd, "SIGKILL");
  }

  /** Ends it as an administrator would; what runs on it runs on. */
  async stop(): Promise<void> {
    await end(this.#dockerd, "SIGTERM");
  }

  /** Ends both for good, after the containers were removed, and removes their files. */
  async close(): Promise<void> {
    await this.stop();
    await end(this.#containerd, "SIGTERM");
    const mounts = readFileSync("/proc/mounts", "utf8")
      .split("\n")
      .map((line) => line.split(" ")[1] ?? "")
      .filter((path) => path.startsWith(`${this.#folder}/`));
    for (const path of mounts.toReversed()) {
      execFileSync("umount", ["--lazy", path]);
    }
    rmSync(this.#folder, { recursive: true, force: true });
    execFileSync("ip", ["link", "delete", this.#bridge]);
  }

  #at(name: string): string {
    return join(this.#folder, name);
  }

  #run(program: string, args: readonly string[]): ChildProcess {
    const log = openSync(this.#at(`${program}.log`), "a");
    const child = spawn(program, args, { stdio: ["ignore", log, log] });
    child.on("error", () => undefined);
    closeSync(log);
    return child;
  }

  async #ready(
    program: string,
    child: ChildProcess,
    answers: () => Promise<boolean>,
  ): Promise<void> {
    const late = performance.now() + READY_MS;
    while (!(await answers())) {
      if (
        child.pid === undefined ||
        child.exitCode !== null ||
        performance.now() > late
      ) {
        const said = readFileSync(this.#at(`${program}.log`), "utf8");
        throw new Error(
          `the second ${program} does not answer:\n${said.slice(-2000)}`,
        );
      }
      await delay(50);
    }
  }

  async #answers(): Promise<boolean> {
    return await dockerEngine(this.dockerHost)
      .ping()
      .then(
        () => true,
        () => false,
      );
  }
}

async function end(
  child: ChildProcess | undefined,
  signal: NodeJS.Signals,
): Promise<void> {
  if (
    child?.pid !== undefined &&
    child.exitCode === null &&
    child.signalCode === null
  ) {
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
  }
}
