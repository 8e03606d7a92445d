// Step 5 of the broker: the wrapped token goes to the container, signed, and its receipt comes back. One delivery is
// signed once and sent, the same bytes, until it is answered: the entrypoint joins or repeats its first answer, so that
// a lost answer costs neither a token nor the container.

import {
  accessorHash,
  ANSWER_BYTES,
  DELIVERY_BYTES,
  DELIVERY_LIFE,
  DELIVERY_TYPE,
  parseDeliveryProblem,
  parseReceipt,
  pause,
  Refusal,
  sameBytes,
  Secret,
  signJws,
  writeDelivery,
} from "@vaultbuddy/common";
import type { Clock, DeliveryCode, SignWith } from "@vaultbuddy/common";
import { request, TransportError } from "@vaultbuddy/common/daemon";
import type { Answer } from "@vaultbuddy/common/daemon";
import { Client } from "undici";
import type { Claim } from "./claim.ts";
import type { Channel } from "./connect.ts";
import type { Wrapped } from "./mint.ts";

/** How a delivery ended, short of a receipt. */
type Failure =
  | { readonly kind: "refused"; readonly code: DeliveryCode }
  /** Somebody answered who is no entrypoint, or with a receipt for another token. */
  | { readonly kind: "foreign" }
  | { readonly kind: "silent" };

export type Outcome = { readonly kind: "received" } | Failure;

export interface DeliverDeps {
  readonly clock: Clock;
  /** Every active key: the delivery is signed with each. */
  readonly keys: readonly SignWith[];
  readonly vault: {
    readonly addr: string;
    readonly namespace: string | undefined;
    readonly ca: string | undefined;
  };
  /** Opens another channel when the first has died. Throws when `signal` aborts first. */
  readonly reconnect: (signal: AbortSignal) => Promise<Channel>;
  /** Throws unless the claim is still ours: asked before each send. */
  readonly fresh: () => void;
}

const RETRY = { first: 50, most: 1000 };

/** Signs the delivery for a claim, for the channel it is to go by. */
export function writeSigned(
  claim: Claim,
  wrapped: Wrapped,
  { certificate }: Pick<Channel, "certificate">,
  deps: Pick<DeliverDeps, "clock" | "keys" | "vault">,
): Buffer {
  const iat = Math.floor(deps.clock.now() / 1000);
  const { addr, namespace, ca } = deps.vault;
  const payload = writeDelivery({
    jti: claim.deliveryId,
    iat,
    exp: iat + Math.min(DELIVERY_LIFE, wrapped.wrapTtl),
    aud: {
      taskArn: claim.task.taskArn,
      containerName: claim.task.containerName,
      containerId: claim.task.containerId,
    },
    vault: {
      addr,
      ...(namespace === undefined ? {} : { namespace }),
      ...(ca === undefined ? {} : { ca }),
    },
    wrap: {
      kind: "token",
      token: wrapped.token,
      accessorHash: accessorHash(wrapped.accessor),
      creationPath: wrapped.creationPath,
      ttl: wrapped.wrapTtl,
      tokenTtl: wrapped.tokenTtl,
    },
    secrets: claim.task.secrets,
    ...(certificate === undefined ? {} : { tls: certificate }),
  });
  return signJws(payload, deps.keys);
}

/** A token longer than any that Vault makes, and what else a mint would add, at its longest. */
const LONGEST: Wrapped = {
  token: new Secret("x".repeat(400)),
  wrapAccessor: "",
  accessor: "",
  creationPath: `auth/token/create/${"x".repeat(128)}`,
  wrapTtl: 120,
  tokenTtl: 2 ** 31,
  firstTtl: 0,
};

/** To be called before the mint. Throws Refusal `policy_denied` when what is to be said is more than a container reads. */
export function refuseTooLarge(
  claim: Claim,
  channel: Pick<Channel, "certificate">,
  deps: Pick<DeliverDeps, "clock" | "keys" | "vault">,
): void {
  try {
    writeSigned(claim, LONGEST, channel, deps);
  } catch (error) {
    throw new Refusal(
      "policy_denied",
      `the rule and the labels name more paths and variables than fit into a delivery of ${DELIVERY_BYTES} bytes: name fewer, or whole paths`,
      { cause: error },
    );
  }
}

/**
 * Sends until there is an answer that ends the matter, or `signal` aborts (`silent`). An entrypoint that says
 * `vault_unavailable` goes on waiting and is sent the same again.
 */
export async function deliver(
  first: Channel,
  signed: Buffer,
  expected: { readonly jti: string; readonly accessor: string },
  deps: DeliverDeps,
  signal: AbortSignal,
): Promise<Outcome> {
  let channel: Channel | undefined = first;
  try {
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      channel ??= await deps.reconnect(signal);
      deps.fresh();
      const outcome = await sendOnce(channel, signed, expected, signal);
      if (outcome !== undefined) {
        return outcome;
      }
      channel.close();
      channel = undefined;
      await deps.clock.sleep(pause(RETRY, attempt, deps.clock), signal);
    }
  } catch (error) {
    if (!signal.aborted) {
      throw error;
    }
  } finally {
    channel?.close();
  }
  return { kind: "silent" };
}

/** One send; undefined when it has to be sent again. */
async function sendOnce(
  channel: Channel,
  signed: Buffer,
  expected: { readonly jti: string; readonly accessor: string },
  signal: AbortSignal,
): Promise<Outcome | undefined> {
  const client = new Client(
    `http://${channel.secure ? "container" : "container.plain"}`,
    {
      connect: (_options, callback) => {
        // Not at once: undici loses a socket that is handed over before its own call to connect has returned.
        queueMicrotask(() => {
          if (channel.socket.destroyed) {
            callback(new Error("the channel has died"), null);
          } else {
            callback(null, channel.socket);
          }
        });
      },
      headersTimeout: 0,
      bodyTimeout: 0,
    },
  );
  try {
    const answer = await request({
      method: "POST",
      url: "http://container/",
      headers: { "content-type": DELIVERY_TYPE },
      body: signed,
      timeout: 30_000,
      maxBytes: ANSWER_BYTES,
      dispatcher: client,
      signal,
    });
    return judge(answer, expected);
  } catch (error) {
    // Too large an answer is no entrypoint's. Anything else is a lost answer, and the same is sent again.
    return error instanceof TransportError && error.code === "too_large"
      ? { kind: "foreign" }
      : undefined;
  } finally {
    await client.destroy();
  }
}

function judge(
  answer: Answer,
  expected: { readonly jti: string; readonly accessor: string },
): Outcome | undefined {
  if (answer.status === 200) {
    return isReceipt(answer.body, expected)
      ? { kind: "received" }
      : { kind: "foreign" };
  }
  const problem = parseDeliveryProblem(answer.body);
  if (problem === undefined || problem.status !== answer.status) {
    return { kind: "foreign" };
  }
  return problem.code === "vault_unavailable"
    ? undefined
    : { kind: "refused", code: problem.code };
}

function isReceipt(
  body: Buffer,
  expected: { readonly jti: string; readonly accessor: string },
): boolean {
  try {
    const receipt = parseReceipt(body);
    return (
      receipt.jti === expected.jti &&
      receipt.accessor !== null &&
      sameBytes(Buffer.from(receipt.accessor), Buffer.from(expected.accessor))
    );
  } catch {
    return false;
  }
}
