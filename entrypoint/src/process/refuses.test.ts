// The real process over its real channel: every row of the table of refusals, as status, code and exit code, what a stray
// does under either rule, and what malformed requests and answers of Vault do.

import { once } from "node:events";
import { connect as connectTls } from "node:tls";
import { connect } from "node:net";
import { accessorHash, deliveryCodes, writeDelivery } from "@vaultbuddy/common";
import type { DeliveryCode } from "@vaultbuddy/common";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { exits } from "../exit.ts";
import { FakeVault, respond } from "./fake-vault.ts";
import {
  channelOptions,
  deliveryFor,
  KEY,
  OTHER_KEY,
  post,
  raw,
  settingsFor,
  sign,
  start,
  TASK,
} from "./harness.ts";
import type { PostOptions } from "./harness.ts";

let vault: FakeVault;

beforeEach(async () => {
  vault = await new FakeVault().start();
  vault.secrets.set("secret/web", { A: "1" });
  vault.mint("wrap-1");
});

afterEach(() => vault.stop());

const now = (): number => Math.floor(Date.now() / 1000);
const good = () =>
  deliveryFor(vault, "wrap-1", {
    secrets: { paths: ["secret/web"], env: new Map() },
  });
/** A signed delivery in which the field at `path` is another one. */
const changed = (path: readonly [string, string?], value: unknown): Buffer => {
  const payload = JSON.parse(writeDelivery(good()).toString()) as Record<
    string,
    unknown
  >;
  const [outer, inner] = path;
  payload[outer] =
    inner === undefined
      ? value
      : { ...(payload[outer] as object), [inner]: value };
  return sign(Buffer.from(JSON.stringify(payload)));
};

interface Row {
  readonly name: string;
  readonly code: DeliveryCode;
  readonly body: () => string | Buffer;
  readonly options?: PostOptions;
  readonly prepare?: () => void;
}

const rows: readonly Row[] = [
  {
    name: "signed with another key",
    code: "bad_signature",
    body: () => sign(good(), [OTHER_KEY]),
  },
  {
    name: "for another task",
    code: "not_for_me",
    body: () => changed(["aud", "taskArn"], TASK.replace(/f$/, "0")),
  },
  {
    name: "for another container",
    code: "not_for_me",
    body: () => changed(["aud", "containerName"], "sidecar"),
  },
  {
    name: "too old",
    code: "expired",
    body: () => sign({ ...good(), iat: now() - 100, exp: now() - 40 }),
  },
  {
    name: "from the future",
    code: "expired",
    body: () => sign({ ...good(), iat: now() + 40, exp: now() + 60 }),
  },
  {
    name: "with another Vault",
    code: "wrong_vault",
    body: () => sign({ ...good(), vault: { addr: "https://vault.evil" } }),
  },
  {
    name: "with a wrapping token that was made elsewhere",
    code: "wrong_creation_path",
    body: () => sign(good()),
    prepare: () => void vault.mint("wrap-1", { path: "sys/wrapping/wrap" }),
  },
  {
    name: "with a wrapping token that lives longer",
    code: "wrong_creation_path",
    body: () => sign(good()),
    prepare: () => void vault.mint("wrap-1", { ttl: 61 }),
  },
  {
    name: "with a wrapping token that was made long ago",
    code: "wrong_creation_path",
    body: () => sign(good()),
    prepare: () =>
      void vault.mint("wrap-1", {
        time: new Date(Date.now() - 70_000).toISOString(),
      }),
  },
  {
    name: "that is no JSON",
    code: "bad_delivery",
    body: () => "<html>not this</html>",
  },
  {
    name: "that is truncated",
    code: "bad_delivery",
    body: () => sign(good()).subarray(0, 300),
  },
  {
    name: "that is empty",
    code: "bad_delivery",
    body: () => "",
  },
  {
    name: "larger than 16 KiB",
    code: "bad_delivery",
    body: () => Buffer.alloc(400_000, "a"),
  },
  {
    name: "of a later version",
    code: "bad_delivery",
    body: () => changed(["v"], 2),
  },
  {
    name: "with a field nobody knows",
    code: "bad_delivery",
    body: () => changed(["wrap", "extra"], 1),
  },
  {
    name: "with the hash of a certificate",
    code: "bad_delivery",
    body: () => sign({ ...good(), tls: accessorHash("a certificate") }),
  },
  {
    name: "as another media type",
    code: "bad_delivery",
    body: () => sign(good()),
    options: { type: "application/json" },
  },
  {
    name: "to another path",
    code: "bad_delivery",
    body: () => sign(good()),
    options: { path: "/healthz" },
  },
  {
    name: "by another method",
    code: "bad_delivery",
    body: () => sign(good()),
    options: { method: "PUT" },
  },
  {
    name: "that expects something odd",
    code: "bad_delivery",
    body: () => "x",
    options: { headers: { expect: "the-unexpected" } },
  },
];

describe.each(rows)("a request $name", ({ code, body, options, prepare }) => {
  test(`is answered ${code} and ends the container with its code`, async () => {
    prepare?.();
    const started = await start(["echo", "ran"], settingsFor(vault));
    const answer = await post(await started.port(), body(), options);
    expect(answer).toMatchObject({
      status: deliveryCodes[code].status,
      type: "application/problem+json",
      body: { code },
    });
    expect(await started.ended).toBe(exits[code].code);
    expect(started.out()).toBe("");
    expect(vault.paths()).not.toContain("sys/wrapping/unwrap");
  });

  test("is sent away with WIS_STRAY=reject, and a good delivery is still taken", async () => {
    prepare?.();
    const started = await start(["echo", "ran"], {
      ...settingsFor(vault),
      WIS_STRAY: "reject",
    });
    const port = await started.port();
    expect(await post(port, body(), options)).toMatchObject({ body: { code } });
    vault.mint("wrap-1");
    expect(await post(port, sign(good()))).toMatchObject({ status: 200 });
    expect(await started.ended, started.err()).toBe(0);
    expect(started.out()).toBe("ran\n");
  });
});

test("after an opened wrapping token another delivery is still taken", async () => {
  const started = await start(["true"], settingsFor(vault));
  const port = await started.port();
  const spent = deliveryFor(vault, "spent", { jti: "delivery-spent" });
  expect(await post(port, sign(spent))).toMatchObject({ status: 410 });
  expect(await post(port, sign(good()))).toMatchObject({ status: 200 });
  expect(await started.ended).toBe(0);
});

test("a token inside that is not the one that was wrapped is ended and answered already_unwrapped", async () => {
  const started = await start(["true"], settingsFor(vault));
  const delivery = good();
  const answer = await post(
    await started.port(),
    sign({
      ...delivery,
      wrap: { ...delivery.wrap, accessorHash: accessorHash("another") },
    }),
  );
  expect(answer).toMatchObject({ status: 410 });
  expect(vault.paths()).toContain("auth/token/revoke-self");
  expect(vault.tokens.size).toBe(0);
  started.child.kill();
});

test("a lost answer to the unwrapping is found out by a lookup, never by a second try", async () => {
  vault.override("sys/wrapping/unwrap", ({ token }, response) => {
    vault.wrapped.delete(token ?? "");
    response.socket?.destroy();
    return "answered";
  });
  const started = await start(["true"], settingsFor(vault));
  const answer = await post(await started.port(), sign(good()));
  expect(answer).toMatchObject({ status: 410 });
  expect(vault.paths()).toEqual([
    "sys/wrapping/lookup",
    "sys/wrapping/unwrap",
    "sys/wrapping/lookup",
  ]);
  started.child.kill();
});

describe.each([
  ["is sealed", 503, '{"errors":["Vault is sealed"]}'],
  ["is a standby", 473, "{}"],
  ["is a proxy's page", 200, "<html>welcome</html>"],
  ["is a proxy's refusal", 400, "<html>bad request</html>"],
  ["is half a document", 200, '{"data":{"creation_path":"auth/'],
  ["has another shape", 200, '{"data":{"creation_path":7}}'],
  ["is huge", 200, `{"data":"${"x".repeat(5_000_000)}"}`],
  ["is a redirect", 307, ""],
])("when Vault's answer to the lookup %s", (_name, status, body) => {
  test("it is vault_unavailable, and the same delivery is taken later", async () => {
    let sick = true;
    vault.override("sys/wrapping/lookup", (_seen, response) => {
      if (!sick) {
        return undefined;
      }
      response.writeHead(status, { location: "https://elsewhere/" });
      response.end(body);
      return "answered";
    });
    const started = await start(["echo", "ran"], settingsFor(vault));
    const port = await started.port();
    expect(await post(port, sign(good()))).toMatchObject({
      status: 503,
      body: { code: "vault_unavailable" },
    });
    sick = false;
    expect(await post(port, sign(good()))).toMatchObject({ status: 200 });
    expect(await started.ended).toBe(0);
    expect(started.out()).toBe("ran\n");
  });
});

test("the same delivery on two connections joins one unwrapping", async () => {
  let letGo = (): void => undefined;
  const asked = new Promise<void>((resolve) => {
    vault.override("sys/wrapping/lookup", (_seen, response) => {
      letGo = () =>
        void respond(response, 200, {
          data: {
            creation_path: "auth/token/create/vaultbuddy-web",
            creation_ttl: 60,
            creation_time: new Date().toISOString(),
          },
        });
      resolve();
      return "answered";
    });
  });
  const started = await start(["true"], settingsFor(vault));
  const port = await started.port();
  const body = sign(good());
  const first = post(port, body);
  const second = post(port, body);
  await asked;
  letGo();
  const receipt = { jti: "delivery-0001", accessor: "accessor-of-wrap-1" };
  expect(await first).toMatchObject({ status: 200, body: receipt });
  expect(await second).toMatchObject({ status: 200, body: receipt });
  expect(await started.ended).toBe(0);
  expect(
    vault.paths().filter((path) => path === "sys/wrapping/unwrap"),
  ).toHaveLength(1);
});

test("until the command runs the same delivery gets the same receipt, and another one ends nothing", async () => {
  let letGo = (): void => undefined;
  vault.override("secret/data/web", (_seen, response) => {
    letGo = () => void respond(response, 200, { data: { data: { A: "1" } } });
    return "answered";
  });
  const started = await start(["echo", "ran"], settingsFor(vault));
  const port = await started.port();
  const body = sign(good());
  const receipt = await post(port, body);
  await started.says("what=unwrap");
  expect(await post(port, body)).toEqual(receipt);
  vault.mint("wrap-2");
  const other = deliveryFor(vault, "wrap-2", { jti: "delivery-0002" });
  expect(await post(port, sign(other))).toMatchObject({ status: 422 });
  expect(vault.wrapped.has("wrap-2")).toBe(true);
  letGo();
  expect(await started.ended).toBe(0);
  expect(started.out()).toBe("ran\n");
});

describe("no stray is", () => {
  const knocks: readonly [string, (port: number) => Promise<unknown>][] = [
    [
      "a connection without a request",
      async (port) => {
        const socket = connect(port, "127.0.0.1");
        await once(socket, "connect");
        socket.destroy();
      },
    ],
    ["a request in plain text", (port) => raw(port, "GET / HTTP/1.1\r\n\r\n")],
    [
      "a handshake with another key",
      (port) => post(port, "x", { key: OTHER_KEY }).catch(() => undefined),
    ],
    [
      "a handshake with another name for the right key",
      (port) =>
        post(port, "x", { key: { ...KEY, kid: "0123456789abcdef" } }).catch(
          () => undefined,
        ),
    ],
    [
      "a request that breaks off",
      async (port) => {
        const socket = connectTls({
          host: "127.0.0.1",
          port,
          ...channelOptions(KEY),
        });
        await once(socket, "secureConnect");
        socket.end(
          "POST / HTTP/1.1\r\ncontent-type: application/jose+json\r\ncontent-length: 10\r\n\r\nabc",
        );
        socket.resume();
        await once(socket, "close");
      },
    ],
  ];

  test.each(knocks)("%s", async (_name, knock) => {
    const started = await start(["true"], settingsFor(vault));
    const port = await started.port();
    await knock(port);
    expect(await post(port, sign(good()))).toMatchObject({ status: 200 });
    expect(await started.ended).toBe(0);
  });
});

test.each([
  ["is no HTTP", "hello\r\n\r\n"],
  [
    "has more than 8 KiB of headers",
    `GET / HTTP/1.1\r\nx: ${"y".repeat(9000)}\r\n\r\n`,
  ],
  ["asks for a tunnel", "CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n"],
])("a stray is what %s", async (_name, bytes) => {
  const started = await start(["true"], settingsFor(vault));
  const socket = connectTls({
    host: "127.0.0.1",
    port: await started.port(),
    ...channelOptions(KEY),
  });
  await once(socket, "secureConnect");
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
  socket.write(bytes);
  await once(socket, "close");
  expect(text).toMatch(/^HTTP\/1.1 422 /);
  expect(text).toContain('"code":"bad_delivery"');
  expect(await started.ended).toBe(exits.bad_delivery.code);
});

test("eight silent strangers do not lock the broker out", async () => {
  const started = await start(["true"], settingsFor(vault));
  const port = await started.port();
  const strangers = Array.from({ length: 8 }, () => connect(port, "127.0.0.1"));
  await Promise.all(strangers.map((socket) => once(socket, "connect")));
  expect(await post(port, sign(good()))).toMatchObject({ status: 200 });
  expect(await started.ended).toBe(0);
  for (const socket of strangers) {
    socket.destroy();
  }
});

test("a proven channel may stand idle before the delivery comes", async () => {
  const started = await start(["true"], settingsFor(vault));
  const port = await started.port();
  const idle = connectTls({ host: "127.0.0.1", port, ...channelOptions(KEY) });
  await started.says("a channel stands");
  const strangers = Array.from({ length: 12 }, () =>
    connect(port, "127.0.0.1").on("error", () => undefined),
  );
  await Promise.all(strangers.map((socket) => once(socket, "connect")));
  const body = sign(good());
  let text = "";
  idle.on("data", (chunk: Buffer) => (text += chunk.toString()));
  idle.write(
    `POST / HTTP/1.1\r\ncontent-type: application/jose+json\r\ncontent-length: ${body.length}\r\n\r\n`,
  );
  idle.write(body);
  await once(idle, "close");
  expect(text).toMatch(/^HTTP\/1.1 200 OK/);
  expect(await started.ended).toBe(0);
  for (const socket of strangers) {
    socket.destroy();
  }
});

test("connections from outside WIS_ALLOW_FROM are dropped", async () => {
  const started = await start(["true"], {
    ...settingsFor(vault),
    WIS_ALLOW_FROM: "10.0.0.0/8, 192.168.1.1",
    WIS_TIMEOUT: "1s",
  });
  const port = await started.port();
  await expect(post(port, sign(good()))).rejects.toThrow();
  expect(await started.ended).toBe(exits.timeout.code);
  expect(vault.requests).toEqual([]);
});

describe("with WIS_PLAINTEXT=allow", () => {
  const plain = () => ({ ...settingsFor(vault), WIS_PLAINTEXT: "allow" });

  test("plain HTTP is taken, strays are sent away, and the switch is told at every start", async () => {
    const started = await start(["true"], {
      ...plain(),
      WIS_ALLOW_FROM: "127.0.0.0/8",
    });
    const port = await started.port();
    expect(await raw(port, "GET / HTTP/1.1\r\n\r\n")).toMatch(/^HTTP\/1.1 422/);
    expect(await raw(port, "\x16\x03\x01 nonsense\r\n\r\n")).toMatch(
      /^HTTP\/1.1 422/,
    );
    expect(await post(port, sign(good()), { plain: true })).toMatchObject({
      status: 200,
    });
    expect(await started.ended).toBe(0);
    expect(started.err()).toContain("WIS_PLAINTEXT=allow");
  });

  test("TLS is not spoken", async () => {
    const started = await start(["true"], plain());
    const port = await started.port();
    await expect(post(port, sign(good()))).rejects.toThrow();
    started.child.kill();
  });

  test("strays end the container where WIS_STRAY=exit says so", async () => {
    const started = await start(["true"], { ...plain(), WIS_STRAY: "exit" });
    const port = await started.port();
    expect(await post(port, "{}", { plain: true })).toMatchObject({
      status: 422,
    });
    expect(await started.ended).toBe(exits.bad_delivery.code);
  });
});
