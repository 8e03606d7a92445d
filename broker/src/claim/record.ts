// What the ledger remembers of one container's claim, and its one written form. There is one record per container, with
// the generation inside: so the token of an earlier generation and the attempt that follows it change in one step.

import {
  ecsName,
  Fields,
  noticeCodes,
  parseClusterArn,
  parseJson,
  parseTaskArn,
  ShapeError,
} from "@vaultbuddy/common";
import type { NoticeCode, TextRule } from "@vaultbuddy/common";
import { ledgerUnavailable } from "../ledger/ledger.ts";
import type { Entry, Shelf } from "../ledger/ledger.ts";

/** What names a container: the task's ARN as ECS spells it, the container's name in it, and its runtime's id. */
export interface Identity {
  readonly taskArn: string;
  readonly containerName: string;
  readonly containerId: string;
}

/** A minted token, by what one may write down of it. Times in milliseconds since 1970 on the broker's clock. */
export interface Token {
  /** The accessor of the token inside. */
  readonly accessor: string;
  readonly wrapAccessor: string;
  /** When the wrapping token is surely gone by itself. */
  readonly wrapExpires: number;
  /** When the token inside is surely gone by itself, unless somebody renewed it. */
  readonly tokenExpires: number;
  readonly creationPath: string;
}

/** What every record holds. */
export interface Attempt extends Identity {
  readonly clusterArn: string;
  readonly family: string;
  /** 0 for the first token of the container, one more for each restart that was given another. */
  readonly generation: number;
  /** New with every attempt; the `jti` of what is sent. */
  readonly deliveryId: string;
  /** Whose heartbeat says whether this attempt is alive. */
  readonly owner: string;
  /** How often Vault was asked for a token in this generation, asked in vain not counted. */
  readonly mints: number;
  /** When the record was written, in milliseconds since 1970. For people; nothing is decided by it. */
  readonly changedAt: number;
}

/** The accessor of the token of the generation before, which still lives: it is revoked before the next mint. */
interface After {
  readonly earlier: string | undefined;
}
/** Since when ECS no longer knows the task, in milliseconds since 1970. */
interface Settled {
  readonly missingSince: number | undefined;
}

export interface Reserved extends Attempt, After {
  readonly state: "reserved";
}
export interface Minted extends Attempt {
  readonly state: "minted";
  readonly token: Token;
}
export interface Sent extends Attempt {
  readonly state: "sent";
  readonly token: Token;
}
export interface Delivered extends Attempt, Settled {
  readonly state: "delivered";
  readonly token: Token;
  readonly deliveredAt: number;
}
export interface Revoking extends Attempt {
  readonly state: "revoking";
  readonly token: Token;
  readonly from: "minted" | "sent";
  /** The wrapping token was seen unopened when the token inside was gone. Written before the wrapping token goes too. */
  readonly unopened: boolean;
  readonly code: NoticeCode | undefined;
}
export interface Released extends Attempt, After, Settled {
  readonly state: "released";
  /** Why it ended, for those who waited for it; undefined when its owner died, so that one of them goes on instead. */
  readonly code: NoticeCode | undefined;
}
export interface Uncertain extends Attempt, Settled {
  readonly state: "uncertain";
}

export type OpenRecord = Reserved | Minted | Sent | Revoking;
export type SettledRecord = Delivered | Released | Uncertain;
export type ClaimRecord = OpenRecord | SettledRecord;
export type State = ClaimRecord["state"];

const RECORD_VERSION = 1;
const RECORD_BYTES = 16 * 1024;
const ID: TextRule = { max: 64, pattern: /^[\w-]{8,64}$/, form: "an id" };
const FAR = 2 ** 52;

/** The ledger's key of a container's claim. None of the three parts can hold the separator. */
export function keyOf(identity: Identity): string {
  return `claim|${identity.taskArn}|${identity.containerName}|${identity.containerId}`;
}

/** Whether a record stands at an end: nobody works at it, and no token it names is unaccounted for. */
export function isSettled(record: ClaimRecord): record is SettledRecord {
  return shelfOf(record) === "settled";
}

/** The same of a page: whether somebody has to bring it to an end. */
export function isOpenPage<Rest extends { readonly record: ClaimRecord }>(
  page: Rest,
): page is Rest & { readonly record: OpenRecord } {
  return !isSettled(page.record);
}

/** Where a record is found again. */
export function shelfOf(record: ClaimRecord): Shelf {
  switch (record.state) {
    case "delivered":
    case "released":
    case "uncertain":
      return "settled";
    case "reserved":
    case "minted":
    case "sent":
    case "revoking":
      return "open";
  }
}

/** The written form. */
export function writeRecord(record: ClaimRecord): string {
  return JSON.stringify({ v: RECORD_VERSION, ...record });
}

/**
 * Reads an entry of the ledger. What is damaged, or of another version, is `ledger_unavailable`: to take it for absent
 * would mean a second token.
 */
export function readRecord(entry: Entry): ClaimRecord {
  try {
    const fields = new Fields(
      parseJson(Buffer.from(entry.value), RECORD_BYTES),
    );
    if (fields.take("v") !== RECORD_VERSION) {
      throw new ShapeError("v", `must be ${RECORD_VERSION}`);
    }
    const record = readState(fields, readAttempt(fields));
    fields.done();
    if (keyOf(record) !== entry.key) {
      throw new ShapeError("", "must stand under its own key");
    }
    return record;
  } catch (error) {
    throw ledgerUnavailable(
      "a record of the ledger is damaged or of another version",
      error,
    );
  }
}

function readAttempt(fields: Fields): Attempt {
  return {
    taskArn: parseTaskArn(fields.take("taskArn")).arn,
    containerName: fields.text("containerName", ecsName),
    containerId: fields.text("containerId", { max: 128 }),
    clusterArn: parseClusterArn(fields.take("clusterArn"), "clusterArn").arn,
    family: fields.text("family", ecsName),
    generation: fields.integer("generation", 0, 1_000_000),
    deliveryId: fields.text("deliveryId", ID),
    owner: fields.text("owner", ID),
    mints: fields.integer("mints", 0, 1000),
    changedAt: fields.integer("changedAt", 0, FAR),
  };
}

function readState(fields: Fields, attempt: Attempt): ClaimRecord {
  const state = fields.oneOf("state", [
    "reserved",
    "minted",
    "sent",
    "delivered",
    "revoking",
    "released",
    "uncertain",
  ]);
  switch (state) {
    case "reserved":
      return { ...attempt, state, earlier: readEarlier(fields) };
    case "minted":
    case "sent":
      return { ...attempt, state, token: readToken(fields) };
    case "delivered":
      return {
        ...attempt,
        state,
        token: readToken(fields),
        deliveredAt: fields.integer("deliveredAt", 0, FAR),
        missingSince: readMissing(fields),
      };
    case "revoking":
      return {
        ...attempt,
        state,
        token: readToken(fields),
        from: fields.oneOf("from", ["minted", "sent"]),
        unopened: fields.boolean("unopened"),
        code: readCode(fields),
      };
    case "released":
      return {
        ...attempt,
        state,
        earlier: readEarlier(fields),
        code: readCode(fields),
        missingSince: readMissing(fields),
      };
    case "uncertain":
      return { ...attempt, state, missingSince: readMissing(fields) };
  }
}

function readToken(fields: Fields): Token {
  const token = fields.object("token");
  const read = {
    accessor: token.text("accessor", { max: 256 }),
    wrapAccessor: token.text("wrapAccessor", { max: 256 }),
    wrapExpires: token.integer("wrapExpires", 0, FAR),
    tokenExpires: token.integer("tokenExpires", 0, FAR),
    creationPath: token.text("creationPath", { max: 512 }),
  };
  token.done();
  return read;
}

function readEarlier(fields: Fields): string | undefined {
  return fields.optionalText("earlier", { max: 256 });
}

function readMissing(fields: Fields): number | undefined {
  return fields.optionalInteger("missingSince", 0, FAR);
}

function readCode(fields: Fields): NoticeCode | undefined {
  return fields.has("code")
    ? fields.oneOf("code", Object.keys(noticeCodes) as NoticeCode[])
    : undefined;
}
