// Plain pairs: what was written is read again, and neither kind of delivery is ever read as the other.

import { describe, expect, test } from "vitest";
import { ShapeError } from "../parse.ts";
import { Secret } from "../secret.ts";
import { parseDelivery } from "./delivery.ts";
import {
  parsePlainDelivery,
  parsePlainReceipt,
  writePlainDelivery,
} from "./plain.ts";

const bytes = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const TASK =
  "arn:aws:ecs:us-east-1:123456789012:task/default/0123456789abcdef0123456789abcdef";
const plain = {
  v: 1,
  iss: "vaultbuddy-send",
  jti: "delivery-0001",
  iat: 1000,
  exp: 1060,
  aud: { taskArn: TASK, containerName: "web", containerId: "abc" },
  plain: { env: { PASSWORD: "marked", EMPTY: "", "spring.url": "ü\n" } },
};
const broker = {
  ...plain,
  iss: "vaultbuddy",
  plain: undefined,
  vault: { addr: "https://vault:8200" },
  wrap: {
    kind: "token",
    token: "s.marked",
    accessorHash: "A".repeat(43),
    creationPath: "auth/token/create/web",
    ttl: 60,
    tokenTtl: 3600,
  },
  secrets: { paths: [], env: {} },
};

describe("plain pairs", () => {
  test("what was written is read again, and no value shows", () => {
    const read = parsePlainDelivery(bytes(plain));
    expect(read.env.get("PASSWORD")).toBeInstanceOf(Secret);
    expect(JSON.stringify([...read.env])).not.toContain("marked");
    expect(JSON.parse(writePlainDelivery(read).toString())).toEqual(plain);
  });

  test("a container that has no name of its own is addressed by none", () => {
    const read = parsePlainDelivery(bytes({ ...plain, aud: {} }));
    expect(read.aud).toEqual({});
  });

  test("a variable may be called like a part of every object", () => {
    const text = JSON.stringify(plain).replace("PASSWORD", "__proto__");
    const read = parsePlainDelivery(Buffer.from(text));
    expect(read.env.get("__proto__")?.expose()).toBe("marked");
    expect(writePlainDelivery(read).toString()).toContain(
      '"__proto__":"marked"',
    );
  });

  test.each<[string, Record<string, unknown>]>([
    ["another version", { v: 2 }],
    ["an unknown field", { extra: 1 }],
    ["a token beside the pairs", { wrap: broker.wrap }],
    ["an address of Vault", { vault: broker.vault }],
    ["a life over a minute", { exp: 1061 }],
    ["no audience at all", { aud: undefined }],
    ["an audience that is no task", { aud: { taskArn: "marked" } }],
    ["an audience with more in it", { aud: { family: "web" } }],
    ["no pairs", { plain: {} }],
    ["a list of pairs", { plain: { env: ["A=marked"] } }],
    ["more beside the pairs", { plain: { env: {}, files: {} } }],
    ["a value that is no text", { plain: { env: { A: 1 } } }],
    ["a value with NUL", { plain: { env: { A: "marked\0" } } }],
    ["a value that is not Unicode", { plain: { env: { A: "\ud800" } } }],
    ["a name with =", { plain: { env: { "A=marked": "" } } }],
    ["a name with a space", { plain: { env: { "A marked": "" } } }],
    ["no name", { plain: { env: { "": "marked" } } }],
  ])("%s is refused and not repeated", (_name, change) => {
    const parse = (): unknown =>
      parsePlainDelivery(bytes({ ...plain, ...change }));
    expect(parse).toThrow(ShapeError);
    expect(parse).not.toThrow(/marked/);
  });

  test("a broker's delivery is none, and plain pairs are no broker's", () => {
    expect(parseDelivery(bytes(broker)).jti).toBe("delivery-0001");
    expect(() => parsePlainDelivery(bytes(broker))).toThrow("iss: ");
    expect(() => parseDelivery(bytes(plain))).toThrow("iss: ");
    // Not even where the issuer is the other's.
    expect(() => parseDelivery(bytes({ ...plain, iss: "vaultbuddy" }))).toThrow(
      ShapeError,
    );
    expect(() =>
      parseDelivery(bytes({ ...broker, plain: plain.plain })),
    ).toThrow(ShapeError);
  });

  test("its receipt names the delivery and nothing else", () => {
    expect(parsePlainReceipt(bytes({ jti: "a" }))).toBe("a");
    expect(() => parsePlainReceipt(bytes({ jti: "a", accessor: "b" }))).toThrow(
      ShapeError,
    );
  });
});
