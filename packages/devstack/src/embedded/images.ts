// The images: folders filled by an import or a commit, under the names they were given. One image needs no folder: the
// receiver, whose containers run inside the engine itself.

import { createHash } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough, type Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { applyChanges } from "./dockerfile.ts";
import type { Events } from "./events.ts";
import { ApiFault } from "./fault.ts";
import { emptyConfig, type ImageConfig } from "./image-config.ts";
import type { Instants, Nano } from "./instant.ts";
import { copyRoot } from "./rootfs.ts";
import { untar } from "./untar.ts";

/** The image whose containers are listeners inside the engine: see receiver.ts. */
export const receiverImage = "vaultbuddy-devstack/receiver:in-process";

export interface Image {
  /** `sha256:…` */
  readonly id: string;
  readonly tags: Set<string>;
  readonly config: ImageConfig;
  readonly createdAt: Nano;
  readonly comment: string;
  readonly parent: string;
  readonly size: number;
  readonly layers: readonly string[];
  /** Its files; undefined for the receiver. */
  readonly dir: string | undefined;
}

export interface ImagesDeps {
  readonly dir: string;
  readonly events: Events;
  readonly instants: Instants;
}

export class Images {
  readonly #deps: ImagesDeps;
  readonly #byId = new Map<string, Image>();
  readonly #byTag = new Map<string, Image>();
  #count = 0;

  constructor(deps: ImagesDeps) {
    this.#deps = deps;
    this.#add(
      {
        config: { ...emptyConfig, cmd: ["receive"] },
        comment: "listens inside the engine",
        parent: "",
        size: 0,
        layers: [],
        dir: undefined,
      },
      receiverImage,
      true,
    );
  }

  /** All, newest first; without the built-in one, which nobody made. */
  list(): Image[] {
    return [...this.#byId.values()]
      .filter(({ dir }) => dir !== undefined)
      .toReversed();
  }

  find(reference: string): Image | undefined {
    return (
      this.#byTag.get(withTag(reference)) ??
      this.#byId.get(reference) ??
      this.#byPrefix(reference)
    );
  }

  /** Throws the fault that container creation answers. */
  get(reference: string): Image {
    const image = this.find(reference);
    if (image === undefined)
      throw new ApiFault(404, `No such image: ${withTag(reference)}`);
    return image;
  }

  /** An image from the tar of a root filesystem. */
  async importTar(
    tar: Readable,
    name: string,
    changes: readonly string[],
  ): Promise<Image> {
    const config = applyChanges(emptyConfig, changes);
    const dir = await this.#newFolder();
    const digest = createHash("sha256");
    const through = new PassThrough();
    through.on("data", (chunk: Buffer) => digest.update(chunk));
    try {
      const [, size] = await Promise.all([
        pipeline(tar, through),
        untar(through, dir),
      ]);
      const layers = [`sha256:${digest.digest("hex")}`];
      const comment = "Imported from -";
      const made = { config, comment, parent: "", size, layers, dir };
      const image = this.#add(made, name);
      this.#tell(image, "import", image.id);
      return image;
    } catch (error) {
      await rm(dir, { recursive: true, force: true });
      if (error instanceof ApiFault) throw error;
      throw new ApiFault(500, "the image's archive broke off");
    }
  }

  /** An image from a container's files. */
  async commit(
    from: {
      readonly dir: string;
      readonly config: ImageConfig;
      /** Places whose content is not the container's own. */
      readonly mounted: readonly string[];
    },
    base: Image,
    name: string,
    changes: readonly string[],
  ): Promise<Image> {
    const config = applyChanges(from.config, changes);
    const dir = await this.#newFolder();
    await copyRoot(from.dir, dir);
    for (const target of from.mounted)
      await rm(join(dir, target), { force: true });
    const { id: parent, size, layers } = base;
    return this.#add({ config, comment: "", parent, size, layers, dir }, name);
  }

  tag(image: Image, name: string): void {
    this.#byTag.get(name)?.tags.delete(name);
    this.#byTag.set(name, image);
    image.tags.add(name);
    this.#tell(image, "tag", name);
  }

  /** Takes a name away, and with the last one the image. `inUse` tells of a container that stands in the way. */
  async remove(
    reference: string,
    force: boolean,
    inUse: (image: Image) => { id: string; running: boolean } | undefined,
  ): Promise<Record<string, string>[]> {
    const image = this.get(reference);
    if (image.dir === undefined)
      throw new ApiFault(409, "conflict: the receiver is built in");
    const tag = withTag(reference);
    const byName = image.tags.has(tag);
    const user = inUse(image);
    if (user !== undefined && (!force || user.running))
      throw inUseFault(image, byName ? tag : undefined, user);
    const children = this.list().filter(({ parent }) => parent === image.id);
    if (children.length > 0 && !(byName && image.tags.size > 1))
      throw new ApiFault(
        409,
        `conflict: unable to delete ${image.id.slice(7, 19)} (cannot be forced) - image has dependent child images`,
      );
    const gone = byName ? [tag] : [...image.tags];
    for (const name of gone) {
      image.tags.delete(name);
      this.#byTag.delete(name);
      this.#tell(image, "untag", image.id);
    }
    const untagged = gone.map((name) => ({ Untagged: name }));
    if (image.tags.size > 0) return untagged;
    this.#byId.delete(image.id);
    await rm(image.dir, { recursive: true, force: true });
    this.#tell(image, "delete", image.id);
    return [...untagged, { Deleted: image.id }];
  }

  #byPrefix(reference: string): Image | undefined {
    const hex = reference.replace(/^sha256:/, "");
    if (!/^[0-9a-f]{4,64}$/.test(hex)) return undefined;
    const found = [...this.#byId.values()].filter(({ id }) =>
      id.startsWith(`sha256:${hex}`),
    );
    return found.length === 1 ? found[0] : undefined;
  }

  async #newFolder(): Promise<string> {
    this.#count += 1;
    const dir = join(this.#deps.dir, String(this.#count));
    await mkdir(dir, { recursive: true });
    return dir;
  }

  #add(
    made: Omit<Image, "id" | "tags" | "createdAt">,
    name: string,
    silent = false,
  ): Image {
    const createdAt = this.#deps.instants.now();
    const { config, layers } = made;
    const id = createHash("sha256")
      .update(JSON.stringify([config, layers, createdAt.toString()]))
      .digest("hex");
    const image = {
      ...made,
      createdAt,
      id: `sha256:${id}`,
      tags: new Set([""]),
    };
    image.tags.clear();
    this.#byId.set(image.id, image);
    if (silent) {
      image.tags.add(name);
      this.#byTag.set(name, image);
    } else if (name !== "") this.tag(image, name);
    return image;
  }

  #tell(image: Image, action: string, name: string): void {
    const attributes = { ...image.config.labels, name };
    this.#deps.events.emit({ type: "image", action, id: image.id, attributes });
  }
}

function inUseFault(
  { id }: Image,
  tag: string | undefined,
  user: { id: string; running: boolean },
): ApiFault {
  const short = id.slice(7, 19);
  const what =
    tag === undefined
      ? `unable to delete ${short} (${user.running ? "cannot be forced" : "must be forced"})`
      : `unable to remove repository reference "${tag}" (must force)`;
  return new ApiFault(
    409,
    tag === undefined
      ? `conflict: ${what} - image is being used by ${user.running ? "running" : "stopped"} container ${user.id.slice(0, 12)}`
      : `conflict: ${what} - container ${user.id.slice(0, 12)} is using its referenced image ${short}`,
  );
}

/** A reference with the tag it means. Throws a fault for a name that no image can have. */
export function withTag(reference: string): string {
  if (/[A-Z]/.test(reference.split(":")[0] ?? ""))
    throw new ApiFault(
      400,
      "invalid reference format: repository name must be lowercase",
    );
  return /:[\w][\w.-]{0,127}$/.test(reference)
    ? reference
    : `${reference}:latest`;
}
