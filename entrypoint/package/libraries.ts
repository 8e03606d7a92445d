// What our Node needs besides itself: the loader and the shared libraries that this machine would give it. They are
// taken from here, because no registry has them, and the kernel is the only thing they ask of the machine they run on.

import { execFile } from "node:child_process";
import { basename } from "node:path";
import { promisify } from "node:util";

/** Debian's packages for what bare machines lack. */
const packages: Readonly<Record<string, string>> = {
  "libatomic.so.1": "libatomic1",
  "libstdc++.so.6": "libstdc++6",
  "libgcc_s.so.1": "libgcc-s1",
};

/** Paths on this machine. */
export interface Libraries {
  /** As the binary names it. */
  readonly loader: string;
  readonly shared: readonly string[];
}

/** Asks ldd. Rejects with a sentence that names the missing library and its package. */
export async function librariesOf(binary: string): Promise<Libraries> {
  const { stdout } = await promisify(execFile)("ldd", [binary], {
    timeout: 10_000,
    env: { PATH: "/usr/bin:/bin", LC_ALL: "C" },
  }).catch((cause: unknown) => {
    throw new Error(
      "the bundle is made on Linux with glibc, whose ldd tells which libraries Node needs",
      { cause },
    );
  });
  return parseLdd(stdout);
}

/** Reads lines such as `libm.so.6 => /lib/…/libm.so.6 (0x…)` and `/lib64/ld-linux-x86-64.so.2 (0x…)`. */
function parseLdd(output: string): Libraries {
  const shared: string[] = [];
  let loader: string | undefined;
  for (const line of output.split("\n").map((one) => one.trim())) {
    const missing = /^(\S+) => not found/.exec(line)?.[1];
    if (missing !== undefined) {
      const hint = packages[missing];
      throw new Error(
        `this machine lacks ${missing}, which Node needs` +
          (hint === undefined ? "" : `: install Debian's ${hint}`),
      );
    }
    const path = /^\S+ => (\/\S+) \(0x/.exec(line)?.[1];
    if (path !== undefined) shared.push(path);
    loader ??= /^(\/\S+) \(0x/.exec(line)?.[1];
  }
  if (loader === undefined || !basename(loader).startsWith("ld-linux")) {
    throw new Error("ldd names no loader of glibc for Node");
  }
  return { loader, shared };
}
