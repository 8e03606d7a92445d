// The tools' arguments, files and exit codes, with a Docker and a network that are not there.

import { Readable } from "node:stream";
import { systemClock } from "@vaultbuddy/common";
import { expect, test } from "vitest";
import type { DockerWire } from "./image.ts";
import { runTools } from "./program.ts";
import type { Lent } from "./program.ts";

const KEY = "PPdRfsVlbj5U9fa46RKkketChkYaZ1HsDQnA8dA1ZeQ";

/** A Docker that gives one answer to everything. */
function dockerWith(answer: Error | string): DockerWire & { asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    dial: ({ path }, done) => {
      asked.push(path);
      if (typeof answer === "string") {
        done(null, Readable.from([Buffer.from(answer)]));
      } else {
        done(answer, null);
      }
    },
  };
}

async function tool(
  args: readonly string[],
  lent: Partial<Lent> & { readonly files?: Record<string, string> } = {},
): Promise<{ code: number; out: string; err: string }> {
  let out = "";
  let err = "";
  const code = await runTools(args, {
    env: {},
    read: (path) => {
      const text = lent.files?.[path];
      return text === undefined
        ? Promise.reject(Object.assign(new Error(path), { code: "ENOENT" }))
        : Promise.resolve(Buffer.from(text));
    },
    print: (text) => (out += text),
    note: (line) => (err += `${line}\n`),
    docker: () => dockerWith(new Error("no Docker here")),
    clock: systemClock,
    newId: () => "delivery-0001",
    ...lent,
  });
  return { code, out, err };
}

const inspected = JSON.stringify({
  Id: "sha256:0123456789abcdef",
  RepoTags: ["web:1"],
  Os: "linux",
  Architecture: "amd64",
  Config: {
    Entrypoint: null,
    Cmd: ["/app"],
    User: "",
    WorkingDir: "",
    Env: ["PATH=/bin"],
    Healthcheck: { Test: ["NONE"] },
    OnBuild: null,
    Volumes: null,
  },
});

test("help is an answer, of the whole and of each tool", async () => {
  for (const args of [["--help"], ["send", "--help"], ["wrap", "--help"]]) {
    const { code, out } = await tool(args);
    expect(code).toBe(0);
    expect(out).toContain("Usage: vaultbuddy-entrypoint");
  }
});

test.each<[string, string[], RegExp]>([
  ["nothing", [], /no command was given: vaultbuddy-entrypoint -- COMMAND/],
  ["a command without the dashes", ["env"], /vaultbuddy-entrypoint -- env/],
  ["an unknown flag", ["wrap", "--nope", "web"], /--nope/],
  ["no image", ["wrap"], /image/],
  ["no file", ["send", "https://h:9202"], /--env-file/],
  [
    "another scheme",
    ["send", "--env-file", "a", "http://h:9202"],
    /https:\/\/host:port/,
  ],
  [
    "an address with more in it",
    ["send", "--env-file", "a", "https://h:9202/x?y"],
    /https:\/\/host:port/,
  ],
  [
    "no such file",
    ["send", "--env-file", "b", "https://h:9202"],
    /--env-file cannot be read \(ENOENT\)/,
  ],
  [
    "an empty file",
    ["send", "--env-file", "empty", "https://h:9202"],
    /holds no pair/,
  ],
  [
    "a faulty file",
    ["send", "--env-file", "faulty", "https://h:9202"],
    /--env-file: line 1 .*; line 2 /,
  ],
  [
    "too much",
    ["send", "--env-file", "large", "https://h:9202"],
    /too large.*16384 bytes/,
  ],
  [
    "a faulty setting",
    ["send", "--timeout", "soon", "--env-file", "a", "https://h"],
    /--timeout \(WIS_TIMEOUT\) must be/,
  ],
  [
    "two keys",
    ["send", "--hmac-key-file", "key", "--env-file", "a", "https://h"],
    /only one of WIS_HMAC_KEY and/,
  ],
])(
  "%s is wrong usage, told in one line of its own",
  async (_name, args, line) => {
    const files = {
      a: "A=secret",
      empty: "# nothing",
      faulty: "a b=secret\n=secret",
      large: `A=secret${"x".repeat(13_000)}`,
      key: KEY,
    };
    const ran = await tool(args, { files, env: { WIS_HMAC_KEY: KEY } });
    expect(ran.err).toMatch(line);
    expect(ran.err).not.toContain("secret");
    expect(ran.code).toBe(2);
  },
);

test.each([
  ["no key", {}, /one of WIS_HMAC_KEY and --hmac-key-file/],
  [
    "a file without a key",
    { WIS_HMAC_KEY_FILE: "a" },
    /--hmac-key-file .*base64url/,
  ],
  ["no such file", { WIS_HMAC_KEY_FILE: "none" }, /--hmac-key-file .*ENOENT/],
])("%s: nothing is sent", async (_name, env, line) => {
  const ran = await tool(["send", "--env-file", "a", "https://h:9202"], {
    files: { a: "A=secret" },
    env,
  });
  expect(ran).toMatchObject({
    code: 2,
    err: expect.stringMatching(line) as string,
  });
});

test("nobody there in time is an exit code of its own", async () => {
  const ran = await tool(
    ["send", "--timeout", "200ms", "--env-file", "a", "https://127.0.0.1:1"],
    { files: { a: "A=secret" }, env: { WIS_HMAC_KEY: KEY } },
  );
  expect(ran.code).toBe(3);
  expect(ran.err).toMatch(/nobody listens there. Nothing was sent\n$/);
});

test("wrap asks Docker one thing and prints both ways", async () => {
  const docker = dockerWith(inspected);
  const ran = await tool(["wrap", "web:1"], { docker: () => docker });
  expect(ran).toMatchObject({ code: 0, err: "" });
  expect(docker.asked).toEqual(["/images/web:1/json"]);
  expect(ran.out).toContain('CMD ["/app"]');
  const json = await tool(["wrap", "web:1", "--json", "--name", "web"], {
    docker: () => docker,
  });
  expect(JSON.parse(json.out)).toMatchObject({ runs: ["/app"] });
  expect(json.out).toContain('"name": "web"');
});

test.each(["0123", "sha256:0123456789abcdef"])(
  "an image named by its id %s is written by its name",
  async (id) => {
    const docker = (): DockerWire => dockerWith(inspected);
    const { out } = await tool(["wrap", id, "--json"], { docker });
    expect(JSON.parse(out)).toMatchObject({ image: "web:1" });
  },
);

test("a command with flags stands behind two dashes", async () => {
  const docker = (): DockerWire => dockerWith(inspected);
  const { out } = await tool(
    ["wrap", "web:1", "--json", "--", "nginx", "-g", "x"],
    { docker },
  );
  expect(JSON.parse(out)).toMatchObject({ runs: ["nginx", "-g", "x"] });
});

test.each<[string, string, Error | string, number, RegExp]>([
  [
    "an image that is not there",
    "nope",
    Object.assign(new Error("x"), { statusCode: 404 }),
    1,
    /no image nope here.*docker pull nope/,
  ],
  [
    "a Docker with a fault",
    "web",
    Object.assign(new Error("x"), { statusCode: 500 }),
    3,
    /answered 500/,
  ],
  [
    "no Docker",
    "web",
    Object.assign(new Error("x"), { code: "ECONNREFUSED" }),
    3,
    /ECONNREFUSED.*DOCKER_HOST/,
  ],
  ["something else", "web", "<html>", 3, /no Docker: .*JSON/],
  [
    "another shape",
    "web",
    '{"Config":{"Cmd":"x"}}',
    3,
    /no Docker: Config\.Cmd/,
  ],
  [
    "an answer without end",
    "web",
    "x".repeat(5 * 1024 * 1024),
    3,
    /cannot be asked/,
  ],
  ["a name that leads elsewhere", "../containers", "{}", 2, /IMAGE must be/],
])("%s", async (_name, image, answer, code, line) => {
  const docker = dockerWith(answer);
  const ran = await tool(["wrap", image], { docker: () => docker });
  expect(ran).toMatchObject({
    code,
    out: "",
    err: expect.stringMatching(line) as string,
  });
});

test("a DOCKER_HOST that cannot be is told", async () => {
  const docker = (): never => {
    throw new Error("bad");
  };
  const ran = await tool(["wrap", "web"], { docker });
  expect(ran).toMatchObject({
    code: 2,
    err: expect.stringContaining("DOCKER_HOST") as string,
  });
});
