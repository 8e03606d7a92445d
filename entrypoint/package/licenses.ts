// The note that goes with the bundle: whose work is in it, under which terms, and what was changed. The full texts stand
// beside it where this machine has them.

import { access, copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { places } from "./elf.ts";

/** Licence texts: the name in the bundle, and where a Debian machine keeps it. */
const texts: Readonly<Record<string, string>> = {
  glibc: "/usr/share/doc/libc6/copyright",
  "gcc-libraries": "/usr/share/doc/libgcc-s1/copyright",
  musl: "/usr/share/doc/musl/copyright",
  mustache: fileURLToPath(import.meta.resolve("mustache/LICENSE")),
};

/** Writes `LICENSES` and the folder `licenses` into `folder`. `nodeLicense` is a file, if there is one. */
export async function writeLicenses(
  folder: string,
  versions: { readonly node: string; readonly glibc: string },
  nodeLicense: string,
): Promise<void> {
  await mkdir(join(folder, "licenses"));
  for (const [name, path] of Object.entries({ ...texts, node: nodeLicense })) {
    if (await exists(path)) {
      await copyFile(path, join(folder, "licenses", `${name}.txt`));
    }
  }
  await writeFile(join(folder, "LICENSES"), note(versions));
}

function note({ node, glibc }: { node: string; glibc: string }): string {
  return `What is in this folder, and under which terms. The texts are in licenses/.

entrypoint, install, lib/become, lib/supervise, lib/start.cjs, lib/entrypoint.js, lib/entrypoint.cache
  VaultBuddy, MPL-2.0. The three programs are linked statically with musl (MIT). lib/entrypoint.js
  contains mustache.js (MIT).
lib/node
  Node.js ${node} (MIT, with the licences of what it contains). Symbols were removed, and the path of its loader was
  replaced by ${places.loader}.
lib/ld.so, lib/libc.so.6, lib/libm.so.6, lib/libdl.so.2, lib/libpthread.so.0
  GNU C Library ${glibc} (LGPL-2.1-or-later), as this machine's distribution built it. Changed: in ld.so the paths
  /etc/ld.so.preload and /etc/ld.so.cache were replaced by ${places.none}, in libc.so.6 the path /etc/nsswitch.conf by
  ${places.nsswitch}. They are shared libraries: put others of the same kind in their place if you like. The source is the
  distribution's source package glibc.
lib/libstdc++.so.6, lib/libgcc_s.so.1, lib/libatomic.so.1
  GCC's run-time libraries (GPL-3.0-or-later with the GCC Runtime Library Exception).
`;
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
