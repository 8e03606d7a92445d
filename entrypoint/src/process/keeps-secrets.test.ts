// Marked secrets are driven through every path that was thought of, at the most talkative level: none of them may appear
// in anything the entrypoint itself writes or answers.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Secret, writeDelivery } from "@vaultbuddy/common";
import { expect, test } from "vitest";
import { FakeVault, respond } from "./fake-vault.ts";
import {
  deliveryFor,
  KEY_TEXT,
  OTHER_KEY,
  post,
  scratch,
  settingsFor,
  sign,
  start,
} from "./harness.ts";
import type { Started } from "./harness.ts";

const MARK = "MARKEDSECRET";
const WRAP = `hvs.${MARK}-wrapping`;
const base64 = (text: string): string => Buffer.from(text).toString("base64");
const marks = [
  MARK,
  KEY_TEXT,
  Buffer.from(KEY_TEXT, "base64url").toString("hex"),
  Buffer.from(MARK).toString("base64"),
];

type Path = (
  vault: FakeVault,
  started: Started,
  port: number,
) => Promise<unknown>;

const secrets = { paths: ["secret/web"], env: new Map([["B", "kv1/db#b"]]) };
const deliver = (vault: FakeVault, port: number, changes = {}, options = {}) =>
  post(port, sign(deliveryFor(vault, WRAP, { secrets, ...changes })), options);
const breaks =
  (path: string, status: number, body: string): Path =>
  async (vault, _started, port) => {
    vault.override(path, (_seen, response) => {
      response.statusCode = status;
      response.end(body);
      return "answered";
    });
    return deliver(vault, port);
  };

const paths: readonly [string, Path][] = [
  ["all goes well", (vault, _started, port) => deliver(vault, port)],
  [
    "Vault quotes secrets in its errors",
    breaks("secret/data/web", 403, `{"errors":["no ${MARK} for ${WRAP}"]}`),
  ],
  [
    "Vault answers the read with broken JSON",
    breaks("secret/data/web", 200, `{"data":{"data":{"A":"${MARK}`),
  ],
  [
    "Vault answers the lookup with a page",
    breaks("sys/wrapping/lookup", 200, `<html>${MARK}`),
  ],
  [
    "Vault answers the unwrapping with another shape",
    breaks("sys/wrapping/unwrap", 200, `{"auth":{"client_token":["${MARK}"]}}`),
  ],
  [
    "Vault answers the unwrapping with a token no header can hold",
    breaks(
      "sys/wrapping/unwrap",
      200,
      `{"auth":{"client_token":"${MARK}\\n","accessor":"a","renewable":true,"lease_duration":1}}`,
    ),
  ],
  [
    "the renewal is refused with a quotation",
    breaks("auth/token/renew-self", 403, `{"errors":["${MARK}"]}`),
  ],
  [
    "Vault quotes secrets when it is written to",
    breaks("pki/issue/web", 400, `{"errors":["${MARK} is not allowed"]}`),
  ],
  [
    "Vault answers a write with another shape",
    breaks("pki/issue/web", 200, `{"data":["${MARK}"]}`),
  ],
  [
    "a batch is not decrypted and quoted",
    breaks(
      "transit/decrypt/web",
      400,
      `{"data":{"batch_results":[{"plaintext":"","error":"${MARK}"}]}}`,
    ),
  ],
  [
    "a ciphertext holds no text",
    breaks(
      "transit/decrypt/web",
      200,
      `{"data":{"batch_results":[{"plaintext":"${Buffer.from(`${MARK}\xff`, "latin1").toString("base64")}"}]}}`,
    ),
  ],
  [
    "the token is not taken back, with a quotation",
    breaks("auth/token/revoke-self", 403, `{"errors":["${MARK}"]}`),
  ],
  [
    "a secret cannot be a variable",
    async (vault, _started, port) => {
      vault.secrets.set("secret/web", { "bad-name": MARK, NUL: `${MARK}\0` });
      return deliver(vault, port);
    },
  ],
  [
    "a secret is too long",
    async (vault, _started, port) => {
      vault.secrets.set("secret/web", { LONG: MARK.repeat(20_000) });
      return deliver(vault, port);
    },
  ],
  [
    "the accessor is another",
    async (vault, _started, port) => {
      vault.override("sys/wrapping/unwrap", (_seen, response) =>
        respond(response, 200, {
          auth: {
            client_token: `hvs.${MARK}`,
            accessor: "other",
            renewable: true,
            lease_duration: 9,
          },
        }),
      );
      return deliver(vault, port);
    },
  ],
  [
    "the signature is another's",
    (vault, _started, port) =>
      post(port, sign(deliveryFor(vault, WRAP), [OTHER_KEY])),
  ],
  [
    "a signed delivery has secrets where they do not belong",
    async (vault, _started, port) => {
      const payload = JSON.parse(
        writeDelivery(deliveryFor(vault, WRAP)).toString(),
      ) as Record<string, unknown>;
      return post(
        port,
        sign(
          Buffer.from(
            JSON.stringify({ ...payload, [MARK]: MARK }).replace(
              '"v":1',
              `"v":"${MARK}"`,
            ),
          ),
        ),
      );
    },
  ],
  ["a body is the token itself", (_vault, _started, port) => post(port, WRAP)],
  [
    "a URL holds the token",
    (_vault, _started, port) => post(port, "", { path: `/${WRAP}` }),
  ],
  [
    "Vault is gone",
    async (vault, _started, port) => {
      const body = sign(deliveryFor(vault, WRAP));
      vault.stop();
      return post(port, body);
    },
  ],
];

test.concurrent.each(paths)("when %s", async (_name, path) => {
  const vault = await new FakeVault().start();
  vault.mint(WRAP, {
    client: `hvs.${MARK}-client`,
    accessor: "the-accessor",
  });
  vault.secrets.set("secret/web", { A: `${MARK}-value` });
  vault.secrets.set("kv1/db", {
    b: `${MARK}-b`,
    [`${MARK.toLowerCase()}`]: MARK,
  });
  vault.override("pki/issue/web", (_seen, response) =>
    respond(response, 200, { data: { certificate: MARK } }),
  );
  vault.override("transit/decrypt/web", (_seen, response) =>
    respond(response, 200, {
      data: { batch_results: [{ plaintext: base64(MARK) }] },
    }),
  );
  const started = await start(["echo", "ran"], {
    ...settingsFor(vault),
    WIS_LOG_LEVEL: "debug",
    VAULT_TOKEN: MARK,
    VAULT_TRANSIT_KEY_ID: "web",
    REFERENCE: `${MARK}\${vault:kv1/db#b}`,
    WRITTEN: `>>vault:pki/issue/web#certificate#{"common_name":"${MARK}"}`,
    ENCRYPTED: `vault:v1:${base64(MARK)}`,
  });
  const port = await started.port();
  const answer = await path(vault, started, port);
  if (!started.out().includes("ran")) {
    started.child.kill();
  }
  await started.ended;
  const said = started.err() + started.out() + JSON.stringify(answer);
  expect(said).toContain("waiting for the delivery");
  for (const mark of marks) {
    expect(said).not.toContain(mark);
  }
  vault.stop();
});

test("settings that are wrong are named and never shown", async () => {
  const file = join(scratch, "marked-key");
  writeFileSync(file, `${MARK} is not base64url!`);
  const started = await start(["true"], {
    PATH: process.env["PATH"] ?? "",
    WIS_HMAC_KEY_FILE: file,
    WIS_HMAC_KEY: `${MARK}!`,
    WIS_LISTEN: MARK,
    WIS_TASK_ARN: MARK,
    WIS_SECRETS: `//${MARK}`,
    WIS_PREFIX: `${MARK}-`,
    WIS_PASSTHROUGH: `${MARK}-`,
    REFERENCE: `vault:${MARK}`,
    OTHER: `\${vault:${MARK}/x#y`,
    WRITTEN: `>>vault:a/b#c#{"${MARK}"}`,
    VAULT_ADDR: `https://u:${MARK}@vault`,
    [`WIS_${MARK}=`]: "x",
  });
  expect(await started.ended).toBe(220);
  expect(started.err()).not.toContain(`${MARK} `);
  expect(started.err().replaceAll(`WIS_${MARK}`, "")).not.toContain(MARK);
});

test("a secret is hidden wherever it is printed", () => {
  const secret = new Secret(MARK);
  expect(`${String(secret)}${JSON.stringify({ secret })}`).not.toContain(MARK);
});
