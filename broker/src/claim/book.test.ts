import { beforeEach, describe, expect, test } from "vitest";
import { vouchedFor } from "../testing.ts";
import { Book, ClaimLost } from "./book.ts";
import { keyOf } from "./record.ts";
import { count, reserve } from "./state.ts";
import { FlakyLedger } from "./testing.ts";

const mine = reserve(vouchedFor(), {
  owner: "owner-01",
  deliveryId: "delivery-01",
  at: 1,
});
const theirs = { ...mine, owner: "owner-02", deliveryId: "delivery-02" };
const unavailable = { code: "ledger_unavailable" };

let ledger: FlakyLedger;
let book: Book;

beforeEach(() => {
  ledger = new FlakyLedger();
  book = new Book(ledger);
});

describe("the first record", () => {
  test("is refused to the second who writes it", async () => {
    await book.create(mine);
    await expect(book.create(theirs)).rejects.toBeInstanceOf(ClaimLost);
    expect((await book.read(keyOf(mine)))?.record).toEqual(mine);
  });

  test("whose answer was lost is found to be one's own", async () => {
    ledger.losesAnswer = true;
    const page = await book.create(mine);
    expect(page.version).toBe((await book.read(keyOf(mine)))?.version);
  });

  test("is not written when it could not be read again", async () => {
    await expect(
      book.create({ ...mine, family: "not a family" }),
    ).rejects.toMatchObject(unavailable);
    expect(await ledger.read(keyOf(mine))).toBeUndefined();
  });
});

describe("the record that follows", () => {
  test("needs the last page", async () => {
    const first = await book.create(mine);
    const second = await book.write(first, count(mine, 2));
    await expect(book.write(first, count(mine, 3))).rejects.toBeInstanceOf(
      ClaimLost,
    );
    expect(await book.read(first.key)).toEqual(second);
  });

  test("whose answer was lost is found to be one's own", async () => {
    const first = await book.create(mine);
    ledger.losesAnswer = true;
    const second = await book.write(first, count(mine, 2));
    expect(await book.read(first.key)).toEqual(second);
  });

  test("that did not arrive is ledger_unavailable, and may be written again", async () => {
    const first = await book.create(mine);
    ledger.down = true;
    await expect(book.write(first, count(mine, 2))).rejects.toMatchObject(
      unavailable,
    );
    ledger.down = false;
    await book.write(first, count(mine, 2));
  });
});

describe("a scan", () => {
  test("counts what cannot be read, and goes on past it", async () => {
    await book.create(mine);
    await ledger.putIfAbsent("claim|damaged", "open", "{");
    const stretch = await book.scan("open", "", 10);
    expect(stretch.damaged).toBe(1);
    expect(stretch.pages).toHaveLength(1);
    expect(stretch.next).toBeUndefined();
  });

  test("says where the next begins as long as a stretch is full", async () => {
    await book.create(mine);
    expect((await book.scan("open", "", 1)).next).toBe(keyOf(mine));
    expect((await book.scan("open", keyOf(mine), 1)).next).toBeUndefined();
  });
});
