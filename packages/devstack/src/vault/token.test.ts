import { expect, test } from "vitest";
import { describeToken, TokenStore } from "./token.ts";
import type { NewToken, Token } from "./token.ts";
import { grantTtl, systemLease } from "./ttl.ts";

const start = Date.UTC(2026, 0, 1);

class Clock {
  time = start;
  readonly now = (): number => this.time;
}

function wanted(changes: Partial<NewToken> = {}): NewToken {
  return {
    parent: "",
    policies: ["default"],
    path: "auth/token/create",
    meta: null,
    displayName: "token",
    numUses: 0,
    ttl: 10_000,
    explicitMaxTtl: 0,
    period: 0,
    type: "service",
    entityId: "",
    role: "",
    boundCidrs: [],
    renewable: true,
    lease: { ttl: 10_000, period: 0, explicitMaxTtl: 0 },
    ...changes,
  };
}

function family(store: TokenStore, ...ttls: number[]): Token[] {
  const tokens: Token[] = [];
  for (const ttl of ttls)
    tokens.push(store.create(wanted({ ttl, parent: tokens.at(-1)?.id ?? "" })));
  return tokens;
}

test("a token ends exactly at its time, by name and by accessor", () => {
  const clock = new Clock();
  const store = new TokenStore(clock.now);
  const { id, accessor } = store.create(wanted());
  clock.time += 9999;
  expect(store.find(id)?.id).toBe(id);
  clock.time += 1;
  expect(store.find(id)).toBeUndefined();
  expect(store.byAccessor(accessor)).toBeUndefined();
  expect(store.accessors()).toEqual([]);
});

test("a token without a TTL never ends", () => {
  const clock = new Clock();
  const store = new TokenStore(clock.now);
  const { id } = store.create(wanted({ ttl: 0 }));
  clock.time += 1000 * systemLease;
  expect(store.find(id)).toBeDefined();
});

test("a parent takes all its descendants along when it expires", () => {
  const clock = new Clock();
  const store = new TokenStore(clock.now);
  const tokens = family(store, 5000, 60_000, 60_000);
  clock.time += 5000;
  expect(tokens.map(({ id }) => store.find(id))).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});

test("renewal moves the end, and one token's end doesn't disturb another's", () => {
  const clock = new Clock();
  const store = new TokenStore(clock.now);
  const short = store.create(wanted({ ttl: 1000 }));
  const renewed = store.create(wanted({ ttl: 2000 }));
  store.renew(renewed, 60_000);
  clock.time += 3000;
  expect(store.find(short.id)).toBeUndefined();
  expect(store.find(renewed.id)).toBeDefined();
  expect(describeToken(renewed, clock.now(), true)).toMatchObject({
    ttl: 57,
    last_renewal_time: start / 1000,
  });
  clock.time += 57_000;
  expect(store.find(renewed.id)).toBeUndefined();
});

test("revoke-orphan frees the children, revoke takes them", () => {
  const store = new TokenStore(new Clock().now);
  const [parent, child, grandchild] = family(store, 60_000, 60_000, 60_000);
  if (parent === undefined || child === undefined || grandchild === undefined)
    throw new Error("no family");
  store.revokeOrphan(parent);
  expect(store.find(child.id)?.parent).toBe("");
  store.revokeTree(child);
  expect(store.find(grandchild.id)).toBeUndefined();
});

test("a token in its last use is found only by who asks for tainted ones", () => {
  const store = new TokenStore(new Clock().now);
  const token = store.create(wanted({ numUses: 2 }));
  store.use(token);
  expect(store.find(token.id)?.numUses).toBe(1);
  store.use(token);
  expect(store.find(token.id)).toBeUndefined();
  expect(store.find(token.id, true)?.numUses).toBe(-1);
});

test("a batch token has no accessor and lives from the second it was made in", () => {
  const clock = new Clock();
  clock.time += 700;
  const store = new TokenStore(clock.now);
  const { id, accessor } = store.create(wanted({ type: "batch", ttl: 1000 }));
  expect([accessor, store.accessors()]).toEqual(["", []]);
  clock.time += 300;
  expect(store.find(id)).toBeUndefined();
});

test("unmounting ends the tokens of one path and no others", () => {
  const store = new TokenStore(new Clock().now);
  const inside = store.create(wanted({ path: "auth/up/login/ann" }));
  const outside = store.create(wanted({ path: "auth/upper/login/ann" }));
  store.revokePrefix("auth/up/");
  expect(store.find(inside.id)).toBeUndefined();
  expect(store.find(outside.id)).toBeDefined();
});

const asked = {
  now: start,
  defaultTtl: systemLease,
  systemMax: systemLease,
  increment: 0,
  backendTtl: 0,
  period: 0,
  backendMax: 0,
  explicitMax: 0,
  start,
};

test("increment, role and mount come in this order", () => {
  expect(grantTtl({ ...asked, increment: 5000, backendTtl: 7000 }).ttl).toBe(
    5000,
  );
  expect(grantTtl({ ...asked, backendTtl: 7000 }).ttl).toBe(7000);
  expect(grantTtl({ ...asked, defaultTtl: 9000 }).ttl).toBe(9000);
});

test("the least of the maxima counts from the issue, whole seconds at a time", () => {
  const late = { ...asked, now: start + 3_000_900, increment: 3_600_000 };
  expect(grantTtl({ ...late, explicitMax: 3_600_000 }).ttl).toBe(600_000);
  expect(grantTtl({ ...late, backendMax: 3_060_000 })).toEqual({
    ttl: 60_000,
    warnings: [
      'TTL of "1h" exceeded the effective max_ttl of "1m"; TTL value is capped accordingly',
    ],
  });
  expect(() => grantTtl({ ...late, explicitMax: 3_000_000 })).toThrow(
    "past the max TTL, cannot renew",
  );
});

test("a period beats the increment, has no end of its own, and is capped by the maximum", () => {
  expect(
    grantTtl({
      ...asked,
      period: 60_000,
      increment: 5000,
      now: start + 2 * systemLease,
    }).ttl,
  ).toBe(60_000);
  expect(grantTtl({ ...asked, period: 60_000, explicitMax: 30_000 })).toEqual({
    ttl: 30_000,
    warnings: [
      'period of "1m" exceeded the effective max_ttl of "30s"; period value is capped accordingly',
    ],
  });
  expect(
    grantTtl({
      ...asked,
      period: 60_000,
      explicitMax: 100_000,
      now: start + 70_000,
    }).ttl,
  ).toBe(30_000);
});
