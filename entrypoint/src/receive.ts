// The rules of the door: exactly one delivery is taken. The same one again joins or repeats the first answer, so that a
// broker whose connection broke can ask anew; anything else is a stray, which ends the container or is sent away.

import {
  deliveryCodes,
  deliveryProblem,
  isDeliveryRefusal,
  PROBLEM_TYPE,
  Refusal,
} from "@vaultbuddy/common";
import type { Delivery, DeliveryCode } from "@vaultbuddy/common";
import { Failure, systemCode } from "./exit.ts";
import type { Log } from "./log.ts";
import type { Patience } from "./patience.ts";
import type { Handle, Reply } from "./serve.ts";
import type { Token } from "./unwrap.ts";
import { Intercepted } from "./verify.ts";
import type { Verified } from "./verify.ts";

/** What a verified delivery leaves until the command runs, in milliseconds. */
const DELIVERY_TIME = 10_000;

/** What a delivery became. */
export interface Accepted<Checked = Verified, Got = Token> {
  readonly verified: Checked;
  readonly token: Got;
}

/** What is said to a container: a delivery, or what a developer sends instead of one. */
interface Identified {
  readonly jti: string;
}

/** What the sender is to hear of what was got; nothing but that, where there is no accessor. */
interface Acknowledged {
  readonly accessor?: string;
}

/** What receiving needs of the steps after it. */
export interface ReceiveDeps<
  Said extends Identified = Delivery,
  Checked = Verified,
  Got extends Acknowledged = Token,
> {
  readonly stray: "exit" | "reject";
  readonly patience: Pick<Patience, "grant" | "giveBack">;
  readonly log: Log;
  /** Reads what a trusted key has signed. Throws a refusal. */
  open(bytes: Buffer): Said;
  /** Compares it with this container. Throws a refusal. */
  judge(delivery: Said): Promise<Checked>;
  /** Opens its wrapping token. Throws a refusal. */
  unwrap(verified: Checked): Promise<Got>;
}

interface Work<Checked, Got> {
  readonly jti: string;
  readonly result: Promise<Accepted<Checked, Got> | Refusal<DeliveryCode>>;
  /** Connections that wait for the receipt. */
  waiting: number;
}

/** Takes one delivery. */
export class Reception<
  Said extends Identified = Delivery,
  Checked = Verified,
  Got extends Acknowledged = Token,
> {
  readonly #deps: ReceiveDeps<Said, Checked, Got>;
  readonly #taken = Promise.withResolvers<Accepted<Checked, Got>>();
  #work: Work<Checked, Got> | undefined;
  #accepted: Accepted<Checked, Got> | undefined;
  #receipt: "pending" | "written" = "pending";
  #alarm: Refusal<DeliveryCode> | undefined;
  #last: DeliveryCode | undefined;

  constructor(deps: ReceiveDeps<Said, Checked, Got>) {
    this.#deps = deps;
    // Whoever waits for it may not have come yet.
    this.#taken.promise.catch(() => undefined);
  }

  /** The delivery, once its receipt is written. Rejects with the {@link Failure} that ends the container. */
  get taken(): Promise<Accepted<Checked, Got>> {
    return this.#taken.promise;
  }

  /** The token that was opened, though perhaps its receipt was not written: to be revoked when all else fails. */
  get opened(): Accepted<Checked, Got> | undefined {
    return this.#accepted;
  }

  /** What the time ran out on. */
  overdue(): Failure {
    if (this.#accepted !== undefined) {
      return this.#receipt === "written"
        ? new Failure("read_failed", "Vault did not answer every read in time")
        : new Failure(
            "receipt_lost",
            "the receipt could not be written in time",
          );
    }
    if (this.#alarm !== undefined) {
      return new Failure(this.#alarm.code, this.#alarm.message);
    }
    if (this.#last === "vault_unavailable") {
      return new Failure(
        "vault_unavailable",
        "a delivery came, but Vault gave no usable answer in time",
      );
    }
    const after =
      this.#last === undefined
        ? ""
        : ` (the last request was refused as ${this.#last})`;
    return new Failure("timeout", `no good delivery came in time${after}`);
  }

  /** Answers one request. */
  readonly handle: Handle = async (asked) => {
    try {
      if (asked instanceof Refusal) {
        throw asked;
      }
      return await this.#take(this.#deps.open(asked));
    } catch (error) {
      if (isDeliveryRefusal(error)) {
        return this.#refuse(error);
      }
      this.#taken.reject(error);
      return this.#refuse(
        new Refusal(
          "vault_unavailable",
          `an inner fault: ${systemCode(error)}`,
        ),
      );
    }
  };

  async #take(delivery: Said): Promise<Reply> {
    for (;;) {
      const work = (this.#work ??= this.#begin(delivery));
      const own = work.jti === delivery.jti;
      work.waiting += own ? 1 : 0;
      const result = await work.result;
      if (own && result instanceof Refusal) {
        throw result;
      }
      if (!(result instanceof Refusal)) {
        if (own) {
          return this.#receive(work, result);
        }
        throw new Refusal<DeliveryCode>(
          "bad_delivery",
          "this container has had its delivery",
        );
      }
      // Another delivery was refused meanwhile: now it is this one's turn.
    }
  }

  #begin(delivery: Said): Work<Checked, Got> {
    const result = this.#open(delivery).catch((error: unknown) => {
      // Cleared before anybody hears of it, so that a new delivery, or the same one again, finds the door free.
      this.#work = undefined;
      if (isDeliveryRefusal(error)) {
        return error;
      }
      throw error;
    });
    return { jti: delivery.jti, result, waiting: 0 };
  }

  async #open(delivery: Said): Promise<Accepted<Checked, Got>> {
    const { patience, log } = this.#deps;
    const verified = await this.#deps.judge(delivery);
    patience.grant(DELIVERY_TIME);
    log.info("a delivery was verified", { jti: delivery.jti });
    try {
      const token = await this.#deps.unwrap(verified);
      this.#accepted = { verified, token };
      return this.#accepted;
    } catch (error) {
      patience.giveBack(DELIVERY_TIME);
      throw error;
    }
  }

  #receive(work: Work<Checked, Got>, accepted: Accepted<Checked, Got>): Reply {
    const { jti } = work;
    return {
      status: 200,
      type: "application/json",
      body: JSON.stringify({ jti, accessor: accepted.token.accessor }),
      keepOpen: false,
      last: false,
      sent: (how) => {
        work.waiting -= 1;
        if (how === "written") {
          this.#receipt = "written";
          this.#taken.resolve(accepted);
        } else if (work.waiting === 0 && this.#receipt === "pending") {
          this.#taken.reject(
            new Failure(
              "receipt_lost",
              "the connection closed before the receipt was written",
            ),
          );
        }
      },
    };
  }

  #refuse(refusal: Refusal<DeliveryCode>): Reply {
    const { code, message } = refusal;
    const { level } = deliveryCodes[code];
    const alarming = level === "fatal" || refusal instanceof Intercepted;
    this.#deps.log[level === "fatal" || alarming ? "error" : level](
      "a request was refused",
      { code, why: message },
    );
    // While a delivery is being worked on, and after it, there is nothing left that a stray could be waiting for.
    const ends =
      this.#deps.stray === "exit" &&
      this.#work === undefined &&
      this.#accepted === undefined &&
      code !== "vault_unavailable" &&
      code !== "already_unwrapped";
    if (this.#accepted === undefined) {
      this.#last = code;
      if (alarming) {
        this.#alarm = refusal;
      }
    }
    return {
      status: deliveryCodes[code].status,
      type: PROBLEM_TYPE,
      body: JSON.stringify(deliveryProblem(code, message)),
      keepOpen: code === "vault_unavailable",
      last: ends,
      sent: () => {
        if (ends) {
          this.#taken.reject(
            new Failure(code, `a request was refused as ${code}: ${message}`),
          );
        }
      },
    };
  }
}
