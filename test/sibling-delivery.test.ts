// A container of the same family holds the key that deliveries are signed with. The wrapping token it names must be one
// that only the broker can have made: one made at a token role. Anybody with any token of Vault can have an answer that
// holds a token wrapped (renew-self, a login), and with a token of his own come a cubbyhole of his own and the names of
// the variables: NODE_OPTIONS, LD_PRELOAD, PATH.

import { request as requestTls } from "node:https";
import {
  accessorHash,
  DELIVERY_TYPE,
  derivePsk,
  familyKey,
  parseKey,
  Secret,
  signJws,
  writeDelivery,
} from "@vaultbuddy/common";
import { looseTask, sampleFamily, Stack } from "@vaultbuddy/devstack";
import { afterAll, beforeAll, expect, test } from "vitest";
import { askVault } from "./ask-vault.ts";

let stack: Stack;
beforeAll(async () => {
  stack = await Stack.start({ containers: false });
});
afterAll(() => stack.close());

interface Answer {
  readonly auth: { readonly client_token: string; readonly accessor: string };
  readonly wrap_info: { readonly token: string; readonly ttl: number };
}

async function vault(
  path: string,
  token: string,
  body: unknown,
  wrap?: string,
): Promise<Answer> {
  const answer = await askVault(stack, path, {
    token,
    body,
    ...(wrap === undefined ? {} : { wrapTtl: wrap }),
  });
  expect(answer["errors"]).toBeUndefined();
  return answer as unknown as Answer;
}

/** As a broker sends it, with the family's key; resolves with the status. */
function post(host: string, port: number, body: Buffer): Promise<number> {
  const key = familyKey(parseKey(stack.familyKey(sampleFamily)));
  const psk = derivePsk(key.key).expose();
  return new Promise((resolve, reject) => {
    const options = {
      host,
      port,
      method: "POST",
      path: "/",
      agent: false as const,
      ciphers: "PSK",
      minVersion: "TLSv1.3" as const,
      ecdhCurve: "X25519",
      ca: [],
      checkServerIdentity: () => undefined,
      pskCallback: () => ({ psk, identity: key.kid }),
      headers: {
        "content-type": DELIVERY_TYPE,
        "content-length": body.length,
      },
    };
    const request = requestTls(options);
    request.once("error", reject);
    request.once("response", (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.end(body);
  });
}

test("a sibling's delivery of a token of his own is refused, though its signature is good", async () => {
  const own = (await stack.admin.ask("POST", "auth/token/create", {
    policies: ["default"],
    ttl: "1h",
  })) as Answer;
  const { client_token: token, accessor } = own.auth;
  await vault("cubbyhole/mine", token, {
    NODE_OPTIONS:
      "--import=data:text/javascript,console.log('SIBLING_CODE_RUNS')",
  });
  const path = "auth/token/renew-self";
  const wrapped = await vault(path, token, {}, "60s");

  const task = await looseTask(stack);
  const victim = task.start({ WIS_LOG_LEVEL: "info" });
  await victim.line((line) => line.text.includes("waiting for the delivery"));
  const { taskArn, containerName, containerId } = task.notice;
  const now = Math.floor(Date.now() / 1000);
  const delivery = signJws(
    writeDelivery({
      jti: "sibling-0001",
      iat: now,
      exp: now + 60,
      aud: { taskArn, containerName, containerId },
      vault: { addr: stack.vault.addr },
      wrap: {
        kind: "token",
        token: new Secret(wrapped.wrap_info.token),
        accessorHash: accessorHash(accessor),
        creationPath: path,
        ttl: wrapped.wrap_info.ttl,
        tokenTtl: 3600,
      },
      secrets: {
        paths: [],
        env: new Map([["NODE_OPTIONS", "cubbyhole/mine#NODE_OPTIONS"]]),
      },
    }),
    [familyKey(parseKey(stack.familyKey(sampleFamily)))],
  );
  const status = await post(stack.aws.hostAddress, task.port, delivery);
  await new Promise((resolve) => setTimeout(resolve, 1500));
  await victim.kill();
  expect(victim.output).not.toContain("SIBLING_CODE_RUNS");
  expect(victim.output).not.toContain('"app":"started"');
  expect(status).toBe(403);
});
