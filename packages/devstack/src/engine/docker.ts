// Adapter: a Docker Engine (API 1.41 and later) behind the port of engine.ts, through dockerode. What Docker says in
// its own terms is turned into the port's here and nowhere else.

import { addAbortSignal, Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import type Docker from "dockerode";
import { connectDocker } from "./docker-connect.ts";
import { buildPauseImage } from "./image.ts";
import { frames, jsonLines } from "./docker-stream.ts";
import { containerFacts, createOptions, engineEvent } from "./docker-shapes.ts";
import type {
  ContainerSpec,
  Engine,
  EngineEvent,
  NetworkFacts,
} from "./engine.ts";
import { EngineError } from "./engine.ts";
import { absentIs, call, engineError, ignoring } from "./docker-errors.ts";

const defaultLogBytes = 1_048_576;

/** The engine at `host` (see {@link connectDocker}). Nothing is asked of it yet. */
export function dockerEngine(host?: string): Engine {
  return new DockerEngine(connectDocker(host), () => buildPauseImage(host));
}

class DockerEngine implements Engine {
  readonly #docker: Docker;
  readonly #buildPause: () => Promise<string>;
  #pause: Promise<string> | undefined;

  constructor(docker: Docker, buildPause: () => Promise<string>) {
    this.#docker = docker;
    this.#buildPause = buildPause;
  }

  async ping(): Promise<{ apiVersion: string }> {
    const version = await call(this.#docker.version());
    return { apiVersion: version.ApiVersion };
  }

  async hostAddress(): Promise<string> {
    const info: Docker.NetworkInspectInfo = await call(
      this.#docker.getNetwork("bridge").inspect(),
    );
    return networkFacts(info).gateway;
  }

  async imageDigest(image: string): Promise<string | undefined> {
    return await call(this.#docker.getImage(image).inspect()).then(
      (info) => info.Id,
      absentIs(undefined),
    );
  }

  pauseImage(): Promise<string> {
    this.#pause ??= this.#buildPause().catch((error: unknown) => {
      this.#pause = undefined;
      throw error;
    });
    return this.#pause;
  }

  async create(spec: ContainerSpec): Promise<string> {
    const container = await call(
      this.#docker.createContainer(createOptions(spec)),
    );
    return container.id;
  }

  async start(id: string): Promise<void> {
    await call(this.#docker.getContainer(id).start());
  }

  async stop(id: string, graceSeconds: number): Promise<void> {
    const stopping = this.#docker.getContainer(id).stop({ t: graceSeconds });
    await call(stopping, (graceSeconds + 30) * 1000).then(
      undefined,
      ignoring("not modified", "absent"),
    );
  }

  async kill(id: string, signal: string): Promise<void> {
    await call(this.#docker.getContainer(id).kill({ signal }));
  }

  async remove(id: string): Promise<void> {
    await call(
      this.#docker.getContainer(id).remove({ force: true, v: true }),
    ).then(undefined, ignoring("absent", "in progress"));
  }

  async inspect(id: string): Promise<ReturnType<typeof containerFacts>> {
    return containerFacts(await call(this.#docker.getContainer(id).inspect()));
  }

  async wait(id: string, signal: AbortSignal): Promise<{ exitCode: number }> {
    for (;;) {
      signal.throwIfAborted();
      try {
        const container = this.#docker.getContainer(id);
        const waiting: Promise<unknown> = container.wait({
          condition: "not-running",
          abortSignal: signal,
        });
        await waiting;
        const facts = await this.inspect(id);
        // Docker answers the wait a moment before the state says so, and a restart may come in between.
        if (facts.status === "exited")
          return { exitCode: facts.exitCode ?? 255 };
      } catch (error) {
        const mapped = engineError(error);
        if (signal.aborted || mapped.kind === "absent") throw mapped;
      }
      await delay(100, undefined, { signal });
    }
  }

  async logs(id: string, maxBytes = defaultLogBytes): Promise<string> {
    const raw: Buffer = await call(
      this.#docker
        .getContainer(id)
        .logs({ stdout: true, stderr: true, follow: false }),
    );
    return Buffer.concat([...frames(raw)])
      .subarray(-maxBytes)
      .toString("utf8");
  }

  async createNetwork(
    name: string,
    labels: Readonly<Record<string, string>>,
  ): Promise<NetworkFacts> {
    const network = await call(
      this.#docker.createNetwork({
        Name: name,
        Driver: "bridge",
        CheckDuplicate: true,
        Labels: { ...labels },
      }),
    );
    const info: Docker.NetworkInspectInfo = await call(network.inspect());
    return networkFacts(info);
  }

  async removeNetwork(id: string): Promise<void> {
    // A container that is being removed by somebody else still holds on to its network for a moment.
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await call(this.#docker.getNetwork(id).remove()).then(
          undefined,
          ignoring("absent"),
        );
      } catch (error) {
        if (attempt === 10) throw error;
        await delay(200);
      }
    }
  }

  async createVolume(
    name: string,
    labels: Readonly<Record<string, string>>,
  ): Promise<void> {
    await call(
      this.#docker.createVolume({ Name: name, Labels: { ...labels } }),
    );
  }

  async watch(
    labels: Readonly<Record<string, string>>,
    onEvent: (event: EngineEvent) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const filters = {
      type: ["container"],
      event: ["start", "die", "health_status"],
      label: Object.entries(labels).map(([key, value]) => `${key}=${value}`),
    };
    for (let pause = 100; !signal.aborted; pause = Math.min(pause * 2, 5_000)) {
      try {
        const stream: unknown = await this.#docker.getEvents({
          filters: JSON.stringify(filters),
        });
        if (!(stream instanceof Readable)) return;
        const cut = addAbortSignal(signal, stream);
        for await (const line of jsonLines(cut)) {
          pause = 100;
          const event = engineEvent(line);
          if (event !== undefined) onEvent(event);
        }
      } catch (error) {
        // A cut stream is opened again; nothing else can fail here but a line that is no JSON, which is one too.
        if (!(error instanceof Error)) throw error;
      }
      await delay(pause, undefined, { signal }).catch(() => undefined);
    }
  }

  async removeLabelled(
    label: string,
    options: { readonly images?: boolean } = {},
  ): Promise<{ containers: number; networks: number; images: number }> {
    const filters = { label: [label] };
    const containers = await call(
      this.#docker.listContainers({ all: true, filters }),
    );
    await Promise.all(containers.map(({ Id }) => this.remove(Id)));
    const networks = await call(this.#docker.listNetworks({ filters }));
    for (const { Id } of networks) await this.removeNetwork(Id);
    const volumes = await call(
      this.#docker.listVolumes({ filters: JSON.stringify(filters) }),
    );
    for (const { Name } of volumes.Volumes ?? []) {
      await call(this.#docker.getVolume(Name).remove()).then(
        undefined,
        ignoring("absent"),
      );
    }
    const images =
      options.images === true ? await this.#removeImages(filters) : 0;
    return {
      containers: containers.length,
      networks: networks.length,
      images,
    };
  }

  /** Newest first, and again as long as that helps: an image others are built on goes after them. */
  async #removeImages(filters: { label: string[] }): Promise<number> {
    let removed = 0;
    for (let before = -1; before !== removed;) {
      before = removed;
      for (const { Id } of await call(this.#docker.listImages({ filters }))) {
        const gone = await call(
          this.#docker.getImage(Id).remove({ force: true }),
        ).then(
          () => 1,
          (error: unknown) => {
            ignoring("absent", "conflict")(error);
            return 0;
          },
        );
        removed += gone;
      }
    }
    return removed;
  }
}

function networkFacts(info: Docker.NetworkInspectInfo): NetworkFacts {
  const ipv4 = (info.IPAM?.Config ?? []).find(
    ({ Subnet }) => Subnet?.includes(".") === true,
  );
  if (ipv4?.Subnet === undefined) {
    throw new EngineError("refused", `network ${info.Name} has no IPv4 subnet`);
  }
  // Docker leaves the gateway of its default bridge unsaid until the bridge first had a container: it is the first.
  const gateway = ipv4["Gateway"] ?? ipv4.Subnet.replace(/\d+\/\d+$/, "1");
  return { id: info.Id, name: info.Name, subnet: ipv4.Subnet, gateway };
}
