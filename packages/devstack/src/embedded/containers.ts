// All containers: made from a request, found by name, id or the beginning of an id, listed, removed.

import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { Container } from "./container.ts";
import { ApiFault, noSuchContainer } from "./fault.ts";
import { type HostConfig, readHostConfig } from "./host-config.ts";
import { mergeConfig, readConfig } from "./image-config.ts";
import type { Image, Images } from "./images.ts";
import type { Json } from "./json.ts";
import { textAt } from "./json.ts";
import type { Made, Mount } from "./made.ts";
import type { Parts } from "./parts.ts";
import { copyRoot, Rootfs } from "./rootfs.ts";
import type { Volumes } from "./volumes.ts";

const namePattern = /^\/?[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

export interface ContainersDeps {
  readonly dir: string;
  readonly parts: Parts;
  readonly images: Images;
  readonly volumes: Volumes;
}

export class Containers {
  readonly #deps: ContainersDeps;
  readonly #byId = new Map<string, Container>();
  readonly #names = new Map<string, string>();

  constructor(deps: ContainersDeps) {
    this.#deps = deps;
  }

  get all(): IterableIterator<Container> {
    return this.#byId.values();
  }

  find(reference: string): Container | undefined {
    const exact = this.#byId.get(reference);
    if (exact !== undefined) return exact;
    const named = this.#names.get(reference.replace(/^\//, ""));
    if (named !== undefined) return this.#byId.get(named);
    if (!/^[0-9a-f]{1,63}$/.test(reference)) return undefined;
    const found = [...this.all].filter(({ id }) => id.startsWith(reference));
    if (found.length > 1)
      throw new ApiFault(
        400,
        `Multiple IDs found with provided prefix: ${reference}`,
      );
    return found[0];
  }

  get(reference: string): Container {
    const found = this.find(reference);
    if (found === undefined) throw noSuchContainer(reference);
    return found;
  }

  /** Makes one from the body of a request. */
  async create(
    name: string | undefined,
    body: Json,
  ): Promise<{ container: Container; warnings: readonly string[] }> {
    if (Object.keys(body).length === 0)
      throw new ApiFault(
        400,
        "Config cannot be empty in order to create a container",
      );
    const { images, parts } = this.#deps;
    const imageName = textAt(body, "Image") ?? "";
    const image = images.get(imageName);
    if (body["Tty"] === true)
      throw new ApiFault(400, "the embedded engine has no terminals");
    const config = mergeConfig(readConfig(body), image.config);
    if ([...(config.entrypoint ?? []), ...(config.cmd ?? [])].length === 0)
      throw new ApiFault(400, "No command specified");
    const host = this.#named(readHostConfig(body));
    const id = parts.hex(64);
    const taken = this.#takeName(name, id);
    try {
      const mounts = await this.#mounts(host);
      const made: Made = {
        id,
        name: taken,
        imageName,
        image,
        config,
        host,
        mounts,
        createdAt: parts.instants.now(),
        root: await this.#root(id, image, mounts),
      };
      const container = new Container(made, parts);
      this.#byId.set(id, container);
      container.emit("create");
      return { container, warnings: host.warnings };
    } catch (error) {
      this.#names.delete(taken);
      throw error;
    }
  }

  async remove(container: Container, force: boolean): Promise<void> {
    await container.remove(force);
    this.#byId.delete(container.id);
    this.#names.delete(container.made.name);
  }

  /** Who keeps an image from being removed. */
  user(image: Image): { id: string; running: boolean } | undefined {
    const users = [...this.all].filter(({ made }) => made.image === image);
    const first = users.find(({ isRunning }) => isRunning) ?? users[0];
    return first && { id: first.id, running: first.isRunning };
  }

  usersOfVolume(name: string): string[] {
    return [...this.all]
      .filter(({ made }) => made.mounts.some((one) => one.name === name))
      .map(({ id }) => id);
  }

  #takeName(asked: string | undefined, id: string): string {
    const name = (asked ?? `embedded_${id.slice(0, 12)}`).replace(/^\//, "");
    if (!namePattern.test(name))
      throw new ApiFault(
        400,
        `Invalid container name (${name.slice(0, 100)}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`,
      );
    const other = this.#names.get(name);
    if (other !== undefined)
      throw new ApiFault(
        409,
        `Conflict. The container name "/${name}" is already in use by container "${other}". You have to remove (or rename) that container to be able to reuse that name.`,
      );
    this.#names.set(name, id);
    return name;
  }

  /** Whose network is shared is remembered by id, so that a new one of the same name is not taken for it. */
  #named(host: HostConfig): HostConfig {
    const other = /^container:(.+)$/.exec(host.networkMode)?.[1];
    const found = other === undefined ? undefined : this.find(other);
    return found === undefined
      ? host
      : { ...host, networkMode: `container:${found.id}` };
  }

  async #mounts(host: HostConfig): Promise<Mount[]> {
    const mounts: Mount[] = [];
    for (const { source, target, mode, kind } of host.binds) {
      if (kind === "volume") {
        const { dir } = await this.#deps.volumes.create(source, {});
        mounts.push({ kind, name: source, source: dir, target, mode });
      } else {
        // Docker makes the folder that a bind names and that isn't there.
        const there = await stat(source).catch(() => undefined);
        if (there === undefined) await mkdir(source, { recursive: true });
        mounts.push({ kind, name: "", source, target, mode });
      }
    }
    return mounts;
  }

  async #root(
    id: string,
    image: Image,
    mounts: readonly Mount[],
  ): Promise<Rootfs | undefined> {
    if (image.dir === undefined) return undefined;
    const dir = join(this.#deps.dir, id.slice(0, 12), "root");
    await copyRoot(image.dir, dir);
    const root = new Rootfs(
      dir,
      mounts.map(({ target }) => target),
    );
    // The outer ones first: `/data` before `/data/keys`.
    for (const mount of mounts.toSorted(
      (a, b) => a.target.length - b.target.length,
    ))
      await root.mount(mount, mount.kind === "volume");
    return root;
  }
}
