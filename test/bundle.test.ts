// The contract of the bundle: in front of any image, whatever the image sets, the command finds everything as it would
// be without the entrypoint. A probe prints all that a process can see of its start; the two outputs are equal.

import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { must, run, words } from "./bundle/docker.ts";
import type { Ran } from "./bundle/docker.ts";
import { Kit, madeKinds, noBundle } from "./bundle/kit.ts";
import type { Start } from "./bundle/kit.ts";
import type { Kind } from "./bundle/roots.ts";

/** Values that would break a Node, a loader or an OpenSSL that took them. */
const hostile = {
  LD_PRELOAD: "/no/such/library.so",
  LD_LIBRARY_PATH: "/proc/self/cwd",
  LD_BIND_NOW: "1",
  GLIBC_TUNABLES: "glibc.malloc.check=3",
  NODE_OPTIONS: "--require /no/such/module.js",
  NODE_EXTRA_CA_CERTS: "/no/such/ca.pem",
  NODE_TLS_REJECT_UNAUTHORIZED: "0",
  NODE_DEBUG: "net,http,tls",
  NODE_V8_COVERAGE: "/coverage",
  NODE_PATH: "/no/such/modules",
  NODE_PENDING_DEPRECATION: "1",
  OPENSSL_CONF: "/no/such/openssl.cnf",
  OPENSSL_MODULES: "/no/such",
  SSL_CERT_FILE: "/no/such/ca.pem",
  SSL_CERT_DIR: "/no/such",
  SSLKEYLOGFILE: "/keys.log",
  UV_THREADPOOL_SIZE: "0",
  HTTPS_PROXY: "http://127.0.0.1:1",
};

const environment = (pairs: Readonly<Record<string, string>>): string[] =>
  Object.entries(pairs).flatMap(([name, value]) => ["-e", `${name}=${value}`]);

/** The most confined container that Docker makes. */
const confined = words(
  "--read-only --user 4711:4712 --group-add 815 --cap-drop ALL --security-opt no-new-privileges --pids-limit 64 --memory 128m --ipc none",
);

/** The probe's output without what Docker makes different each time. */
function comparable(output: string, { options = [] }: Start): string {
  // Below an init process the number depends on how many helpers were there before.
  const lines = output
    .replace(/^pid (\d+) parent 1 group \1 /m, "pid N parent 1 group N ")
    .split("\n");
  // The variables of -e come in another order each time.
  const loose = (line: string): boolean =>
    options.includes("-e") && line.startsWith("variable ");
  return [
    ...lines.filter(loose).toSorted(),
    ...lines.filter((line) => !loose(line)),
  ].join("\n");
}

describe.skipIf(noBundle)("in front of any image", () => {
  let kit: Kit;
  beforeAll(async () => {
    kit = await Kit.make();
  }, 180_000);
  afterAll(() => kit?.close());

  /** Compares the two outputs, and what was written to stderr; answers the probe's. */
  async function expectSame(kind: Kind, start: Start): Promise<string> {
    const [direct, behind] = await Promise.all([
      kit.direct(kind, start),
      kit.behind(kind, start),
    ]);
    expect(direct.code, direct.stderr).toBe(0);
    expect(comparable(behind.stdout, start), behind.stderr).toBe(
      comparable(direct.stdout, start),
    );
    expect(behind.stderr).toBe(direct.stderr);
    expect(behind.code).toBe(0);
    expect(behind.stdout).toContain("argument ");
    return behind.stdout;
  }

  describe.each(madeKinds)("%s", (kind) => {
    const probe =
      kind === "scratch" || kind === "busybox" ? "/probe" : "probe-libc";

    test("the command sees no difference", async () => {
      const seen = await expectSame(kind, {
        command: [probe, "-c", "an argument", "", "--", "ü"],
      });
      expect(seen).toContain("\npid 1 parent 0 ");
      expect(seen).toContain("\nstdin 0 bytes");
    });

    test("the command sees no difference where nothing may be written and every variable is hostile", async () => {
      const hidden = kind === "scratch" || kind === "busybox";
      // A dynamic probe would itself obey the loader's variables; Node's and OpenSSL's are left to it.
      const variables = Object.entries(hostile).filter(
        ([name]) => hidden || !/^(LD_|GLIBC)/.test(name),
      );
      const seen = await expectSame(kind, {
        options: [...confined, ...environment(Object.fromEntries(variables))],
        command: [probe],
      });
      expect(seen).toContain('variable "NODE_OPTIONS=--require /no/such');
    });

    test("the static command gets the loader's variables, and our Node does not", async () => {
      await expectSame(kind, {
        options: environment(hostile),
        command: ["/probe"],
      });
    });

    test("the command sees no difference at a terminal", async () => {
      const seen = await expectSame(kind, {
        options: ["--tty", "--workdir", "/some/where", "--user", "1000"],
        command: [probe],
      });
      expect(seen).toMatch(/descriptor 0 device .* tty /);
    });

    test("the command sees no difference below an init process", async () => {
      const seen = await expectSame(kind, {
        options: ["--init", "--ulimit", "nofile=300:5000"],
        command: [probe],
      });
      expect(seen).toContain("limit 7 300 5000");
    });
  });

  describe("what Docker never sets, and others do", () => {
    const stage = (...settings: string[]): string[] => [
      "/stage",
      ...settings,
      "--",
    ];

    test("signals: ignored, blocked and pending ones", async () => {
      const numbers = [1, 2, 13, 17, 25, 32, 33, 34, 64];
      const seen = await expectSame("scratch", {
        before: stage(
          ...numbers.map((number) => `ignore=${number}`),
          ...words("block=10 block=12 block=15 block=35"),
          ...words("raise=10 raise=12 raise=35"),
        ),
        command: ["/probe"],
      });
      for (const number of numbers) {
        expect(seen).toContain(`\nsignal ${number} ignored\n`);
      }
      for (const number of [10, 12, 35]) {
        expect(seen).toContain(`\nsignal ${number} default blocked pending\n`);
      }
      expect(seen).toContain("\nsignal 15 default blocked\n");
    });

    test("limits, and the other settings that outlive an exec", async () => {
      const seen = await expectSame("scratch", {
        options: ["--ulimit", "core=-1", "--cap-add", "SYS_NICE"],
        before: stage(
          "files=64",
          "core=4096",
          "stack=1048576",
          "umask=077",
          "nice=5",
          "slack=77777",
          "reaper=1",
          "nonewprivs=1",
          "directory=/proc",
        ),
        command: ["/probe"],
      });
      expect(seen).toMatch(/\nlimit 7 64 /);
      expect(seen).toContain("\nlimit 4 4096 -1\n");
    });

    test("descriptors: inherited ones wherever they are, non-blocking ones", async () => {
      const seen = await expectSame("scratch", {
        before: stage(
          ...[3, 4, 9, 15, 16, 17, 18, 40, 63, 200].map(
            (number) => `open=${number}`,
          ),
          "skip=9",
          "nonblock=0",
          "nonblock=2",
        ),
        command: ["/probe"],
      });
      expect(seen).toMatch(/\ndescriptor 9 file .* at 7 of /);
      expect(seen.match(/^descriptor /gm)).toHaveLength(13);
    });

    test("descriptors: standard ones that are not open", async () => {
      const seen = await expectSame("scratch", {
        before: stage("close=0", "close=2", "open=5"),
        command: ["/probe"],
      });
      expect(seen.match(/^descriptor \d+/gm)).toEqual([
        "descriptor 1",
        "descriptor 5",
      ]);
    });

    test("stdio from and to files", async () => {
      const seen = new Map<string, string>();
      for (const way of ["direct", "behind"] as const) {
        const ran = await kit[way]("scratch", {
          options: ["-v", `${kit.out}:/out`],
          before: stage(
            "stdin=/stage",
            "skip=0",
            `stdout=/out/${way}`,
            `stderr=/out/${way}.err`,
          ),
          command: ["/probe", "-c"],
        });
        expect(ran).toEqual({ code: 0, stdout: "", stderr: "" });
        seen.set(way, await readFile(join(kit.out, way), "latin1"));
      }
      expect(seen.get("behind")).toBe(seen.get("direct"));
      expect(seen.get("behind")).toMatch(/\ndescriptor 0 file .* at 7 of /);
      expect(seen.get("behind")).toMatch(/\nstdin [1-9]\d+ bytes/);
    });

    test("bytes that are no text, names that come twice, entries without a name", async () => {
      const seen = await expectSame("scratch", {
        before: stage(
          "variable=BYTES=\\xff\\xfe",
          "variable=\\xe9=1",
          "variable=A=1",
          "variable=A=2",
          "variable==nameless",
          "variable=alone",
          "variable=9=nine",
          "variable=__proto__=1",
          "variable=PATH=/two",
        ),
        command: ["/probe", "\\xff\\x01\\xc3", "\\xf0\\x9f"],
      });
      expect(seen).toContain('argument "\\xff\\x01\\xc3"');
      expect(seen).toContain('variable "BYTES=\\xff\\xfe"');
    });

    test("as much as the kernel takes", async () => {
      const long = "x".repeat(100_000);
      await expectSame("scratch", {
        options: ["-e", `LONG=${long}`],
        before: stage(
          ...Array.from({ length: 9 }, (_, at) => `variable=L${at}=${long}`),
        ),
        command: ["/probe", long],
      });
    });
  });

  describe("how it ends", () => {
    test.each<[string, Kind, string[], number]>([
      ["the command's own code", "busybox", ["sh", "-c", "exit 7"], 7],
      ["the command's own signal", "busybox", ["sh", "-c", "kill -9 $$"], 137],
      ["a command that is not there", "busybox", ["nope"], 127],
      ["a file that is not there", "scratch", ["/nope"], 127],
      ["a file that is no program", "busybox", ["/etc/passwd"], 126],
      ["no command", "scratch", [], 127],
      ["only the two dashes", "scratch", ["--"], 127],
    ])("%s", async (_name, kind, command, code) => {
      const behind = await kit.behind(kind, {
        options: ["--init"],
        command,
      });
      expect(behind.code, behind.stderr).toBe(code);
      if (code > 120 && code < 130) {
        expect(behind.stderr).toMatch(
          /^vaultbuddy-entrypoint: error: .* \(exit 12[67]\)\n$/,
        );
      }
    });

    test("programs that cannot start, and a script without its first line", async () => {
      const program = await readFile(kit.programs.probe);
      // e_machine in the ELF header: a machine that nobody has.
      program.writeUInt16LE(0xbeef, 18);
      await writeFile(join(kit.out, "foreign"), program, { mode: 0o755 });
      await writeFile(join(kit.out, "script"), "echo run by the shell $1\n");
      await chmod(join(kit.out, "script"), 0o755);
      const options = words(
        `-v ${kit.programs.glibcProbe}:/glibc:ro -v ${kit.out}:/out:ro`,
      );
      const start = (...command: string[]): Promise<Ran> =>
        kit.behind("busybox", { options, command });
      const lacking = await start("/glibc");
      expect(lacking.code).toBe(127);
      expect(lacking.stderr).toMatch(/ld-linux.*"\/glibc" needs, is not in/);
      const foreign = await start("/out/foreign");
      expect(foreign.code).toBe(126);
      expect(foreign.stderr).toContain("neither a program for this machine");
      expect(await start("/out/script", "x")).toEqual({
        code: 0,
        stdout: "run by the shell x\n",
        stderr: "",
      });
    });
  });

  describe("while it waits", () => {
    const settings = environment({
      ...hostile,
      VAULT_ADDR: "http://127.0.0.1:8200",
      WIS_HMAC_KEY: "PPdRfsVlbj5U9fa46RKkketChkYaZ1HsDQnA8dA1ZeQ",
      WIS_TASK_ARN:
        "arn:aws:ecs:us-east-1:123456789012:task/default/0123456789abcdef0123456789abcdef",
      WIS_CONTAINER_NAME: "web",
      WIS_LOG_LEVEL: "info",
      WIS_TIMEOUT: "60s",
    });

    /** Starts a container that waits, and resolves with its id once it listens. */
    async function wait(...options: string[]): Promise<string> {
      const id = await must("docker", [
        "run",
        "-d",
        ...confined,
        ...kit.mount,
        ...settings,
        ...options,
        kit.image("busybox"),
        "/vaultbuddy/entrypoint",
        "/probe",
      ]);
      for (let tries = 0; tries < 100; tries += 1) {
        const { stderr } = await run("docker", ["logs", id]);
        if (stderr.includes("waiting for the delivery")) {
          return id;
        }
        expect(stderr).toBe("");
      }
      throw new Error("it does not listen");
    }

    /** Runs something in the waiting container. */
    const ask = (id: string, ...command: string[]): Promise<string> =>
      must("docker", ["exec", id, "/bin/busybox", ...command]);

    test("nothing of the image is in it: no variable, no library, no argument", async () => {
      const id = await wait();
      try {
        expect(await ask(id, "cat", "/proc/1/environ")).toBe(
          "LD_LIBRARY_PATH=/vaultbuddy/lib\0",
        );
        const maps = await ask(id, "cat", "/proc/1/maps");
        const files = new Set(maps.match(/(?<=\s)\/\S+/g));
        expect(
          [...files].filter((path) => !path.startsWith("/vaultbuddy/lib/")),
        ).toEqual([]);
        expect(await ask(id, "cat", "/proc/1/cmdline")).not.toContain("probe");
        expect(await ask(id, "readlink", "/proc/1/exe")).toBe(
          "/vaultbuddy/lib/node",
        );
        expect(await ask(id, "cat", "/proc/1/limits")).toMatch(
          /Max core file size +0 /,
        );
      } finally {
        await run("docker", ["rm", "-f", id]);
      }
    });

    test.each([
      ["its default", "", "00000000:23F2"],
      ["any address", ":9300", "00000000:2454"],
      ["an address", "127.0.0.1:9300", "0100007F:2454"],
      ["any address of IPv6", "[::]:9300", `${"0".repeat(32)}:2454`],
      ["a name, which only Node can look up", "localhost:9300", ":2454"],
    ])("it listens on %s", async (_name, text, socket) => {
      const id = await wait("-e", `WIS_LISTEN=${text}`);
      try {
        const tables = await ask(id, "cat", "/proc/net/tcp", "/proc/net/tcp6");
        const listening = tables
          .split("\n")
          .map((line) => line.trim().split(/\s+/))
          .flatMap(([, local = "", , state]) =>
            state === "0A" ? [local] : [],
          );
        expect(listening).toHaveLength(1);
        expect(listening[0]).toContain(socket);
      } finally {
        await run("docker", ["rm", "-f", id]);
      }
    });

    test("an address that another one listens on is told with its own code", async () => {
      const id = await wait();
      try {
        const second = await run("docker", [
          ...words(`run --rm --network container:${id}`),
          ...kit.mount,
          ...settings,
          kit.image("scratch"),
          ...words("/vaultbuddy/entrypoint /probe"),
        ]);
        expect(second.stderr).toContain("EADDRINUSE");
        expect(second.code).toBe(222);
      } finally {
        await run("docker", ["rm", "-f", id]);
      }
    });

    test("it finds Vault by name, whatever the image's nsswitch.conf says", async () => {
      const network = `${kit.volume}-network`;
      await must("docker", ["network", "create", network]);
      const vault = await must("docker", [
        ...words(`run -d --network ${network} --name ${kit.volume}-vault`),
        kit.image("busybox"),
        ...words("/bin/busybox nc -l -p 8200"),
      ]);
      const id = await wait(
        ...words(`--network ${network} -e`),
        `VAULT_ADDR=http://${kit.volume}-vault:8200`,
      );
      try {
        // It ends when the connection that is opened beforehand has come.
        expect(await must("docker", ["wait", vault])).toBe("0");
      } finally {
        await run("docker", ["rm", "-f", id, vault]);
        await run("docker", ["network", "rm", network]);
      }
    });

    test.each([
      ["SIGTERM", 143],
      ["SIGINT", 130],
      ["SIGHUP", 129],
      ["SIGQUIT", 131],
      ["SIGUSR2", 140],
    ])(
      "an image's STOPSIGNAL %s ends it at once, with %i and no kill",
      async (signal, code) => {
        const id = await wait("--stop-signal", signal);
        try {
          await must("docker", ["stop", "-t", "60", id]);
          expect(await must("docker", ["wait", id])).toBe(String(code));
        } finally {
          await run("docker", ["rm", "-f", id]);
        }
      },
    );

    test("SIGUSR1 opens no inspector, and a window that changes its size does not end it", async () => {
      const id = await wait();
      try {
        await must("docker", ["kill", "-s", "USR1", id]);
        await must("docker", ["kill", "-s", "WINCH", id]);
        const sockets = await ask(id, "cat", "/proc/net/tcp");
        // 9229, where Node's inspector would listen.
        expect(sockets).not.toContain(":240D");
        await must("docker", ["kill", "-s", "TERM", id]);
        expect(await must("docker", ["wait", id])).toBe("143");
      } finally {
        await run("docker", ["rm", "-f", id]);
      }
    });
  });

  describe("the image that carries it", () => {
    test("the copy in the volume is whole, readable by all and writable by none", async () => {
      const { stdout } = await kit.direct("busybox", {
        options: kit.mount,
        command: [
          ...words("sh -c"),
          'cd /vaultbuddy && find . -type f -exec stat -c "%a %n" {} + | sort; find . ! -perm -555 -type d; sha256sum lib/node | cut -c 1-64',
        ],
      });
      expect(stdout).toMatch(/555 \.\/entrypoint\n/);
      expect(stdout).toMatch(/555 \.\/lib\/become\n/);
      expect(stdout).toMatch(/444 \.\/lib\/entrypoint\.js\n/);
      expect(stdout).not.toMatch(/vaultbuddy-new/);
      const own = await must("sha256sum", [
        join(kit.dist, "vaultbuddy/lib/node"),
      ]);
      expect(stdout.trim().split("\n").at(-1)).toBe(own.slice(0, 64));
    });

    test("it may run again over its own copy", async () => {
      const again = await run("docker", [
        ...words(`run --rm -v ${kit.volume}:/elsewhere ${kit.carrier}`),
        "/elsewhere",
      ]);
      expect(again).toEqual({ code: 0, stdout: "", stderr: "" });
    });

    test.each([
      ["no volume", [], /there is no directory \/volume: mount the volume/],
      [
        "a volume that may not be written to",
        ["-v", "VOLUME:/volume:ro"],
        /cannot create .*Read-only file system/,
      ],
      [
        "another user",
        ["-v", "VOLUME:/volume", "--user", "4711"],
        /cannot create .*Permission denied/,
      ],
    ])("it says so when there is %s", async (_name, options, message) => {
      const ran = await run("docker", [
        ...words("run --rm"),
        ...options.map((option) => option.replace("VOLUME", kit.volume)),
        kit.carrier,
      ]);
      expect(ran.code).toBe(1);
      expect(ran.stderr).toMatch(message);
    });
  });
});
