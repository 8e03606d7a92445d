import { describe, expect, test } from "vitest";
import { vouchedFor } from "../testing.ts";
import type { ClaimRecord, State, Token } from "./record.ts";
import {
  arrows,
  count,
  deliver,
  foundUnopened,
  mint,
  noteMissing,
  release,
  reopen,
  reserve,
  revoke,
  revoked,
  send,
} from "./state.ts";

const token: Token = {
  accessor: "inner",
  wrapAccessor: "wrap",
  wrapExpires: 60,
  tokenExpires: 90,
  creationPath: "auth/token/create/vaultbuddy",
};
const author = { owner: "owner-01", deliveryId: "delivery-01", at: 1 };
const next = { owner: "owner-02", deliveryId: "delivery-02", at: 2 };

const reserved = reserve(vouchedFor(), author);
const counted = count(reserved, 1);
const minted = mint(counted, token, 1);
const sent = send(minted, 1);
const delivered = deliver(sent, 5);
const revoking = revoke(sent, "owner-02", "delivery_timeout", 1);
const released = revoked(revoking, false, 1);
const uncertain = revoked(revoking, true, 1);

const every: Readonly<Record<State, ClaimRecord>> = {
  reserved,
  minted,
  sent,
  delivered,
  revoking,
  released,
  uncertain,
};

const steps: Readonly<
  Record<string, readonly [State, (from: ClaimRecord) => ClaimRecord]>
> = {
  reopen: ["reserved", (from) => reopen(from, next)],
  count: ["reserved", (from) => count(from, 2)],
  mint: ["minted", (from) => mint(from, token, 2)],
  send: ["sent", (from) => send(from, 2)],
  deliver: ["delivered", (from) => deliver(from, 2)],
  release: ["released", (from) => release(from, undefined, 1, 2)],
  revoke: ["revoking", (from) => revoke(from, "owner-02", undefined, 2, token)],
  foundUnopened: ["revoking", (from) => foundUnopened(from, 2)],
  "revoked, unopened": ["released", (from) => revoked(from, false, 2)],
  "revoked, opened": ["uncertain", (from) => revoked(from, true, 2)],
};

/** From where each step may be taken; everything else throws. */
const allowed: Readonly<Record<string, readonly State[]>> = {
  reopen: ["delivered", "released"],
  count: ["reserved"],
  mint: ["reserved"],
  send: ["minted"],
  deliver: ["sent"],
  release: ["reserved"],
  revoke: ["reserved", "minted", "sent", "revoking"],
  foundUnopened: ["revoking"],
  "revoked, unopened": ["revoking"],
  "revoked, opened": ["revoking"],
};

describe("the arrows", () => {
  for (const [name, [to, step]] of Object.entries(steps)) {
    for (const from of Object.keys(every) as State[]) {
      const may = allowed[name]?.includes(from) === true;
      test(`${name} ${may ? "leads" : "does not lead"} from ${from} to ${to}`, () => {
        if (may) {
          expect(step(every[from]).state).toBe(to);
          expect(arrows[from]).toContain(to);
        } else {
          expect(() => step(every[from])).toThrow(/does not go/);
        }
      });
    }
  }

  test("nothing leads away from uncertain", () => {
    expect(arrows.uncertain).toEqual(["uncertain"]);
  });
});

describe("what a step keeps and changes", () => {
  test("a new claim is of generation 0 and has no mint", () => {
    expect(reserved).toMatchObject({
      state: "reserved",
      generation: 0,
      mints: 0,
      owner: "owner-01",
      deliveryId: "delivery-01",
      earlier: undefined,
    });
  });

  test("a released claim is reserved again in its generation, its mints counted on", () => {
    expect(reopen(released, next)).toMatchObject({
      generation: 0,
      mints: 1,
      owner: "owner-02",
      deliveryId: "delivery-02",
    });
  });

  test("a delivered claim is reserved for the next generation, which remembers the earlier token", () => {
    expect(reopen(delivered, next)).toMatchObject({
      generation: 1,
      mints: 0,
      earlier: "inner",
    });
  });

  test("an earlier token is remembered until a mint is counted", () => {
    const again = reopen(delivered, next);
    const given = release(again, "delivery_timeout", 0, 3);
    const third = reopen(given, next);
    expect(third).toMatchObject({ generation: 1, earlier: "inner" });
    expect(count(third, 4)).toMatchObject({ earlier: undefined, mints: 1 });
  });

  test("revoking remembers from where, for what reason, and whose it is", () => {
    expect(revoking).toMatchObject({
      from: "sent",
      code: "delivery_timeout",
      owner: "owner-02",
      unopened: false,
      token,
    });
    expect(revoke(minted, "owner-02", undefined, 1)).toMatchObject({
      from: "minted",
    });
  });

  test("what was found out about the wrapping token stays known when the owner changes", () => {
    const seen = foundUnopened(revoking, 2);
    expect(revoke(seen, "owner-03", undefined, 3)).toEqual({
      ...seen,
      owner: "owner-03",
      changedAt: 3,
    });
  });

  test("from reserved there is something to revoke only if something was made", () => {
    expect(() => revoke(counted, "owner-01", undefined, 2)).toThrow(/token/);
    expect(revoke(counted, "owner-01", undefined, 2, token)).toMatchObject({
      from: "minted",
      token,
    });
  });

  test("since when ECS forgot a task is noted and taken back", () => {
    expect(noteMissing(delivered, 7)).toEqual({
      ...delivered,
      missingSince: 7,
    });
    expect(noteMissing(noteMissing(delivered, 7), undefined)).toEqual(
      delivered,
    );
  });
});
