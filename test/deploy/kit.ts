// What the stories of the installation are made with: images of this repository, built once as the README says, and a
// docker-compose project that is always taken down again.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { spawn } from "node:child_process";
import { noDocker } from "../docker.ts";
import { has, must, run, words } from "../bundle/docker.ts";

export const root = fileURLToPath(new URL("../../", import.meta.url));
/** The images script as a process: building takes longer than other commands may. */
const BUILD_MS = 400_000;
const UP_MS = 240_000;

const absent = ["docker", "docker-compose", "musl-gcc", "strip"].filter(
  (tool) => !has(tool),
);
const required = process.env["REQUIRE_DOCKER"] === "1";
if (absent.length > 0 && !noDocker && !required) {
  process.stderr.write(
    `Stories of the installation are LEFT OUT: this machine lacks ${absent.join(", ")}. Debian: apt-get install docker.io docker-compose musl-tools binutils.\n`,
  );
}
/** True where the stories of the installation have to be left out. With REQUIRE_DOCKER=1 they fail instead. */
export const noInstallation = noDocker || (absent.length > 0 && !required);

/** True where there is no HAProxy to show the filtered socket with. */
export const noHaproxy = !has("haproxy") && !required;
if (noHaproxy && !noInstallation) {
  process.stderr.write(
    "The story of the filtered Docker socket is LEFT OUT: this machine has no HAProxy. Debian: apt-get install haproxy.\n",
  );
}

/** How a program ended, with all that it wrote. */
interface Ended {
  readonly code: number | null;
  readonly output: string;
}

function program(
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  ms: number,
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      timeout: ms,
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (chunk: string) => {
        output += chunk;
      });
    }
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, output }));
  });
}

/** The images, under a tag of their own. */
export class Images {
  readonly tag: string;
  /** Where their folders are laid out. */
  readonly folder: string;
  /** What the script printed. */
  readonly told: string;

  private constructor(tag: string, folder: string, told: string) {
    this.tag = tag;
    this.folder = folder;
    this.told = told;
  }

  static async build(): Promise<Images> {
    const folder = mkdtempSync(join(tmpdir(), "vaultbuddy-images-"));
    const tag = `story-${folder.slice(-6).toLowerCase()}`;
    const script = join(root, "packages/devstack/src/images/main.ts");
    const args = ["--base", "scratch-local", "--tag", tag, "--into", folder];
    const { code, output } = await program(
      process.execPath,
      [script, ...args],
      {},
      BUILD_MS,
    );
    const images = new Images(tag, folder, output);
    if (code !== 0) {
      await images.remove();
      throw new Error(`the images were not built:\n${output}`);
    }
    return images;
  }

  name(image: string): string {
    return `vaultbuddy-${image}:${this.tag}`;
  }

  async inspect(image: string): Promise<ImageFacts> {
    const text = await must("docker", ["image", "inspect", this.name(image)]);
    const [facts] = JSON.parse(text) as ImageFacts[];
    if (facts === undefined) throw new Error(`there is no image ${image}`);
    return facts;
  }

  async remove(): Promise<void> {
    const listed = await run("docker", [
      "images",
      "-q",
      "--filter",
      `reference=vaultbuddy-*:${this.tag}`,
    ]);
    const ids = [
      ...new Set(listed.stdout.split("\n").filter((id) => id !== "")),
    ];
    if (ids.length > 0) await run("docker", ["rmi", "-f", ...ids]);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Of `docker image inspect`. */
export interface ImageFacts {
  readonly Size: number;
  readonly Config: {
    readonly User: string;
    readonly Env: readonly string[] | null;
    readonly Cmd: readonly string[] | null;
    readonly Entrypoint: readonly string[] | null;
    readonly Healthcheck?: { readonly Test: readonly string[] };
    readonly Volumes: Readonly<Record<string, object>> | null;
    readonly WorkingDir: string;
  };
}

/** A docker-compose project of this repository's files. */
export class Project {
  readonly #name: string;
  readonly #env: Readonly<Record<string, string>>;

  constructor(name: string, env: Readonly<Record<string, string>>) {
    this.#name = name;
    this.#env = env;
  }

  /** Runs a command of docker-compose over these files; a code other than 0 is a fault, told with all logs. */
  async compose(
    files: readonly string[],
    ...args: readonly string[]
  ): Promise<string> {
    const { code, output } = await this.#run(files, args);
    if (code !== 0) {
      const logs = await this.#run(files, ["logs", "--no-color"]);
      throw new Error(
        `docker-compose ${args.join(" ")} ended with ${code}:\n${output}\n${logs.output}`,
      );
    }
    return output;
  }

  /** The name of a service's container. */
  container(service: string): string {
    return `${this.#name}_${service}_1`;
  }

  /** Removes all of it, whatever state it is in. */
  async down(files: readonly string[]): Promise<void> {
    await this.#run(files, [
      "down",
      "--volumes",
      "--remove-orphans",
      "--timeout",
      "60",
    ]);
  }

  #run(files: readonly string[], args: readonly string[]): Promise<Ended> {
    const chosen = files.flatMap((file) => ["-f", join(root, file)]);
    return program(
      "docker-compose",
      ["-p", this.#name, ...chosen, ...args],
      this.#env,
      UP_MS,
    );
  }
}

/** This machine's address on Docker's default bridge: its gateway, which older engines leave out when it is the first. */
export async function bridgeGateway(): Promise<string> {
  const format = "{{range .IPAM.Config}}{{.Gateway}} {{.Subnet}}{{end}}";
  const told = await must("docker", [
    ...words("network inspect bridge --format"),
    format,
  ]);
  const [gateway = "", subnet = ""] = told.includes(" ")
    ? told.split(" ")
    : ["", told];
  return gateway === "" ? subnet.replace(/\.\d+\/\d+$/, ".1") : gateway;
}

/** An image of this machine's HAProxy, in the place of the one that a registry has; answers its name. */
export async function haproxyImage(images: Images): Promise<string> {
  const binary = await must("sh", ["-c", "command -v haproxy"]);
  const libraries = await must("ldd", [binary]);
  const paths = [...libraries.matchAll(/(\/\S+) \(0x/g)].map(
    ([, path = ""]) => path,
  );
  const folder = join(images.folder, "haproxy");
  await must("sh", [
    "-c",
    `mkdir -p "$0/root" && tar -chf - "$@" 2>/dev/null | tar -xf - -C "$0/root"`,
    folder,
    binary,
    ...paths,
  ]);
  const name = `vaultbuddy-haproxy:${images.tag}`;
  writeFileSync(
    join(folder, "Dockerfile"),
    `FROM ${images.name("base")}\nCOPY root /\nENTRYPOINT ["${binary}"]\nCMD ["-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]\n`,
  );
  const plain = `vaultbuddy-haproxy-plain:${images.tag}`;
  await must("docker", ["build", "-q", "-t", plain, folder]);
  const proxy = join(root, "deploy/docker-proxy");
  await must("docker", [
    ...words("build -q -t"),
    name,
    ...words(`--build-arg HAPROXY=${plain}`),
    proxy,
  ]);
  return name;
}
