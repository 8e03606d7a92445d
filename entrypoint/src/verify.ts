// Step 3 of the entrypoint: is this request a delivery, from the broker, for this container, of now? Pure: the bytes, the
// key, what is known of oneself and the time go in; a Verified or a refusal comes out. Vault has not been asked anything.

import {
  CLOCK_SKEW,
  normaliseVaultAddr,
  parseDelivery,
  Refusal,
  ShapeError,
  verifyJws,
} from "@vaultbuddy/common";
import type {
  Audience,
  Delivery,
  DeliveryCode,
  VerifyWith,
  WrappedToken,
} from "@vaultbuddy/common";
import type { VaultTarget } from "./config.ts";

/** Who this container is. It must know its task and its name; of its Docker id it may not know. */
export type Self = Pick<Audience, "taskArn" | "containerName"> &
  Partial<Pick<Audience, "containerId">>;

/**
 * Where a broker has tokens made: at a token role, which only its policy opens. Anybody with any token can have some
 * answer that holds a token wrapped (renew-self, a login), and whoever holds the family's key can sign for that.
 */
const MINTED_AT = /^auth\/token\/create\/[^/]+$/;

declare const verified: unique symbol;

/** A delivery that may be acted upon. Only {@link judge} makes one, and unwrapping takes nothing else. */
export interface Verified {
  readonly [verified]: true;
  readonly delivery: Delivery & { readonly wrap: WrappedToken };
  readonly vault: VaultTarget;
}

/** What a delivery is measured by. */
export interface Yardstick {
  readonly self: Self;
  /** The Vault this container was told of; absent when the delivery is to name it. */
  readonly vault?: VaultTarget;
  readonly fallbackCa?: string;
  /** The hash of the certificate that this container shows; absent where its channel has none. */
  readonly certificate?: string;
  /** Seconds since 1970. */
  readonly now: number;
}

/** Reads a delivery whose signature is good. Throws `bad_delivery` or `bad_signature`. */
export function openDelivery(bytes: Uint8Array, key: VerifyWith): Delivery {
  return openSigned(bytes, key, parseDelivery);
}

/** The same for any kind of delivery. */
export function openSigned<Said>(
  bytes: Uint8Array,
  key: VerifyWith,
  parse: (payload: Uint8Array) => Said,
): Said {
  return shaped(() => {
    const payload = verifyJws(bytes, key);
    if (payload === undefined) {
      throw new Refusal<DeliveryCode>(
        "bad_signature",
        "no signature is by a key that this container trusts",
      );
    }
    return parse(payload);
  });
}

/** Whether a signed delivery is for this container, of now, and for its Vault. Throws the refusal that fits. */
export function judge(delivery: Delivery, by: Yardstick): Verified {
  for (const field of ["taskArn", "containerName", "containerId"] as const) {
    const own = by.self[field];
    if (own !== undefined && own !== delivery.aud[field]) {
      throw new Refusal<DeliveryCode>(
        "not_for_me",
        `aud.${field} is not this container's`,
      );
    }
  }
  refuseOtherTime(delivery, by.now);
  refuseOtherChannel(delivery.tls, by.certificate);
  const vault = shaped(() => chooseVault(delivery, by));
  if (delivery.wrap.kind !== "token") {
    throw new Refusal<DeliveryCode>(
      "bad_delivery",
      "wrap.kind is secret_id, and this container takes a token",
    );
  }
  if (!MINTED_AT.test(delivery.wrap.creationPath)) {
    throw new Refusal<DeliveryCode>(
      "wrong_creation_path",
      "wrap.creationPath is not a token role's",
    );
  }
  return { delivery, vault } as Verified;
}

/** Whether a delivery is of now, in seconds since 1970. Throws `expired`. */
export function refuseOtherTime(
  { iat, exp }: Pick<Delivery, "iat" | "exp">,
  now: number,
): void {
  if (now > exp + CLOCK_SKEW || now < iat - CLOCK_SKEW) {
    throw new Refusal<DeliveryCode>(
      "expired",
      `by this container's clock the delivery is not valid now (${CLOCK_SKEW} s are allowed for)`,
    );
  }
}

/**
 * The broker signed what it wanted to say into a channel that ends at another certificate than ours. Only the broker can
 * sign, so somebody stands between the two and has read the delivery.
 */
export class Intercepted extends Refusal<"not_for_me"> {}

/** Where there is no certificate a delivery must name none, and where there is one it must name this one. */
function refuseOtherChannel(
  named: string | undefined,
  own: string | undefined,
): void {
  if (own === undefined && named !== undefined) {
    throw new Refusal<DeliveryCode>(
      "bad_delivery",
      "tls: names a certificate, and this channel has none",
    );
  }
  if (own !== undefined && named === undefined) {
    throw new Refusal<DeliveryCode>(
      "bad_delivery",
      "tls: is required on a channel with a certificate",
    );
  }
  if (named !== own) {
    throw new Intercepted(
      "not_for_me",
      "tls is not this container's certificate: somebody stands between the broker and this container",
    );
  }
}

function chooseVault(delivery: Delivery, by: Yardstick): VaultTarget {
  const addr = normaliseVaultAddr(delivery.vault.addr, "vault.addr");
  if (by.vault === undefined) {
    const { namespace, ca = by.fallbackCa } = delivery.vault;
    return {
      addr,
      ...(namespace === undefined ? {} : { namespace }),
      ...(ca === undefined ? {} : { ca }),
    };
  }
  if (addr !== by.vault.addr) {
    throw new Refusal<DeliveryCode>(
      "wrong_vault",
      "vault.addr is not this container's VAULT_ADDR",
    );
  }
  return by.vault;
}

/** Answers a wrong shape as `bad_delivery`. Its message names places and expectations only, so it may be sent. */
function shaped<Value>(read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    if (error instanceof ShapeError) {
      throw new Refusal<DeliveryCode>("bad_delivery", error.message);
    }
    throw error;
  }
}
