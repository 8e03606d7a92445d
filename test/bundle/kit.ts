// Everything the bundle's stories need, made once and removed again: the bundle, the image that carries it, a volume that
// this image has filled, and an image of each kind to put it in front of.

import { mkdtempSync, rmSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { noDocker } from "../docker.ts";
import { has, must, run, words } from "./docker.ts";
import type { Ran } from "./docker.ts";
import { compilePrograms, importRoot, kinds } from "./roots.ts";
import type { Kind, Programs } from "./roots.ts";

const here = fileURLToPath(new URL(".", import.meta.url));
const script = join(here, "../../entrypoint/package/main.ts");

/** What the stories are made with; where one is missing they are left out like those without Docker. */
const tools = ["docker", "musl-gcc", "gcc", "ldd", "readelf", "busybox", "tar"];
const absent = tools.filter((tool) => !has(tool));
if (absent.length > 0 && process.env["REQUIRE_DOCKER"] !== "1") {
  process.stderr.write(
    `Stories of the bundle are LEFT OUT: this machine lacks ${absent.join(", ")}. Debian: apt-get install musl-tools gcc libc-bin binutils busybox-static tar.\n`,
  );
}
/** True where the stories of the bundle have to be left out. */
export const noBundle =
  noDocker || (absent.length > 0 && process.env["REQUIRE_DOCKER"] !== "1");

/** The kinds of images that this machine can make. */
export const madeKinds: readonly Kind[] = kinds.filter(
  (kind) => kind !== "debian" || has("dpkg"),
);

/** How a container is started. */
export interface Start {
  /** Arguments of `docker run`. */
  readonly options?: readonly string[];
  /** What runs before the entrypoint and executes it. */
  readonly before?: readonly string[];
  readonly command: readonly string[];
}

/** See the head of this file. */
export class Kit {
  readonly #folder: string;
  readonly #name: string;
  readonly programs: Programs;

  private constructor(folder: string, name: string, programs: Programs) {
    this.#folder = folder;
    this.#name = name;
    this.programs = programs;
  }

  static async make(only: readonly Kind[] = madeKinds): Promise<Kit> {
    const folder = mkdtempSync(join(tmpdir(), "vaultbuddy-bundle-"));
    const name = `vaultbuddy-bundle-${folder.slice(-6).toLowerCase()}`;
    await mkdir(join(folder, "programs"));
    await mkdir(join(folder, "out"), { mode: 0o777 });
    await must("chmod", ["0777", join(folder, "out")]);
    const programs = await compilePrograms(here, join(folder, "programs"));
    const kit = new Kit(folder, name, programs);
    try {
      await must(process.execPath, [script, join(folder, "dist")]);
      await must("docker", ["build", "-q", "-t", kit.carrier, kit.dist]);
      await must("docker", ["volume", "create", kit.volume]);
      await must("docker", words(`run --rm -v ${name}:/volume ${kit.carrier}`));
      for (const kind of only) {
        await importRoot(kind, programs, folder, kit.image(kind));
      }
      return kit;
    } catch (error) {
      await kit.close();
      throw error;
    }
  }

  /** Where the bundle was made. */
  get dist(): string {
    return join(this.#folder, "dist");
  }

  /** A folder of this machine that any user may write to. */
  get out(): string {
    return join(this.#folder, "out");
  }

  /** The image vaultbuddy-entrypoint. */
  get carrier(): string {
    return `${this.#name}/vaultbuddy-entrypoint`;
  }

  /** The volume that it filled. */
  get volume(): string {
    return this.#name;
  }

  image(kind: Kind | "layered"): string {
    return `${this.#name}/${kind}`;
  }

  /** Runs a container's command as it is. */
  direct(
    kind: Kind,
    { options = [], before = [], command }: Start,
  ): Promise<Ran> {
    return this.#run(kind, options, [...before, ...command]);
  }

  /** Runs it behind the entrypoint, in the mode that waits for nothing. */
  behind(
    kind: Kind,
    { options = [], before = [], command }: Start,
  ): Promise<Ran> {
    return this.#run(
      kind,
      [
        ...this.mount,
        ...words("-e WIS_MODE=off -e WIS_LOG_LEVEL=error"),
        ...options,
      ],
      [...before, "/vaultbuddy/entrypoint", ...command],
    );
  }

  /** The arguments that put the bundle in its place. */
  get mount(): string[] {
    return ["-v", `${this.volume}:/vaultbuddy:ro`];
  }

  #run(
    kind: Kind,
    options: readonly string[],
    command: readonly string[],
  ): Promise<Ran> {
    return run("docker", [
      ...words("run --rm --network none --hostname probe"),
      ...options,
      this.image(kind),
      ...command,
    ]);
  }

  async close(): Promise<void> {
    const left = await run(
      "docker",
      words(`ps -aq --filter volume=${this.volume}`),
    );
    for (const id of left.stdout.split(/\s+/).filter(Boolean)) {
      await run("docker", ["rm", "-f", id]);
    }
    await run("docker", ["volume", "rm", "-f", this.volume]);
    const images = await run("docker", [
      "images",
      "-q",
      "--filter",
      `reference=${this.#name}/*`,
    ]);
    const ids = [...new Set(images.stdout.split(/\s+/).filter(Boolean))];
    if (ids.length > 0) {
      await run("docker", ["rmi", "-f", ...ids]);
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
