import { describe, expect, test } from "vitest";
import { openLaunched } from "./launched.ts";

/** A record as launcher/entrypoint.c writes it. */
function record(args: readonly string[], env: readonly string[]): Buffer {
  const head = Buffer.alloc(136);
  head.write("vaultbuddy-give1", "latin1");
  head.writeUInt32LE(args.length, 16);
  head.writeUInt32LE(env.length, 20);
  head.writeBigUInt64LE(100_000n, 40);
  const strings = [...args, ...env].map((text) =>
    Buffer.from(`${text}\0`, "latin1"),
  );
  return Buffer.concat([head, ...strings]);
}

/** A process whose descriptor 17 holds `bytes` and whose descriptor 18 is written to. */
function open(bytes: Uint8Array, args: readonly string[] = ["17,18"]) {
  const executed: (readonly [string, readonly string[]])[] = [];
  const written: Buffer[] = [];
  const given = openLaunched(args, "/vaultbuddy/lib/become", {
    read: (descriptor) => {
      if (descriptor !== 17) {
        throw Object.assign(new Error("bad descriptor"), { code: "EBADF" });
      }
      return bytes;
    },
    write: (descriptor, all) => {
      expect(descriptor).toBe(18);
      written.push(Buffer.from(all));
    },
    execve: (file, argv) => executed.push([file, argv]),
    resetSignal: () => undefined,
    settle: () => Promise.resolve(),
  });
  /** What become.c reads: the skip, the file and the environment. */
  const plan = () => {
    const all = Buffer.concat(written);
    expect(all.toString("latin1", 0, 16)).toBe("vaultbuddy-plan1");
    const [file, ...env] = all
      .toString("latin1", 24)
      .replace(/\0$/, "")
      .split("\0");
    expect(env.length).toBe(all.readUInt32LE(20));
    return { skip: all.readUInt32LE(16), file, env };
  };
  return { given, executed, plan };
}

describe("what counts as the launcher", () => {
  test("two descriptors as the only argument, the first of which holds its record", () => {
    const { given } = open(record(["env"], ["A=1"]));
    expect(given?.args).toEqual(["env"]);
    expect([...(given?.env ?? [])]).toEqual([["A", "1"]]);
  });

  test("and a third, the socket it has bound, which becomes nobody's", () => {
    const { given, executed } = open(record(["env"], []), ["17,18,19"]);
    expect(given?.listener).toBe(19);
    given?.host.execve("/env", ["env"], {});
    expect(executed).toEqual([
      ["/vaultbuddy/lib/become", ["become", "17", "18", "19"]],
    ]);
  });

  test("and a channel, where the command is to be started by another process", () => {
    const { given, executed, plan } = open(record(["/env"], ["A=1"]), [
      "17,18,19;20",
    ]);
    expect([given?.listener, given?.supervised?.channel]).toEqual([19, 20]);
    given?.supervised?.prepare("/env", { A: "2" });
    expect(plan()).toEqual({ skip: 0, file: "/env", env: ["A=2"] });
    expect(executed).toEqual([]);
    expect(open(record(["/env"], []), ["17,18;20"]).given?.listener).toBe(
      undefined,
    );
  });

  test.each([
    ["another argument behind", ["17,18", "x"]],
    ["descriptors that are not open", ["4,5"]],
    ["a command", ["env"]],
    ["nothing", []],
  ])("not %s", (_name, args) => {
    expect(open(record(["env"], []), args).given).toBeUndefined();
  });

  test("not a descriptor with something else behind it", () => {
    expect(open(Buffer.alloc(200)).given).toBeUndefined();
    expect(open(Buffer.from("vaultbuddy-give1")).given).toBeUndefined();
  });
});

describe("what becomes of the environment", () => {
  test("order and bytes stay, settings go, a secret takes its variable's place, a new one follows", () => {
    const { given, executed, plan } = open(
      record(
        ["--", "env", "-0"],
        ["Z=last\xff", "WIS_MODE=off", "PASSWORD=default", "A=1", "1=one"],
      ),
    );
    given?.host.execve("/bin/env", ["env", "-0"], {
      "1": "one",
      A: "1",
      NEW: "ü",
      PASSWORD: "p",
      Z: given.env.get("Z") ?? "",
    });
    expect(plan()).toEqual({
      skip: 1,
      file: "/bin/env",
      env: ["Z=last\xff", "PASSWORD=p", "A=1", "1=one", "NEW=\xc3\xbc"],
    });
    expect(executed).toEqual([
      ["/vaultbuddy/lib/become", ["become", "17", "18"]],
    ]);
  });

  test("what has no name, or comes twice, stays as it is unless a secret has that name", () => {
    const { given, plan } = open(
      record(["env"], ["=x", "nothing", "A=1", "B=1", "A=2", "B=2"]),
    );
    expect([...(given?.env ?? [])]).toEqual([
      ["A", "1"],
      ["B", "1"],
    ]);
    given?.host.execve("/env", ["env"], { A: "1", B: "secret" });
    expect(plan().env).toEqual(["=x", "nothing", "A=1", "B=secret", "A=2"]);
  });

  test("more than execve takes is refused before there is no way back", () => {
    const { given, executed } = open(record(["env"], []));
    expect(() =>
      given?.host.execve("/env", ["env"], { LONG: "x".repeat(100_000) }),
    ).toThrow(expect.objectContaining({ errno: 7 }));
    expect(executed).toEqual([]);
    given?.host.execve("/env", ["env"], { LONG: "x".repeat(99_900) });
    expect(executed).toHaveLength(1);
  });

  test("a variable called __proto__ is a variable", () => {
    const { given, plan } = open(
      record(["env"], ["__proto__=1", "toString=2"]),
    );
    const env = Object.assign(Object.create(null), { ["__proto__"]: "1" });
    given?.host.execve("/env", ["env"], env as Record<string, string>);
    expect(plan().env).toEqual(["__proto__=1"]);
  });
});
