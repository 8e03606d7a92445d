// The states of a claim and the arrows between them: pure, and the only place that knows them. Each function makes the
// record after one step; writing it down, and what may be done once it is written, are the callers' business.

import type { NoticeCode } from "@vaultbuddy/common";
import type {
  Attempt,
  ClaimRecord,
  Delivered,
  Identity,
  Minted,
  Released,
  Reserved,
  Revoking,
  Sent,
  SettledRecord,
  State,
  Token,
  Uncertain,
} from "./record.ts";

/**
 * From each state, the states that may follow. `reserved` follows itself when a mint is counted, `revoking` when its
 * owner or what it knows changes, and a settled one when ECS is found to have forgotten the task.
 */
export const arrows: Readonly<Record<State, readonly State[]>> = {
  reserved: ["reserved", "minted", "revoking", "released"],
  minted: ["sent", "revoking"],
  sent: ["delivered", "revoking"],
  revoking: ["revoking", "released", "uncertain"],
  delivered: ["delivered", "reserved"],
  released: ["released", "reserved"],
  uncertain: ["uncertain"],
};

/** Who writes, under which delivery, and when (milliseconds since 1970). */
export interface Author {
  readonly owner: string;
  readonly deliveryId: string;
  readonly at: number;
}

/** (none) → reserved. */
export function reserve(
  task: Identity & Pick<Attempt, "clusterArn" | "family">,
  author: Author,
): Reserved {
  return {
    taskArn: task.taskArn,
    containerName: task.containerName,
    containerId: task.containerId,
    clusterArn: task.clusterArn,
    family: task.family,
    generation: 0,
    deliveryId: author.deliveryId,
    owner: author.owner,
    mints: 0,
    changedAt: author.at,
    state: "reserved",
    earlier: undefined,
  };
}

/** released → reserved: another attempt, mints counted on. delivered → reserved: the next generation. */
export function reopen(record: ClaimRecord, author: Author): Reserved {
  const from =
    record.state === "delivered"
      ? record
      : only(record, "released", "reserved");
  const next =
    from.state === "delivered"
      ? {
          generation: from.generation + 1,
          mints: 0,
          earlier: from.token.accessor,
        }
      : { earlier: from.earlier };
  return {
    ...base(record, author.at),
    ...next,
    owner: author.owner,
    deliveryId: author.deliveryId,
    state: "reserved",
  };
}

/** reserved → reserved: the earlier token is gone, and Vault is about to be asked. */
export function count(record: ClaimRecord, at: number): Reserved {
  const from = only(record, "reserved", "reserved");
  return {
    ...from,
    changedAt: at,
    mints: from.mints + 1,
    earlier: undefined,
  };
}

/** reserved → minted. */
export function mint(record: ClaimRecord, token: Token, at: number): Minted {
  only(record, "reserved", "minted");
  return { ...base(record, at), state: "minted", token };
}

/** minted → sent. */
export function send(record: ClaimRecord, at: number): Sent {
  const from = only(record, "minted", "sent");
  return { ...base(record, at), state: "sent", token: from.token };
}

/** sent → delivered. */
export function deliver(record: ClaimRecord, at: number): Delivered {
  const from = only(record, "sent", "delivered");
  return {
    ...base(record, at),
    state: "delivered",
    token: from.token,
    deliveredAt: at,
    missingSince: undefined,
  };
}

/** reserved → released: nothing was minted that anybody could name. `mints` is what remains counted. */
export function release(
  record: ClaimRecord,
  code: NoticeCode | undefined,
  mints: number,
  at: number,
): Released {
  const from = only(record, "reserved", "released");
  return {
    ...base(record, at),
    state: "released",
    mints,
    earlier: from.earlier,
    code,
    missingSince: undefined,
  };
}

/**
 * reserved, minted, sent → revoking, and revoking → revoking under another owner. From reserved with the token that was
 * made but not written down.
 */
export function revoke(
  record: ClaimRecord,
  owner: string,
  code: NoticeCode | undefined,
  at: number,
  made?: Token,
): Revoking {
  allow(record, "revoking");
  if (record.state === "revoking") {
    return { ...record, owner, changedAt: at };
  }
  const token = "token" in record ? record.token : made;
  if (token === undefined) {
    throw new Error("a claim without a token has nothing to revoke");
  }
  return {
    ...base(record, at),
    owner,
    state: "revoking",
    token,
    from: record.state === "sent" ? "sent" : "minted",
    unopened: false,
    code,
  };
}

/** revoking → revoking: the token inside is gone and the wrapping token was not opened before. */
export function foundUnopened(record: ClaimRecord, at: number): Revoking {
  const from = only(record, "revoking", "revoking");
  return { ...from, unopened: true, changedAt: at };
}

/** revoking → released or uncertain: both are confirmed gone. */
export function revoked(
  record: ClaimRecord,
  opened: boolean,
  at: number,
): Released | Uncertain {
  if (opened) {
    only(record, "revoking", "uncertain");
    return { ...base(record, at), state: "uncertain", missingSince: undefined };
  }
  const from = only(record, "revoking", "released");
  return {
    ...base(record, at),
    state: "released",
    earlier: undefined,
    code: from.code,
    missingSince: undefined,
  };
}

/** A settled record that notes since when ECS does not know the task; undefined when it knows it again. */
export function noteMissing(
  record: SettledRecord,
  missingSince: number | undefined,
): SettledRecord {
  allow(record, record.state);
  return { ...record, missingSince };
}

function base(record: ClaimRecord, at: number): Attempt {
  return {
    taskArn: record.taskArn,
    containerName: record.containerName,
    containerId: record.containerId,
    clusterArn: record.clusterArn,
    family: record.family,
    generation: record.generation,
    deliveryId: record.deliveryId,
    owner: record.owner,
    mints: record.mints,
    changedAt: at,
  };
}

function allow(record: ClaimRecord, to: State): void {
  if (!arrows[record.state].includes(to)) {
    throw new Error(`a claim does not go from ${record.state} to ${to}`);
  }
}

function only<From extends State>(
  record: ClaimRecord,
  from: From,
  to: State,
): Extract<ClaimRecord, { state: From }> {
  allow(record, to);
  if (!isIn(record, from)) {
    throw new Error(`a claim does not go from ${record.state} to ${to}`);
  }
  return record;
}

function isIn<From extends State>(
  record: ClaimRecord,
  state: From,
): record is Extract<ClaimRecord, { state: From }> {
  return record.state === state;
}
