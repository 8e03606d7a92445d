import { describe, expect, test } from "vitest";
import { vouchedFor } from "../testing.ts";
import { keyOf, readRecord, shelfOf, writeRecord } from "./record.ts";
import type { ClaimRecord, Token } from "./record.ts";
import {
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
const reserved = reserve(vouchedFor(), author);
const minted = mint(count(reserved, 1), token, 1);
const sent = send(minted, 1);
const revoking = revoke(sent, "owner-01", undefined, 1);
const delivered = deliver(sent, 1);

const records: readonly ClaimRecord[] = [
  reserved,
  reopen(delivered, author),
  minted,
  sent,
  delivered,
  noteMissing(delivered, 9),
  revoking,
  foundUnopened(revoke(minted, "owner-01", "delivery_refused", 1), 1),
  release(reserved, "delivery_timeout", 0, 1),
  revoked(revoking, false, 1),
  revoked(revoking, true, 1),
];

function read(record: unknown, key = keyOf(reserved)): ClaimRecord {
  return readRecord({ key, value: JSON.stringify(record), version: "v" });
}

const broken = expect.objectContaining({ code: "ledger_unavailable" }) as Error;

describe("a record", () => {
  for (const record of records) {
    test(`in ${record.state} is read as it was written`, () => {
      const value = writeRecord(record);
      expect(readRecord({ key: keyOf(record), value, version: "v" })).toEqual(
        record,
      );
    });
  }

  test("stands under the container's three names", () => {
    expect(keyOf(reserved)).toBe(
      `claim|${reserved.taskArn}|app|${"a".repeat(64)}`,
    );
  });

  test("is on the open shelf as long as somebody must end it", () => {
    expect(records.map((record) => [record.state, shelfOf(record)])).toEqual(
      records.map((record) => [
        record.state,
        /delivered|released|uncertain/.test(record.state) ? "settled" : "open",
      ]),
    );
  });
});

describe("what is no record of this version is ledger_unavailable, never absent", () => {
  const whole: Record<string, unknown> = { v: 1, ...sent };

  for (const name of Object.keys(whole)) {
    test(`without ${name}`, () => {
      const { [name]: left, ...rest } = whole;
      expect(left).toBeDefined();
      expect(() => read(rest)).toThrow(broken);
    });
  }

  const damages: Readonly<Record<string, unknown>> = {
    "of another version": { ...whole, v: 2 },
    "with an unknown field": { ...whole, more: 1 },
    "in an unknown state": { ...whole, state: "lost" },
    "with a field of another state": { ...whole, deliveredAt: 1 },
    "with a negative count": { ...whole, mints: -1 },
    "with an unknown code": { ...whole, ...revoking, code: "no_such_code" },
    "that is null": null,
    "that is a list": [],
    "that is a number": 1,
  };
  for (const [name, damaged] of Object.entries(damages)) {
    test(name, () => {
      expect(() => read(damaged)).toThrow(broken);
    });
  }

  test("cut off in the middle", () => {
    const value = writeRecord(sent).slice(0, -5);
    expect(() => readRecord({ key: keyOf(sent), value, version: "v" })).toThrow(
      broken,
    );
  });

  test("larger than any record", () => {
    expect(() => read({ ...whole, family: "x".repeat(20_000) })).toThrow(
      broken,
    );
  });

  test("under another container's key", () => {
    const other = keyOf(vouchedFor({ containerName: "other" }));
    expect(() => read(whole, other)).toThrow(broken);
  });

  test("and the message does not repeat what stood there", () => {
    expect(() => read({ ...whole, state: "marked-text" })).toThrow(
      /^(?!.*marked-text)/,
    );
  });
});
