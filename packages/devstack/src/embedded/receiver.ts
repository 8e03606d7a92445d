// A container without a process: a listener at the container's own address that takes one delivery over the real
// protocol (TLS with the family's key, signature, lookup, unwrap, receipt) and then stops listening. For storms: ten
// thousand of them cost what fifty processes would. It reads no secrets and becomes no command, and it never gives up.

import {
  accessorHash,
  deliveryCodes,
  type Delivery,
  type DeliveryCode,
  deliveryProblem,
  derivePsk,
  type FamilyKey,
  familyKey,
  isDeliveryRefusal,
  normaliseVaultAddr,
  parseDelivery,
  parseKey,
  PROBLEM_TYPE,
  Refusal,
  type SecretBytes,
  ShapeError,
  verifyJws,
} from "@vaultbuddy/common";
import type { Made } from "./made.ts";
import { ApiFault } from "./fault.ts";

/** Who a receiver is and what it was given, from its container's labels and environment. */
export interface ReceiverSettings {
  readonly containerId: string;
  readonly taskArn: string;
  readonly containerName: string;
  readonly key: FamilyKey;
  readonly psk: SecretBytes;
  /** Normalised. */
  readonly vaultAddr: string;
  readonly port: number;
}

const label = "com.amazonaws.ecs.";
const defaultPort = 9202;

/** Throws the fault that its start answers when something is missing. */
export function readReceiverSettings({ id, config }: Made): ReceiverSettings {
  const env = new Map(
    config.env.map((line) => {
      const cut = line.indexOf("=");
      return [line.slice(0, cut), line.slice(cut + 1)];
    }),
  );
  const wanted = (name: string, fallback?: string): string => {
    const value = env.get(name) ?? fallback;
    if (value === undefined)
      throw new ApiFault(400, `a receiver needs the variable ${name}`);
    return value;
  };
  const { labels } = config;
  try {
    const key = familyKey(parseKey(wanted("WIS_HMAC_KEY")));
    return {
      containerId: id,
      taskArn: wanted("WIS_TASK_ARN", labels[`${label}task-arn`]),
      containerName: wanted(
        "WIS_CONTAINER_NAME",
        labels[`${label}container-name`],
      ),
      key,
      psk: derivePsk(key.key),
      vaultAddr: normaliseVaultAddr(wanted("VAULT_ADDR")),
      port: Number(
        /:(\d{1,5})$/.exec(env.get("WIS_LISTEN") ?? "")?.[1] ?? defaultPort,
      ),
    };
  } catch (error) {
    if (error instanceof ApiFault) throw error;
    throw new ApiFault(
      400,
      error instanceof Error
        ? error.message
        : "a receiver's settings are wrong",
    );
  }
}

/** What a receiver asks of Vault. */
export interface Unwrapping {
  /** The accessor of the token inside. Throws a refusal. */
  open(delivery: Delivery, vaultAddr: string): Promise<string>;
}

/** An answer to a request. */
export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  /** It was the receipt. */
  readonly taken: boolean;
}

/** The rules of one receiver's door. */
export class Reception {
  readonly #settings: ReceiverSettings;
  readonly #vault: Unwrapping;
  readonly #now: () => number;
  #work:
    { readonly jti: string; readonly accessor: Promise<string> } | undefined;

  /** `now` in seconds since 1970. */
  constructor(
    settings: ReceiverSettings,
    vault: Unwrapping,
    now: () => number,
  ) {
    this.#settings = settings;
    this.#vault = vault;
    this.#now = now;
  }

  /** Answers a signed delivery. Never rejects. */
  async answer(bytes: Uint8Array): Promise<Answer> {
    try {
      const delivery = this.#verified(bytes);
      const accessor = await this.#opened(delivery);
      return {
        status: 200,
        type: "application/json",
        body: JSON.stringify({ jti: delivery.jti, accessor }),
        taken: true,
      };
    } catch (error) {
      return refusal(
        isDeliveryRefusal(error)
          ? error
          : new Refusal<DeliveryCode>(
              "bad_delivery",
              error instanceof ShapeError ? error.message : "it can't be read",
            ),
      );
    }
  }

  /** The same delivery again joins the first one's work; another one comes too late. */
  async #opened(delivery: Delivery): Promise<string> {
    const work = (this.#work ??= {
      jti: delivery.jti,
      accessor: this.#vault.open(delivery, this.#settings.vaultAddr),
    });
    if (work.jti !== delivery.jti)
      throw new Refusal<DeliveryCode>(
        "bad_delivery",
        "this container has its delivery",
      );
    try {
      return await work.accessor;
    } catch (error) {
      if (this.#work === work) this.#work = undefined;
      throw error;
    }
  }

  #verified(bytes: Uint8Array): Delivery {
    const payload = verifyJws(bytes, this.#settings.key);
    if (payload === undefined)
      throw new Refusal<DeliveryCode>(
        "bad_signature",
        "no signature is by the key of this container's family",
      );
    const delivery = parseDelivery(payload);
    const { aud, vault, iat, exp } = delivery;
    for (const field of ["taskArn", "containerName", "containerId"] as const)
      if (aud[field] !== this.#settings[field])
        throw new Refusal<DeliveryCode>(
          "not_for_me",
          `aud.${field} is not this container's`,
        );
    const now = this.#now();
    if (now > exp + 30 || now < iat - 30)
      throw new Refusal<DeliveryCode>("expired", "it is not valid now");
    if (normaliseVaultAddr(vault.addr) !== this.#settings.vaultAddr)
      throw new Refusal<DeliveryCode>(
        "wrong_vault",
        "vault.addr is not this container's VAULT_ADDR",
      );
    return delivery;
  }
}

/** Whether what Vault gave is what the delivery said. */
export function sameAccessor(accessor: string, { wrap }: Delivery): boolean {
  return wrap.kind === "token" && accessorHash(accessor) === wrap.accessorHash;
}

/** A refusal as it is sent. */
export function refusal({ code, message }: Refusal<DeliveryCode>): Answer {
  return {
    status: deliveryCodes[code].status,
    type: PROBLEM_TYPE,
    body: JSON.stringify(deliveryProblem(code, message)),
    taken: false,
  };
}
