// Containers that hold nothing secret: only the broker's public key. They are served where AWS says whose the address is,
// a delivery counts on one channel only, and what Ed25519 does not prove is shown as well.

import { createServer, request as ask } from "node:https";
import type { Server } from "node:https";
import {
  connect as connectTcp,
  createServer as createTcpServer,
} from "node:net";
import type { AddressInfo } from "node:net";
import {
  generateSigningKey,
  privatePem,
  publicJwk,
  publicPem,
} from "@vaultbuddy/common";
import {
  appLine,
  looseTask,
  notify,
  readAppLine,
  runSample,
  Stack,
} from "@vaultbuddy/devstack";
import type { Daemon, LooseSpec, LooseTask } from "@vaultbuddy/devstack";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { makeIdentity } from "../entrypoint/src/certificate.ts";
import { keepsToken, lives, living, mintedAccessors } from "./facts.ts";

const pair = generateSigningKey();
const policy = {
  public: { policies: ["public"], proof: "ed25519" },
  short: { policies: ["short"], proof: "ed25519", wrap_ttl: 4 },
  anywhere: { policies: ["anywhere"], proof: "ed25519", listener: "unproven" },
};
const families = Object.keys(policy);
/** The variables that make a container one with a public key; an empty one counts as not given. */
const open = { WIS_HMAC_KEY: "", WIS_PUBLIC_KEY: publicJwk(pair) };
const ownAddress: LooseSpec = {
  family: "public",
  networkMode: "awsvpc",
  env: open,
};

async function startBroker(stack: Stack): Promise<string> {
  const file = stack.write("signing.pem", privatePem(pair));
  const { url } = await stack.startBroker(["--signing-key-file", file]);
  return url;
}

describe("as processes", () => {
  let stack: Stack;
  let url: string;
  const middles: Server[] = [];

  beforeAll(async () => {
    stack = await Stack.start({ containers: false, families, policy });
    url = await startBroker(stack);
  });
  afterAll(() => stack.close());
  afterEach(() => {
    for (const middle of middles.splice(0)) {
      middle.closeAllConnections();
      middle.close();
    }
  });

  test("a task with an address of its own is served, and the app gets its secrets", async () => {
    const task = await looseTask(stack, ownAddress);
    const entrypoint = task.start();
    expect(await notify(url, task.notice)).toMatchObject({ status: 200 });
    await entrypoint.line(({ text }) => text.includes('"app":"started"'));
    await entrypoint.stop();
  });

  test("on a port of the host it is denied, unless the rule says that no listener is proven", async () => {
    const before = mintedAccessors(stack).length;
    const denied = await looseTask(stack, { family: "public", env: open });
    const refused = denied.start();
    const answer = await notify(url, denied.notice);
    expect(answer).toMatchObject({ status: 403, code: "policy_denied" });
    expect(answer.detail).toContain("listener: unproven");
    expect(mintedAccessors(stack)).toHaveLength(before);
    await refused.stop();

    const allowed = await looseTask(stack, { family: "anywhere", env: open });
    const served = allowed.start();
    expect((await notify(url, allowed.notice)).code).toBe("delivered");
    await served.stop();
  });

  test("a container that trusts another broker's key refuses, and what was minted is gone", async () => {
    const other = await looseTask(stack, ownAddress);
    const trusting = other.start({
      WIS_PUBLIC_KEY: publicJwk(generateSigningKey()),
    });
    expect(await notify(url, other.notice)).toMatchObject({
      code: "delivery_refused",
      detail: expect.stringContaining("bad_signature"),
    });
    expect(await lives(stack, mintedAccessors(stack).at(-1) ?? "")).toBe(false);
    await trusting.stop();
  });

  test("Vault's address may come from the signed delivery, and must be the container's own where it has one", async () => {
    const silent = await looseTask(stack, ownAddress);
    const told = silent.start({ VAULT_ADDR: "" });
    expect((await notify(url, silent.notice)).code).toBe("delivered");
    await told.stop();

    const other = await looseTask(stack, ownAddress);
    const stubborn = other.start({ VAULT_ADDR: "https://vault.elsewhere" });
    expect((await notify(url, other.notice)).detail).toContain("wrong_vault");
    await stubborn.stop();
  });

  /** Somebody at the address that ECS names, with a certificate of his own, who sees what is delivered. */
  async function middle(
    answer: (body: Buffer) => Promise<{ status: number; body: string }>,
  ): Promise<number> {
    const { key, cert } = makeIdentity();
    const server = createServer({ key, cert }, (incoming, outgoing) => {
      const chunks: Buffer[] = [];
      incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
      incoming.on("end", () => {
        answer(Buffer.concat(chunks)).then(
          ({ status, body }) => outgoing.writeHead(status).end(body),
          () => outgoing.destroy(),
        );
      });
    });
    middles.push(server);
    await new Promise<void>((resolve) =>
      server.listen(0, "127.0.0.1", resolve),
    );
    return (server.address() as AddressInfo).port;
  }

  const passOn =
    (port: () => number) =>
    (body: Buffer): Promise<{ status: number; body: string }> =>
      new Promise((resolve, reject) => {
        const onward = ask(
          {
            host: "127.0.0.1",
            port: port(),
            method: "POST",
            path: "/",
            headers: { "content-type": "application/jose+json" },
            rejectUnauthorized: false,
          },
          (answer) => {
            let text = "";
            answer
              .setEncoding("utf8")
              .on("data", (chunk: string) => (text += chunk))
              .on("end", () =>
                resolve({ status: answer.statusCode ?? 500, body: text }),
              );
          },
        );
        onward.on("error", reject);
        onward.end(body);
      });

  /** Starts it and lets it listen: a middle has nobody to pass anything on to before. */
  async function waiting(task: LooseTask): Promise<Daemon> {
    const entrypoint = task.start({ WIS_TIMEOUT: "3s", WIS_LOG_LEVEL: "info" });
    await entrypoint.line(({ text }) => text.includes("waiting for the"));
    return entrypoint;
  }

  test("somebody in the middle who passes a delivery on is found out: it is refused, and the token dies", async () => {
    let port = 0;
    const task = await looseTask(stack, {
      ...ownAddress,
      dialledPort: await middle(passOn(() => port)),
    });
    ({ port } = task);
    const entrypoint = await waiting(task);
    const answer = await notify(url, task.notice);
    expect(answer).toMatchObject({ status: 502, code: "delivery_refused" });
    expect(answer.detail).toContain("not_for_me");
    expect(answer.detail).toContain("somebody stands between");
    expect(await lives(stack, mintedAccessors(stack).at(-1) ?? "")).toBe(false);
    expect(await entrypoint.exit()).toBe(227);
    expect(entrypoint.output).toContain("somebody stands between");
    expect(readAppLine(entrypoint.output)).toBeUndefined();
  });

  test("one who opens the token before he passes it on is found out too, and what he holds is dead", async () => {
    let port = 0;
    let stolen = "";
    const thief = async (
      body: Buffer,
    ): Promise<{ status: number; body: string }> => {
      stolen = (await unwrap(body)).token;
      return await passOn(() => port)(body);
    };
    const task = await looseTask(stack, {
      ...ownAddress,
      dialledPort: await middle(thief),
    });
    ({ port } = task);
    const entrypoint = await waiting(task);
    // Refused, though somebody has opened the wrapping: the alarm, and never tried again.
    expect((await notify(url, task.notice)).code).toBe("delivery_uncertain");
    expect(stolen).not.toBe("");
    expect(await lives(stack, mintedAccessors(stack).at(-1) ?? "")).toBe(false);
    expect(await entrypoint.exit()).toBe(227);
    expect((await notify(url, task.notice)).code).toBe("delivery_uncertain");
  });

  test("one who has taken the task's address and answers as its entrypoint would gets the token: no listener is proven", async () => {
    const impostor = async (
      body: Buffer,
    ): Promise<{ status: number; body: string }> => {
      const { jti, accessor } = await unwrap(body);
      return { status: 200, body: JSON.stringify({ jti, accessor }) };
    };
    const task = await looseTask(stack, {
      ...ownAddress,
      dialledPort: await middle(impostor),
    });
    const entrypoint = task.start({ WIS_TIMEOUT: "2s" });
    expect((await notify(url, task.notice)).code).toBe("delivered");
    // What is left to notice it by: the container ends unserved, and Vault's audit log says who unwrapped.
    expect(await entrypoint.exit()).toBe(224);

    // Under a family's key the same impostor does not get as far as a handshake, and nothing is minted.
    const before = mintedAccessors(stack).length;
    const keyed = await looseTask(stack, {
      dialledPort: await middle(impostor),
    });
    const short = await stack.startBroker([], {
      SIGNING_KEY_FILE: `${stack.folder}/signing.pem`,
      DELIVERY_TIMEOUT: "2s",
    });
    expect((await notify(short.url, keyed.notice)).code).toBe(
      "delivery_timeout",
    );
    expect(mintedAccessors(stack)).toHaveLength(before);
  });

  test("after a broken channel a delivery is said to nobody with another certificate; the next one is served", async () => {
    let port = 0;
    let cut = 0;
    const { key, cert } = makeIdentity();
    // He reads the delivery and says nothing. Whoever connects from then on gets to the container itself.
    const listener = createServer({ key, cert }, (incoming) => {
      cut += 1;
      incoming.resume().on("end", () => incoming.socket.destroy());
    });
    const door = createTcpServer((socket) => {
      if (cut === 0) {
        listener.emit("connection", socket);
        return;
      }
      const onward = connectTcp(port, "127.0.0.1");
      for (const side of [socket, onward]) {
        side.on("error", () => undefined);
        side.on("close", () => {
          socket.destroy();
          onward.destroy();
        });
      }
      socket.pipe(onward).pipe(socket);
    });
    await new Promise<void>((resolve) => door.listen(0, "127.0.0.1", resolve));
    const task = await looseTask(stack, {
      ...ownAddress,
      family: "short",
      dialledPort: (door.address() as AddressInfo).port,
    });
    ({ port } = task);
    const entrypoint = task.start({ WIS_LOG_LEVEL: "info" });
    await entrypoint.line(({ text }) => text.includes("waiting for the"));
    const answer = await notify(url, task.notice);
    expect(answer).toMatchObject({ code: "delivery_timeout" });
    expect(cut).toBe(1);
    expect(entrypoint.output).not.toContain("was refused");
    expect(await lives(stack, mintedAccessors(stack).at(-1) ?? "")).toBe(false);

    expect((await notify(url, task.notice)).code).toBe("delivered");
    await entrypoint.stop();
    door.close();
  });

  /** Opens the wrapping token of a delivery, as whoever reads it can. */
  async function unwrap(
    body: Buffer,
  ): Promise<{ jti: string; token: string; accessor: string }> {
    const { payload } = JSON.parse(body.toString()) as { payload: string };
    const { jti, wrap } = JSON.parse(
      Buffer.from(payload, "base64url").toString(),
    ) as { jti: string; wrap: { token: string } };
    const { auth } = (await stack.admin.ask("POST", "sys/wrapping/unwrap", {
      token: wrap.token,
    })) as { auth: { client_token: string; accessor: string } };
    return { jti, token: auth.client_token, accessor: auth.accessor };
  }

  test("a broker without a signing key does not start with a rule that needs one", async () => {
    await expect(stack.startBroker()).rejects.toThrow(
      /the rule public is proven by ed25519: --signing-key-file/,
    );
  });
});

test("in containers of their own address, whose task definition holds the public key for all to see", async () => {
  const stack = await Stack.start({ families, policy });
  try {
    const url = await startBroker(stack);
    await stack.startAgent([url]);
    const task = await runSample(stack, {
      mode: "awsvpc",
      family: "public",
      environment: { ...keepsToken, WIS_PUBLIC_KEY: publicPem(pair) },
      container: { secrets: [] },
    });
    const app = await appLine(stack, task);
    expect(
      Object.keys(app.variables).filter((name) => /^(WIS_|VAULT_)/.test(name)),
    ).toEqual([]);
    expect(await living(stack)).toHaveLength(1);
  } finally {
    await stack.close();
  }
});
