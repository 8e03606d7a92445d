// Lays out one folder for each image, dist/images/NAME, with its Dockerfile and the few files that go into it. A plain
// `docker build` of such a folder makes the image, so that neither this repository's tools nor its dependencies are
// needed where images are built.

import { execFile } from "node:child_process";
import {
  chmod,
  copyFile,
  mkdir,
  realpath,
  rename,
  rm,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { bundle, licenseNote, type Bundle, type Program } from "./bundle.ts";

const root = fileURLToPath(new URL("../../../../", import.meta.url));
const images = "packages/devstack/src/images";
/** Node is copied, changed and stripped. */
const BUNDLE_MS = 300_000;

/** One image of the product, or of what it is tried out with. */
export interface Image {
  readonly name: "agent" | "broker" | "entrypoint" | "sample" | "devstack";
  /** From the root of the repository. */
  readonly dockerfile: string;
  readonly programs: readonly Program[];
  /** Files that go in as they are: source and place in the folder. */
  readonly files?: Readonly<Record<string, string>>;
  /** Folders to create, for COPY --chown. */
  readonly folders?: readonly string[];
  /** Made by `npx pnpm bundle`, which needs a C compiler. */
  readonly carriesEntrypoint?: true;
  /** Its jobs are shell scripts. */
  readonly needsShell?: true;
}

const health: Program = {
  source: `${images}/health/main.ts`,
  bundle: "health.cjs",
};

/** In the order in which they are built: the sample takes a folder from the entrypoint's image. */
export const allImages: readonly Image[] = [
  {
    name: "agent",
    dockerfile: "agent/Dockerfile",
    programs: [{ source: "agent/src/main.ts", bundle: "agent.cjs" }, health],
  },
  {
    name: "broker",
    dockerfile: "broker/Dockerfile",
    programs: [
      { source: "broker/src/main.ts", bundle: "broker.mjs" },
      { source: `${images}/place/main.ts`, bundle: "place.cjs" },
      health,
    ],
    folders: ["empty"],
  },
  {
    name: "entrypoint",
    dockerfile: "entrypoint/Dockerfile",
    programs: [],
    carriesEntrypoint: true,
  },
  {
    name: "sample",
    dockerfile: "packages/devstack/sample-app/Dockerfile",
    programs: [],
    files: { "packages/devstack/sample-app/app.cjs": "app.cjs" },
  },
  {
    name: "devstack",
    dockerfile: "packages/devstack/Dockerfile",
    programs: [
      { source: `${images}/tool/main.ts`, bundle: "devstack.mjs" },
      {
        source: `${images}/vault-cli/main.ts`,
        bundle: "bin/vault.cjs",
        interpreter: "/usr/local/bin/node",
      },
    ],
    folders: ["empty"],
    needsShell: true,
  },
];

/** What this machine lends. */
export interface Lent {
  /** The Node binary that goes into the entrypoint's bundle. */
  readonly node: string;
  /** Whether its shell goes along too, for a base that has none. */
  readonly shell: boolean;
}

/** Makes the folder of one image below `into`, in place of what was there; answers where. */
export async function stage(
  image: Image,
  into: string,
  { node, shell }: Lent,
): Promise<string> {
  const folder = join(into, image.name);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  if (image.carriesEntrypoint) await stageEntrypoint(folder, node);
  const bundles: Bundle[] = [];
  for (const program of image.programs) {
    bundles.push(await bundle(program, folder));
  }
  if (bundles.length > 0) {
    await writeFile(join(folder, "LICENSES"), licenseNote(bundles));
  }
  for (const [source, target] of Object.entries(image.files ?? {})) {
    await copyFile(join(root, source), join(folder, target));
  }
  for (const name of image.folders ?? []) await mkdir(join(folder, name));
  if (image.needsShell) await stageCommands(folder, shell);
  await copyFile(join(root, image.dockerfile), join(folder, "Dockerfile"));
  return folder;
}

/** The any-image bundle, made by its own program. */
async function stageEntrypoint(folder: string, node: string): Promise<void> {
  const script = join(root, "entrypoint/package/main.ts");
  await promisify(execFile)(node, [script, folder], {
    timeout: BUNDLE_MS,
  }).catch((error: unknown) => {
    const said: unknown = Reflect.get(Object(error), "stderr");
    throw new Error(
      `the entrypoint's bundle was not made: ${String(said).trim()}`,
    );
  });
}

/** Makes the command `vault` executable under its own name. The shell fits the base `scratch-local`, made here too. */
async function stageCommands(folder: string, shell: boolean): Promise<void> {
  const bin = join(folder, "bin");
  await rename(join(bin, "vault.cjs"), join(bin, "vault"));
  await chmod(join(bin, "vault"), 0o755);
  if (shell) {
    await copyFile(await realpath("/bin/sh"), join(bin, "sh"));
    await chmod(join(bin, "sh"), 0o755);
  }
}
