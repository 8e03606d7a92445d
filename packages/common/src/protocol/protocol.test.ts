// Every message, good and bad. What is refused must say where, and never what was there.

import fc from "fast-check";
import { GeneralSign } from "jose";
import { describe, expect, test } from "vitest";
import { deriveFamilyKey } from "../keys.ts";
import { ShapeError } from "../parse.ts";
import { SecretBytes } from "../secret.ts";
import {
  noticeProblem,
  parseDelivered,
  parseDeliveryProblem,
  parseNoticeProblem,
  parseReceipt,
} from "./answer.ts";
import {
  normaliseVaultAddr,
  parseDelivery,
  writeDelivery,
} from "./delivery.ts";
import { parseClusterArn } from "./ecs.ts";
import { signJws, verifyJws } from "./jws.ts";
import { parseNotice } from "./notice.ts";

const ARN =
  "arn:aws:ecs:us-east-1:123456789012:task/main/0123456789abcdef0123456789abcdef";
const notice = {
  taskArn: ARN,
  cluster: "main",
  containerName: "app",
  containerId: "a".repeat(64),
};
const delivery = {
  v: 1,
  iss: "vaultbuddy",
  jti: "delivery-0001",
  iat: 1000,
  exp: 1060,
  aud: { taskArn: ARN, containerName: "app", containerId: "a".repeat(64) },
  vault: { addr: "https://vault:8200" },
  wrap: {
    kind: "token",
    token: "s.marked",
    accessorHash: "A".repeat(43),
    creationPath: "auth/token/create/vaultbuddy-web",
    ttl: 60,
    tokenTtl: 3600,
  },
  secrets: {
    paths: ["secret/web"],
    env: { DB_PASSWORD: "secret/db#password" },
  },
};
const bytes = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const keyOf = (fill: number): ReturnType<typeof deriveFamilyKey> =>
  deriveFamilyKey(
    new SecretBytes(Buffer.alloc(32, fill)),
    "123456789012",
    "web",
  );

describe("notice", () => {
  test("a cluster's name and its ARN mean the same", () => {
    const byName = parseNotice(bytes(notice));
    const arn = "arn:aws:ecs:us-east-1:123456789012:cluster/main";
    expect(byName.cluster.arn).toBe(arn);
    expect(parseNotice(bytes({ ...notice, cluster: arn }))).toEqual(byName);
  });

  test("an ARN of the old format takes its cluster from the notice", () => {
    const old =
      "arn:aws:ecs:us-east-1:123456789012:task/01234567-89ab-cdef-0123-456789abcdef";
    expect(parseNotice(bytes({ ...notice, taskArn: old })).cluster.name).toBe(
      "main",
    );
  });

  test.each<[string, unknown]>([
    [
      "a cluster of another account",
      { ...notice, cluster: "arn:aws:ecs:us-east-1:999999999999:cluster/main" },
    ],
    ["another cluster than the ARN's", { ...notice, cluster: "other" }],
    ["an unknown field", { ...notice, ip: "10.0.0.1" }],
    [
      "a short task id",
      { ...notice, taskArn: "0123456789abcdef0123456789abcdef" },
    ],
    [
      "a task ARN of another service",
      { ...notice, taskArn: ARN.replace(":ecs:", ":ec2:") },
    ],
    ["an ARN with a line after it", { ...notice, taskArn: `${ARN}\n` }],
    ["a path for a container name", { ...notice, containerName: "../app" }],
    ["a number for a container id", { ...notice, containerId: 7 }],
    ["a missing field", { ...notice, containerId: undefined }],
    ["null", null],
    ["a list", [notice]],
    ["text", "notice"],
  ])("%s is refused", (_name, value) => {
    expect(() => parseNotice(bytes(value))).toThrow(ShapeError);
  });

  test("what is no JSON, no UTF-8 or too large is refused", () => {
    expect(() => parseNotice(Buffer.from("<html>"))).toThrow(
      "must be JSON in UTF-8",
    );
    expect(() => parseNotice(Buffer.from([0x22, 0xff, 0x22]))).toThrow(
      "must be JSON in UTF-8",
    );
    expect(() => parseNotice(Buffer.alloc(9000, 0x20))).toThrow(
      "at most 8192 bytes",
    );
  });

  test("no bytes at all make it throw anything but a ShapeError", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.jsonValue(), fc.record({ taskArn: fc.anything() })),
        (value) => {
          try {
            parseNotice(bytes(value));
            return false;
          } catch (error) {
            return error instanceof ShapeError;
          }
        },
      ),
    );
  });
});

describe("delivery", () => {
  test("what was written is read again", () => {
    const read = parseDelivery(bytes(delivery));
    expect(read.wrap.token.expose()).toBe("s.marked");
    expect(JSON.parse(writeDelivery(read).toString())).toEqual(delivery);
  });

  test.each<[string, Record<string, unknown>]>([
    ["another version", { v: 2 }],
    ["another issuer", { iss: "else" }],
    ["an unknown field", { extra: 1 }],
    ["a life over a minute", { exp: 1061 }],
    ["an end before its start", { exp: 1000 }],
    ["a fraction of a second", { iat: 1000.5 }],
    ["no secrets", { secrets: undefined }],
    ["a path that climbs", { secrets: { paths: ["secret/../sys"], env: {} } }],
    [
      "a path with a query",
      { secrets: { paths: ["secret/web?version=1"], env: {} } },
    ],
    [
      "a reference without a key",
      { secrets: { paths: [], env: { A: "secret/web" } } },
    ],
    [
      "a reference that climbs",
      { secrets: { paths: [], env: { A: "secret/..#x" } } },
    ],
    [
      "a variable with a dash",
      { secrets: { paths: [], env: { "A-B": "secret/web#x" } } },
    ],
    ["another kind of wrap", { wrap: { ...delivery.wrap, kind: "cubbyhole" } }],
    [
      "a token with a line in it",
      { wrap: { ...delivery.wrap, token: "s.marked\r\nX: y" } },
    ],
    [
      "an accessor instead of its hash",
      { wrap: { ...delivery.wrap, accessorHash: "abc" } },
    ],
    [
      "a token without the hash of its accessor",
      { wrap: { ...delivery.wrap, accessorHash: undefined } },
    ],
    [
      "a SecretID with the hash of an accessor",
      { wrap: { ...delivery.wrap, kind: "secret_id", tokenTtl: undefined } },
    ],
    [
      "a SecretID with the life of a token",
      {
        wrap: { ...delivery.wrap, kind: "secret_id", accessorHash: undefined },
      },
    ],
    ["no address", { vault: {} }],
    ["an audience that is no task", { aud: { ...delivery.aud, taskArn: "x" } }],
  ])("%s is refused and not repeated", (_name, change) => {
    let message = "";
    try {
      parseDelivery(bytes({ ...delivery, ...change }));
    } catch (error) {
      expect(error).toBeInstanceOf(ShapeError);
      message = error instanceof Error ? error.message : "";
    }
    expect(message).not.toBe("");
    expect(message).not.toContain("marked");
  });

  test.each([
    ["HTTPS://Vault.Example:443/", "https://vault.example"],
    ["http://vault:80", "http://vault"],
    ["https://vault:8200/sub//", "https://vault:8200/sub"],
  ])("%s is compared as %s", (written, form) => {
    expect(normaliseVaultAddr(written)).toBe(form);
  });

  test.each([
    "vault:8200",
    "ftp://vault",
    "https://u:p@vault",
    "https://vault?x",
    "https://vault#x",
    "",
  ])("%s is no address of Vault", (written) => {
    expect(() => normaliseVaultAddr(written)).toThrow(ShapeError);
  });
});

describe("signature", () => {
  const payload = bytes(delivery);

  test("any one of the active keys opens it", () => {
    const signed = signJws(payload, [keyOf(1), keyOf(2)]);
    expect(verifyJws(signed, keyOf(1))).toEqual(payload);
    expect(verifyJws(signed, keyOf(2))).toEqual(payload);
    expect(verifyJws(signed, keyOf(3))).toBeUndefined();
  });

  test("it is what another implementation of RFC 7515 writes", async () => {
    const key = keyOf(1);
    const foreign = await new GeneralSign(payload)
      .addSignature(key.key.expose())
      .setProtectedHeader({ alg: "HS256", kid: key.kid })
      .sign();
    expect(verifyJws(bytes(foreign), key)).toEqual(payload);
    expect(JSON.parse(signJws(payload, [key]).toString())).toMatchObject({
      payload: foreign.payload,
      signatures: [{ signature: foreign.signatures[0]?.signature }],
    });
  });

  test("one flipped bit anywhere in payload, header or signature spoils it", () => {
    const signed = JSON.parse(signJws(payload, [keyOf(1)]).toString()) as {
      payload: string;
      signatures: { protected: string; signature: string }[];
    };
    const flip = (text: string, at: number): string =>
      text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1);
    const [one] = signed.signatures;
    const spoiled = [
      { ...signed, payload: flip(signed.payload, 30) },
      {
        ...signed,
        signatures: [{ ...one, signature: flip(one?.signature ?? "", 3) }],
      },
    ];
    for (const value of spoiled) {
      expect(verifyJws(bytes(value), keyOf(1))).toBeUndefined();
    }
  });

  const header = (value: unknown): string => bytes(value).toString("base64url");
  test.each<[string, Record<string, unknown>]>([
    ["an unprotected header", { header: { alg: "HS256" } }],
    [
      "crit",
      {
        protected: header({
          alg: "HS256",
          kid: "k",
          crit: ["b64"],
          b64: false,
        }),
      },
    ],
    ["no kid", { protected: header({ alg: "HS256" }) }],
    ["a header that is no JSON", { protected: "AAAA" }],
  ])("a signature with %s is refused", (_name, change) => {
    const signed = JSON.parse(signJws(payload, [keyOf(1)]).toString()) as {
      signatures: object[];
    };
    const signatures = [{ ...signed.signatures[0], ...change }];
    expect(() => verifyJws(bytes({ ...signed, signatures }), keyOf(1))).toThrow(
      ShapeError,
    );
  });

  test("alg none is no signature", () => {
    const value = {
      payload: payload.toString("base64url"),
      signatures: [
        {
          protected: header({ alg: "none", kid: keyOf(1).kid }),
          signature: "AA",
        },
      ],
    };
    expect(verifyJws(bytes(value), keyOf(1))).toBeUndefined();
  });

  test("a delivery larger than a receiver reads is not signed", () => {
    expect(() => signJws(Buffer.alloc(13_000), [keyOf(1)])).toThrow(ShapeError);
  });
});

describe("answers", () => {
  test("a receipt is strict", () => {
    expect(parseReceipt(bytes({ jti: "a", accessor: "b" }))).toEqual({
      jti: "a",
      accessor: "b",
    });
    expect(() =>
      parseReceipt(bytes({ jti: "a", accessor: "b", more: 1 })),
    ).toThrow(ShapeError);
    expect(() => parseReceipt(bytes({ jti: "a" }))).toThrow(ShapeError);
    expect(() => parseReceipt(bytes({ jti: "a", accessor: "" }))).toThrow(
      ShapeError,
    );
  });

  test("a receipt of what the application is to open by itself says so", () => {
    expect(parseReceipt(bytes({ jti: "a", accessor: null }))).toEqual({
      jti: "a",
      accessor: null,
    });
  });

  test("a delivered outcome is strict", () => {
    const good = { outcome: "delivered", deliveryId: "d" } as const;
    expect(parseDelivered(bytes(good))).toEqual(good);
    expect(() => parseDelivered(bytes({ ...good, outcome: "maybe" }))).toThrow(
      ShapeError,
    );
  });

  test("a problem is known by its code, and a proxy's page is none", () => {
    const problem = noticeProblem("task_too_old", "too old");
    expect(parseNoticeProblem(bytes({ ...problem, instance: "/x" }))).toEqual(
      problem,
    );
    expect(parseNoticeProblem(Buffer.from("<html>502</html>"))).toBeUndefined();
    expect(parseDeliveryProblem(bytes(problem))).toBeUndefined();
  });
});

test("a cluster ARN is taken apart", () => {
  expect(
    parseClusterArn("arn:aws-cn:ecs:cn-north-1:123456789012:cluster/a-b_1"),
  ).toMatchObject({
    partition: "aws-cn",
    name: "a-b_1",
  });
});
