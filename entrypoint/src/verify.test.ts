import {
  familyKey,
  parseKey,
  Refusal,
  signJws,
  writeDelivery,
} from "@vaultbuddy/common";
import { expect, test } from "vitest";
import { IAT, someDelivery, TASK } from "./testing.ts";
import { Intercepted, judge, openDelivery } from "./verify.ts";
import type { Yardstick } from "./verify.ts";

const key = familyKey(parseKey("PPdRfsVlbj5U9fa46RKkketChkYaZ1HsDQnA8dA1ZeQ"));
const other = familyKey(parseKey(Buffer.alloc(32, 9).toString("base64url")));
const by: Yardstick = {
  self: { taskArn: TASK, containerName: "web", containerId: "abc" },
  vault: { addr: "https://vault:8200", ca: "own", namespace: "own" },
  now: IAT,
};
const refused = (code: string) => expect.objectContaining({ code });

test("a delivery opens when one of its signatures is by the family's key", () => {
  const bytes = signJws(writeDelivery(someDelivery()), [other, key]);
  expect(openDelivery(bytes, key)).toEqual(someDelivery());
  expect(() =>
    openDelivery(signJws(writeDelivery(someDelivery()), [other]), key),
  ).toThrow(refused("bad_signature"));
});

test("a payload is not looked at before its signature is good", () => {
  expect(() =>
    openDelivery(signJws(Buffer.from("nonsense"), [other]), key),
  ).toThrow(refused("bad_signature"));
  expect(() =>
    openDelivery(signJws(Buffer.from("nonsense"), [key]), key),
  ).toThrow(refused("bad_delivery"));
});

test.each(["", "null", "[]", "{}", '{"payload":"a","signatures":[]}x', "\xff"])(
  "%j is no delivery",
  (text) => {
    expect(() => openDelivery(Buffer.from(text, "latin1"), key)).toThrow(
      Refusal,
    );
  },
);

test.each([
  ["the first second that is allowed for", IAT - 30, true],
  ["a second before it", IAT - 31, false],
  ["the last second that is allowed for", IAT + 90, true],
  ["a second after it", IAT + 91, false],
])("at %s a delivery counts or not", (_name, now, counts) => {
  const judged = () => judge(someDelivery(), { ...by, now });
  if (counts) {
    expect(judged().delivery.jti).toBe("delivery-0001");
  } else {
    expect(judged).toThrow(refused("expired"));
  }
});

test.each(["taskArn", "containerName", "containerId"] as const)(
  "another %s is not for me",
  (field) => {
    const self = { ...by.self, [field]: "another" };
    expect(() => judge(someDelivery(), { ...by, self })).toThrow(
      refused("not_for_me"),
    );
  },
);

test("a Docker id that the container does not know is not compared", () => {
  const self = { taskArn: TASK, containerName: "web" };
  expect(judge(someDelivery(), { ...by, self }).delivery).toEqual(
    someDelivery(),
  );
});

test("a delivery names the certificate of the channel it comes by, and none where there is none", () => {
  const [own, other] = ["A".repeat(43), "B".repeat(43)];
  const bound = { ...by, certificate: own };
  expect(judge(someDelivery({ tls: own }), bound).delivery.tls).toBe(own);
  expect(() => judge(someDelivery(), bound)).toThrow(refused("bad_delivery"));
  expect(() => judge(someDelivery({ tls: own }), by)).toThrow(
    refused("bad_delivery"),
  );
  const intercepted = () => judge(someDelivery({ tls: other }), bound);
  expect(intercepted).toThrow(refused("not_for_me"));
  expect(intercepted).toThrow(Intercepted);
});

test("the container's own Vault is used, CA and namespace too, when the address is equal", () => {
  const vault = {
    addr: "HTTPS://VAULT:8200/",
    ca: "theirs",
    namespace: "theirs",
  };
  expect(judge(someDelivery({ vault }), by).vault).toBe(by.vault);
  for (const addr of [
    "https://vault",
    "http://vault:8200",
    "https://vault:8200/other",
  ]) {
    expect(() => judge(someDelivery({ vault: { addr } }), by)).toThrow(
      refused("wrong_vault"),
    );
  }
  expect(() =>
    judge(someDelivery({ vault: { addr: "https://a:b@vault:8200" } }), by),
  ).toThrow(refused("bad_delivery"));
});

test("without an own address the delivery's is used, and an own CA only when it names none", () => {
  const { vault: _, ...signed } = { ...by, fallbackCa: "own" };
  const vault = { addr: "https://other/", namespace: "n" };
  expect(judge(someDelivery({ vault }), signed).vault).toEqual({
    addr: "https://other",
    namespace: "n",
    ca: "own",
  });
  expect(
    judge(someDelivery({ vault: { ...vault, ca: "theirs" } }), signed).vault.ca,
  ).toBe("theirs");
});
