// Images made from what is on this machine: a FROM-scratch root with the pinned Node, imported through the Engine API,
// and on top of it one thin layer for each image's own files. Neither registry nor builder is asked for anything.

import { createHash } from "node:crypto";
import type Docker from "dockerode";
import { call, engineError } from "./docker-errors.ts";
import { jsonLines } from "./docker-stream.ts";
import { connectDocker } from "./docker-connect.ts";
import { devstackLabel, EngineError } from "./engine.ts";
import { nodePath, nodeRoot, rootDirectories } from "./node-root.ts";
import { pauseBinary } from "./pause-binary.ts";
import { hashFiles, type ImageFile, rootTar } from "./root-tar.ts";

export { nodePath } from "./node-root.ts";

/** What an image holds besides Node and its libraries, and how it starts. */
export interface ImageSpec {
  /** Lower case; the image's name is `vaultbuddy-devstack/<name>:<content hash>`. */
  readonly name: string;
  readonly files?: readonly ImageFile[];
  readonly entryPoint?: readonly string[];
  readonly command?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly user?: string;
  readonly workingDirectory?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/** Where images are built and which Node goes into them. */
export interface Builder {
  /** As for `connectDocker`. */
  readonly dockerHost?: string;
  /** The Node binary; symbolic links are followed. Default: the one that runs this. */
  readonly nodeBinary?: string;
}

/** One layer in the engine is filled through this; an image of 150 MB on a slow disk takes a while. */
const importDeadlineMs = 300_000;
const searchPath = "/usr/local/bin:/usr/bin:/bin";

/**
 * Makes the image unless one of the same content is there, and answers its name. Several may ask for the same at once:
 * each makes it, the last one keeps the tag.
 */
export async function buildImage(
  spec: ImageSpec,
  builder: Builder = {},
): Promise<string> {
  const docker = connectDocker(builder.dockerHost);
  const base = await nodeBase(docker, builder.nodeBinary ?? process.execPath);
  const files = spec.files ?? [];
  const changes = changesOf(spec);
  const digest = createHash("sha256").update(
    JSON.stringify([base, changes, await hashFiles(files)]),
  );
  const image = {
    repo: `vaultbuddy-devstack/${spec.name}`,
    tag: digest.digest("hex").slice(0, 16),
  };
  await unlessThere(docker, image, () =>
    derive(docker, base, files, changes, image),
  );
  return nameOf(image);
}

/** The image of the pause container: a program that waits, and nothing else. */
export async function buildPauseImage(
  dockerHost?: string,
  arch: string = process.arch,
): Promise<string> {
  const docker = connectDocker(dockerHost);
  const files = [{ path: "/pause", mode: 0o755, content: pauseBinary(arch) }];
  const image = {
    repo: "vaultbuddy-devstack/pause",
    tag: (await hashFiles(files)).slice(0, 16),
  };
  await unlessThere(docker, image, () =>
    importRoot(docker, files, [`CMD ["/pause"]`], image),
  );
  return nameOf(image);
}

/** Removes the images made here that no container uses and no other image stands on, the newest first. */
export async function removeUnusedImages(builder: Builder = {}): Promise<void> {
  const docker = connectDocker(builder.dockerHost);
  const filters = { label: [`${devstackLabel}=1`] };
  const images = await call(docker.listImages({ filters }));
  for (const { Id } of images.toSorted((a, b) => b.Created - a.Created)) {
    await call(docker.getImage(Id).remove()).catch((error: unknown) => {
      const left =
        error instanceof EngineError && /^(absent|conflict)$/.test(error.kind);
      if (!left) throw error;
    });
  }
}

interface Image {
  readonly repo: string;
  readonly tag: string;
}

function nameOf({ repo, tag }: Image): string {
  return `${repo}:${tag}`;
}

async function nodeBase(docker: Docker, binary: string): Promise<string> {
  const files = await nodeRoot(binary);
  const image = {
    repo: "vaultbuddy-devstack/node",
    tag: (await hashFiles(files)).slice(0, 16),
  };
  const changes = [
    `CMD ${JSON.stringify([nodePath])}`,
    `ENV PATH=${searchPath}`,
    "WORKDIR /app",
  ];
  await unlessThere(docker, image, () =>
    importRoot(docker, files, changes, image),
  );
  return nameOf(image);
}

async function unlessThere(
  docker: Docker,
  image: Image,
  make: () => Promise<void>,
): Promise<void> {
  try {
    await call(docker.getImage(nameOf(image)).inspect());
  } catch (error) {
    if (!(error instanceof EngineError) || error.kind !== "absent") throw error;
    await make();
  }
}

async function importRoot(
  docker: Docker,
  files: readonly ImageFile[],
  changes: readonly string[],
  image: Image,
): Promise<void> {
  const tar = rootTar(files, rootDirectories);
  const progress = await call(
    docker.importImage(tar, {
      ...image,
      changes: [...changes, `LABEL ${devstackLabel}=1`],
    }),
    importDeadlineMs,
  );
  await call(drain(progress), importDeadlineMs);
}

/** Reads the progress of an import to its end: a failure is told there, under a status of 200. */
async function drain(progress: AsyncIterable<unknown>): Promise<void> {
  for await (const line of jsonLines(progress)) {
    if (typeof line === "object" && line !== null && "error" in line) {
      throw new EngineError(
        "refused",
        `the engine did not take the image: ${String(line.error)}`,
      );
    }
  }
}

async function derive(
  docker: Docker,
  base: string,
  files: readonly ImageFile[],
  changes: readonly string[],
  image: Image,
): Promise<void> {
  const container = await call(
    docker.createContainer({ Image: base, Labels: { [devstackLabel]: "1" } }),
  );
  try {
    if (files.length > 0) {
      await call(
        container.putArchive(rootTar(files), { path: "/" }),
        importDeadlineMs,
      );
    }
    await call(container.commit({ ...image, changes }), importDeadlineMs);
  } catch (error) {
    throw engineError(error);
  } finally {
    await call(container.remove({ force: true }));
  }
}

/** The image's settings as the Dockerfile instructions that the Engine API takes. */
function changesOf(spec: ImageSpec): string[] {
  const pairs = (
    values: Readonly<Record<string, string>> | undefined,
    word: string,
  ): string[] =>
    Object.entries(values ?? {}).map(
      ([key, value]) => `${word} ${key}=${quoted(value)}`,
    );
  return [
    ...pairs(spec.env, "ENV"),
    ...pairs({ ...spec.labels, [devstackLabel]: "1" }, "LABEL"),
    ...(spec.workingDirectory === undefined
      ? []
      : [`WORKDIR ${spec.workingDirectory}`]),
    ...(spec.user === undefined ? [] : [`USER ${spec.user}`]),
    ...(spec.entryPoint === undefined
      ? []
      : [`ENTRYPOINT ${JSON.stringify(spec.entryPoint)}`]),
    ...(spec.command === undefined
      ? []
      : [`CMD ${JSON.stringify(spec.command)}`]),
  ];
}

/** A value in a Dockerfile's double quotes, where `$` would name a variable. */
function quoted(value: string): string {
  return JSON.stringify(value).replaceAll("$", "\\$");
}
