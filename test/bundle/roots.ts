// Root filesystems of the kinds that images have, made from what is on this machine: nothing but a static program; busybox
// alone; a C library and no shell, as distroless images are; musl, as Alpine is; and Debian's own files. In each stands
// what would change our Node if it were looked at.

import { existsSync, realpathSync } from "node:fs";
import { access, cp, mkdir, symlink, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { must } from "./docker.ts";

/** The programs that go into the images, compiled. */
export interface Programs {
  readonly probe: string;
  readonly stage: string;
  readonly glibcProbe: string;
  readonly muslProbe: string;
}

/** The kinds of images. */
export const kinds = [
  "scratch",
  "busybox",
  "distroless",
  "musl",
  "debian",
] as const;
export type Kind = (typeof kinds)[number];

const compilerFlags = ["-std=c11", "-Os", "-Wall", "-Wextra", "-Werror"];

/** Compiles the probe and the stage. */
export async function compilePrograms(
  sources: string,
  into: string,
): Promise<Programs> {
  const compile = async (
    compiler: string,
    source: string,
    name: string,
    ...flags: string[]
  ): Promise<string> => {
    const target = join(into, name);
    await must(compiler, [
      ...compilerFlags,
      ...flags,
      "-o",
      target,
      join(sources, source),
    ]);
    return target;
  };
  return {
    probe: await compile("musl-gcc", "probe.c", "probe", "-static", "-s"),
    stage: await compile("musl-gcc", "stage.c", "stage", "-static", "-s"),
    glibcProbe: await compile("gcc", "probe.c", "probe-glibc"),
    muslProbe: await compile("musl-gcc", "probe.c", "probe-musl"),
  };
}

/** Imports the image of one kind as `tag`. */
export async function importRoot(
  kind: Kind,
  programs: Programs,
  folder: string,
  tag: string,
): Promise<void> {
  const root = join(folder, kind);
  await mkdir(root);
  if (kind === "debian") {
    await addDebian(root);
  }
  const files: [string, string][] = [
    [programs.probe, "/probe"],
    [programs.stage, "/stage"],
  ];
  if (kind === "busybox" || kind === "musl") {
    files.push([await must("which", ["busybox"]), "/bin/busybox"]);
    await link(root, "/bin/sh", "busybox");
  }
  if (kind === "musl") {
    const loader = await loaderOf(programs.muslProbe);
    files.push([programs.muslProbe, "/usr/local/bin/probe-libc"]);
    files.push([loader, loader]);
  }
  if (kind === "distroless" || kind === "debian") {
    files.push([programs.glibcProbe, "/usr/local/bin/probe-libc"]);
  }
  if (kind === "distroless") {
    for (const library of await librariesOf(programs.glibcProbe)) {
      files.push([library, library]);
    }
  }
  if (kind !== "scratch") {
    await addTraps(root);
  }
  for (const [from, to] of files) {
    await mkdir(dirname(join(root, to)), { recursive: true });
    await cp(from, join(root, to), { dereference: true });
  }
  const tar = `${root}.tar`;
  await must("tar", ["-C", root, "-cf", tar, "."]);
  await must("docker", ["import", tar, tag]);
}

const debianPackages = [
  "base-files",
  "libc6",
  "dash",
  "coreutils",
  "libselinux1",
  "libpcre2-8-0",
  "libacl1",
  "libattr1",
  "libgmp10",
];

/** Adds what Debian's packages have on this machine, with its links and modes. */
async function addDebian(root: string): Promise<void> {
  const lists = await must("dpkg", ["-L", ...debianPackages]);
  // The packages' lists know nothing of /bin and its like being links into /usr.
  const merged = ["/bin", "/sbin", "/lib", "/lib64"];
  const paths = lists
    .split("\n")
    .filter((path) => /^\/[^.]/.test(path) && existsSync(path))
    .map((path) => join(realpathSync(dirname(path)), basename(path)))
    .filter((path) => !merged.includes(path));
  const list = `${root}.list`;
  await writeFile(list, [...new Set(paths)].join("\n"));
  const tar = `${root}.packages.tar`;
  await must("tar", ["-C", "/", "--no-recursion", "-cf", tar, "-T", list]);
  await must("tar", ["-C", root, "-xf", tar]);
  for (const path of merged) {
    await link(root, path, `usr${path}`);
  }
}

/** Files that a Node of the image's own would read at its start. */
async function addTraps(root: string): Promise<void> {
  const traps: Readonly<Record<string, string>> = {
    "/etc/ld.so.preload": "/no/such/library.so\n",
    "/etc/ld.so.cache": "no cache\n",
    "/etc/ssl/openssl.cnf": "nodejs_conf = broken\n[broken\n",
    "/usr/local/ssl/openssl.cnf": "nodejs_conf = broken\n[broken\n",
    "/etc/nsswitch.conf": "hosts: nosuchmodule\n",
    "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
  };
  for (const [path, text] of Object.entries(traps)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
}

async function link(root: string, path: string, to: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await symlink(to, join(root, path));
}

async function librariesOf(binary: string): Promise<string[]> {
  const paths = (await must("ldd", [binary])).match(/\/\S+(?= \(0x)/g) ?? [];
  for (const path of paths) {
    await access(path);
  }
  return paths;
}

async function loaderOf(binary: string): Promise<string> {
  const found = /interpreter: (\/[^\]]+)\]/.exec(
    await must("readelf", ["-lW", binary]),
  )?.[1];
  if (found === undefined) {
    throw new Error(`${binary} names no loader`);
  }
  return found;
}
