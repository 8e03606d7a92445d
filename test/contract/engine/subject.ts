// The engine under test, and the one image all its tests run: Node and a small program that does what its first argument
// says.

import {
  startEmbeddedEngine,
  type EmbeddedEngine,
} from "../../../packages/devstack/src/embedded/engine.ts";
import { dockerEngine } from "../../../packages/devstack/src/engine/docker.ts";
import {
  type ContainerSpec,
  devstackLabel,
  type Engine,
} from "../../../packages/devstack/src/engine/engine.ts";
import {
  buildImage,
  buildPauseImage,
  nodePath,
} from "../../../packages/devstack/src/engine/image.ts";
import { RawEngine } from "./raw.ts";

/** What the program can do; everything it learns of itself it prints as one line of JSON. */
const program = `
const [what, ...rest] = process.argv.slice(2);
const { readFileSync, writeFileSync } = require("node:fs");
const net = require("node:net");
const acts = {
  say() { console.log(JSON.stringify({ rest, env: process.env, here: readFileSync("word.txt", "utf8") })); },
  both() { console.log("out"); console.error("err"); },
  exit() { process.exitCode = Number(rest[0]); },
  read() { console.log(readFileSync(rest[0], "utf8")); },
  write() { writeFileSync(rest[0], rest[1]); },
  stay() { console.log("stays"); setInterval(() => undefined, 1 << 30); },
  polite() { process.on("SIGTERM", () => process.exit(7)); console.log("waits"); setInterval(() => undefined, 1 << 30); },
  deaf() { process.on("SIGTERM", () => undefined); console.log("waits"); setInterval(() => undefined, 1 << 30); },
  echo() {
    const [host, port] = rest[0].split(":");
    net.createServer((socket) => socket.end("hello from inside\\n")).listen(Number(port), host, () => console.log("listens"));
  },
};
acts[what]();
`;

const programPath = "/app/program.cjs";

/** Starts the program with these words. */
export function doing(...words: readonly string[]): string[] {
  return [nodePath, programPath, ...words];
}

/** An engine to be tested, and what the tests need of it. */
export class Subject {
  readonly kind: "docker" | "embedded";
  readonly engine: Engine;
  readonly raw: RawEngine;
  readonly dockerHost: string;
  readonly image: string;
  readonly pause: string;
  /** On everything these tests make. */
  readonly mark: string;
  readonly #embedded: EmbeddedEngine | undefined;
  #count = 0;

  static async open(
    kind: Subject["kind"],
    dockerHost: string,
  ): Promise<Subject> {
    const embedded =
      kind === "embedded" ? await startEmbeddedEngine() : undefined;
    const host = embedded?.dockerHost ?? dockerHost;
    try {
      const image = await buildImage(
        {
          name: "engine-contract",
          files: [
            { path: programPath, content: program },
            { path: "/app/word.txt", content: "from the image" },
          ],
          env: { FROM_IMAGE: 'a "b" $c', BOTH: "image" },
          command: doing("say"),
        },
        { dockerHost: host },
      );
      const pause = await buildPauseImage(host);
      return new Subject(kind, host, image, pause, embedded);
    } catch (error) {
      await embedded?.close();
      throw error;
    }
  }

  private constructor(
    kind: Subject["kind"],
    dockerHost: string,
    image: string,
    pause: string,
    embedded: EmbeddedEngine | undefined,
  ) {
    this.kind = kind;
    this.dockerHost = dockerHost;
    this.engine = dockerEngine(dockerHost);
    this.raw = new RawEngine(dockerHost);
    this.image = image;
    this.pause = pause;
    this.mark = `vaultbuddy.contract=${Date.now().toString(36)}${performance.now().toString(36).replace(".", "")}`;
    this.#embedded = embedded;
  }

  get labels(): Record<string, string> {
    const [name = "", value = ""] = this.mark.split("=");
    return { [devstackLabel]: "1", [name]: value };
  }

  /** A name nobody else has. */
  name(): string {
    this.#count += 1;
    return `vb-contract-${this.mark.split("=")[1]}-${this.#count}`;
  }

  async create(spec: Partial<ContainerSpec> = {}): Promise<string> {
    return this.engine.create({
      name: this.name(),
      image: this.image,
      env: {},
      network: { kind: "bridge" },
      ...spec,
      labels: { ...this.labels, ...spec.labels },
    });
  }

  async start(spec: Partial<ContainerSpec> = {}): Promise<string> {
    const id = await this.create(spec);
    await this.engine.start(id);
    return id;
  }

  /** Runs to the end. */
  async run(
    spec: Partial<ContainerSpec> = {},
  ): Promise<{ exitCode: number; log: string }> {
    const id = await this.start(spec);
    const signal = AbortSignal.timeout(15_000);
    const { exitCode } = await this.engine.wait(id, signal);
    const log = await this.engine.logs(id);
    await this.engine.remove(id);
    return { exitCode, log };
  }

  /** Waits until the container has printed this. */
  async printed(id: string, text: string): Promise<void> {
    for (const until = Date.now() + 15_000; Date.now() < until;) {
      if ((await this.engine.logs(id)).includes(text)) return;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    throw new Error(`the container never printed ${text}`);
  }

  async close(): Promise<void> {
    await this.engine.removeLabelled(this.mark);
    await this.#embedded?.close();
  }
}
