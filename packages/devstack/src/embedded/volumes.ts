// The volumes: folders that containers mount by name.

import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Events } from "./events.ts";
import { ApiFault } from "./fault.ts";
import type { Filters } from "./filters.ts";
import { type Instants, iso, type Nano } from "./instant.ts";
import type { Json } from "./json.ts";

export interface Volume {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly createdAt: Nano;
  readonly dir: string;
}

export interface VolumesDeps {
  readonly dir: string;
  readonly events: Events;
  readonly instants: Instants;
}

const namePattern = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$/;

export class Volumes {
  static readonly filterNames = ["dangling", "driver", "label", "name"];
  readonly #deps: VolumesDeps;
  readonly #volumes = new Map<string, Volume>();

  constructor(deps: VolumesDeps) {
    this.#deps = deps;
  }

  list(filters: Filters): Volume[] {
    return [...this.#volumes.values()].filter(
      ({ name, labels }) =>
        filters.any("name", (wanted) => name.includes(wanted)) &&
        filters.any("driver", (wanted) => wanted === "local") &&
        filters.labels(labels),
    );
  }

  get(name: string): Volume {
    const volume = this.#volumes.get(name);
    if (volume === undefined)
      throw new ApiFault(404, `get ${name}: no such volume`);
    return volume;
  }

  has(name: string): boolean {
    return this.#volumes.has(name);
  }

  /** Makes it; one that is there is answered as it is. */
  async create(
    name: string,
    labels: Readonly<Record<string, string>>,
  ): Promise<Volume> {
    const there = this.#volumes.get(name);
    if (there !== undefined) return there;
    if (!namePattern.test(name))
      throw new ApiFault(
        400,
        `create ${name.slice(0, 300)}: "${name.slice(0, 300)}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
      );
    const { events, instants } = this.#deps;
    const dir = join(this.#deps.dir, name, "_data");
    const volume = { name, labels, createdAt: instants.now(), dir };
    this.#volumes.set(name, volume);
    await mkdir(dir, { recursive: true });
    events.emit({
      type: "volume",
      action: "create",
      id: name,
      attributes: { driver: "local" },
    });
    return volume;
  }

  async remove(
    name: string,
    force: boolean,
    usedBy: readonly string[],
  ): Promise<void> {
    if (force && !this.#volumes.has(name)) return;
    const volume = this.get(name);
    if (usedBy.length > 0)
      throw new ApiFault(
        409,
        `remove ${name}: volume is in use - [${usedBy.join(", ")}]`,
      );
    this.#volumes.delete(name);
    await rm(join(volume.dir, ".."), { recursive: true, force: true });
    this.#deps.events.emit({
      type: "volume",
      action: "destroy",
      id: name,
      attributes: { driver: "local" },
    });
  }
}

export function volumeJson({ name, labels, createdAt, dir }: Volume): Json {
  return {
    CreatedAt: iso(createdAt).replace(/\.\d+/, ""),
    Driver: "local",
    Labels: labels,
    Mountpoint: dir,
    Name: name,
    Options: null,
    Scope: "local",
  };
}
