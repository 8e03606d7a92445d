// Marked secrets are driven through every path at the most talkative level; then everything that anybody printed or
// answered is searched for them. One hit anywhere fails.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createConnection } from "node:net";
import { looseTask, notify, Stack } from "@vaultbuddy/devstack";
import type { Daemon, LooseSpec } from "@vaultbuddy/devstack";
import { afterAll, beforeAll, expect, test } from "vitest";

const MARK = "canary-4f2e9b";
const LOUD = { LOG_LEVEL: "trace", DEBUG: "*", NODE_DEBUG: "" };
let stack: Stack;
let url: string;
const answers: string[] = [];

beforeAll(async () => {
  stack = await Stack.start({
    containers: false,
    families: ["plain", "odd"],
    policy: {
      plain: {
        policies: ["plain"],
        transport: "plain",
        secrets: ["secret/plain"],
      },
      odd: { policies: ["odd"], secrets: ["secret/odd"] },
    },
  });
  await stack.admin.ask("POST", "secret/data/sample", {
    data: { DB_PASSWORD: `${MARK}-value` },
  });
  await stack.admin.ask("POST", "secret/data/plain", {
    data: { PLAIN: `${MARK}-value` },
  });
  await stack.admin.ask("POST", "secret/data/odd", {
    data: {
      "no variable name": `${MARK}-value`,
      LIST: [`${MARK}-value`],
      NUL: `${MARK}\u0000value`,
    },
  });
  ({ url } = await stack.startBroker(
    ["--delivery-timeout", "1500ms", "--vault-timeout", "1s"],
    LOUD,
  ));
});
afterAll(() => stack.close());

async function drive(
  spec: LooseSpec,
  env: Record<string, string> = {},
): Promise<Daemon> {
  const task = await looseTask(stack, spec);
  const entrypoint = task.start({
    WIS_LOG_LEVEL: "debug",
    WIS_TIMEOUT: "4s",
    ...env,
  });
  answers.push((await notify(url, task.notice)).text);
  return entrypoint;
}

/** Everything said so far, but for the sample app's own line, whose hashes hold no value. */
function said(): string {
  return [stack.output, ...answers].join("\n");
}

const key = (): string => `${MARK}${"k".repeat(30)}`;

test("served, plain and over TLS", async () => {
  const first = await drive({});
  await first.line((line) => line.fields["app"] === "started");
  await first.stop();
  const plain = { name: "WIS_PLAINTEXT", value: "allow" };
  const second = await drive(
    { family: "plain", container: { environment: [plain] } },
    { WIS_PLAINTEXT: "allow" },
  );
  await second.line((line) => line.fields["app"] === "started");
  await second.stop();
});

test.each<[string, LooseSpec, Record<string, string>]>([
  ["secrets that cannot be variables", { family: "odd" }, {}],
  ["a path that is refused", {}, { WIS_SECRETS: "secret/forbidden" }],
  ["a malformed key", {}, { WIS_HMAC_KEY: MARK }],
  [
    "another key",
    {},
    { WIS_HMAC_KEY: Buffer.from(key()).toString("base64url") },
  ],
  [
    "a secret in the wrong setting",
    {},
    {
      WIS_LISTEN: MARK,
      WIS_TIMEOUT: MARK,
      WIS_UNKNOWN: MARK,
      VAULT_ADDR: MARK,
    },
  ],
  ["another audience", {}, { WIS_CONTAINER_NAME: "other" }],
  ["another Vault", {}, { VAULT_ADDR: "http://127.0.0.1:1" }],
])("refused: %s", async (_name, spec, env) => {
  const entrypoint = await drive(spec, env);
  await entrypoint.exit();
});

test.each([
  "auth/token/create",
  "sys/wrapping/lookup",
  "sys/wrapping/unwrap",
  "auth/token/renew-self",
  "secret/data",
])(
  "a Vault that quotes secrets in its errors at %s",
  async (prefix) => {
    const body = JSON.stringify({
      errors: [`${MARK} in an error`],
      data: { token: MARK },
    });
    for (const fault of [
      { kind: "answer", status: 400, body },
      { kind: "answer", status: 500, body },
      { kind: "answer", status: 200, body },
      {
        kind: "answer",
        status: 200,
        body: `<html>${MARK}</html>`,
        contentType: "text/html",
      },
      { kind: "half" },
    ] as const) {
      stack.vault.faults.add({ prefix, times: 2, ...fault });
      const entrypoint = await drive({});
      stack.vault.faults.clear();
      await entrypoint.stop();
    }
  },
  120_000,
);

test("strangers at the entrypoint's port and at the broker's", async () => {
  const task = await looseTask(stack, {
    env: { WIS_PLAINTEXT: "allow", WIS_STRAY: "reject" },
  });
  const entrypoint = task.start({ WIS_LOG_LEVEL: "debug", WIS_TIMEOUT: "3s" });
  await new Promise((resolve) => setTimeout(resolve, 500));
  for (const text of [
    `GET /${MARK} HTTP/1.1\r\n\r\n`,
    `POST / HTTP/1.1\r\nX: ${MARK}\r\nContent-Length: 5\r\n\r\n${MARK}`,
  ]) {
    await new Promise<void>((resolve) => {
      const socket = createConnection(task.port, stack.aws.hostAddress, () =>
        socket.end(text),
      );
      socket
        .on("data", () => undefined)
        .on("close", () => resolve())
        .on("error", () => resolve());
    });
  }
  answers.push((await notify(url, `{"taskArn":"${MARK}","${MARK}":1}`)).text);
  answers.push((await notify(url, MARK)).text);
  await entrypoint.exit();
});

test("a broker that cannot start says nothing of what it was given", async () => {
  const page = createServer((_request, response) =>
    response.end(`<html>${MARK}</html>`),
  );
  await new Promise<void>((resolve) => page.listen(0, "127.0.0.1", resolve));
  const { port } = page.address() as AddressInfo;
  const starts = [
    stack.startBroker(["--task-life", MARK, "--wrap-ttl", MARK], LOUD),
    stack.startBroker(["--hmac-key-file", stack.write("bad.key", MARK)], LOUD),
    stack.startBroker(
      ["--policies-file", stack.write("bad.json", `{"web":{"ttl":"${MARK}"}}`)],
      LOUD,
    ),
    stack.startBroker([], {
      ...LOUD,
      APPROLE_ROLE_ID: "",
      VAULT_TOKEN: `s.${MARK}`,
    }),
    stack.startBroker([], {
      ...LOUD,
      APPROLE_SECRET_ID_FILE: stack.write("sid", MARK),
    }),
  ];
  for (const ended of await Promise.allSettled(starts)) {
    expect(ended.status).toBe("rejected");
  }
  const away = stack.startBroker(["--vault", `http://127.0.0.1:${port}`], {
    ...LOUD,
    APPROLE_ROLE_ID: MARK,
  });
  await expect(
    Promise.race([
      away,
      new Promise((resolve) => setTimeout(resolve, 3000, "waiting")),
    ]),
  ).resolves.toBe("waiting");
  away.catch(() => undefined);
  page.close();
});

test("nobody said a secret", () => {
  const text = said();
  expect(text.length).toBeGreaterThan(10_000);
  expect(text).toContain("handoff");
  const hits = text
    .split("\n")
    .filter(
      (line) => line.includes(MARK) || /\b[sb]\.[A-Za-z0-9]{24}\b/.test(line),
    );
  // A name in the policy is not a secret, and neither is a path; the mark stands in neither.
  expect(hits).toEqual([]);
  for (const family of ["sample", "plain", "odd"]) {
    expect(text).not.toContain(stack.familyKey(family));
  }
  for (const secret of [stack.masterKey, stack.vault.rootToken]) {
    expect(text).not.toContain(secret);
  }
});
