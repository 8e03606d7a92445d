// The two calls a receiver makes to Vault, over connections that all receivers share: ten thousand with one each would
// need more files than a process may open.

import {
  type Delivery,
  type DeliveryCode,
  Fields,
  parseJson,
  Refusal,
  ShapeError,
} from "@vaultbuddy/common";
import {
  type Answer,
  openConnections,
  request,
  TransportError,
} from "@vaultbuddy/common/daemon";
import { sameAccessor, type Unwrapping } from "./receiver.ts";

const connections = 64;
const answerBytes = 65_536;
/** Two thousand at once wait for each other; each still has its turn. */
const callMs = 30_000;

/** Opens wrapping tokens. Closed with the engine. */
export class SharedVault implements Unwrapping {
  readonly #dispatcher = openConnections({
    perOrigin: connections,
    connectTimeout: 5_000,
  });

  async open(delivery: Delivery, vaultAddr: string): Promise<string> {
    const { wrap } = delivery;
    const token = wrap.token.expose();
    const looked = await this.#ask(`${vaultAddr}/v1/sys/wrapping/lookup`, {
      body: JSON.stringify({ token }),
    });
    const facts = read(looked, "data");
    if (
      facts.text("creation_path", { max: 512 }) !== wrap.creationPath ||
      facts.integer("creation_ttl", 0, 2 ** 40) !== wrap.ttl
    )
      throw new Refusal<DeliveryCode>(
        "wrong_creation_path",
        "the wrapping token was made otherwise than the delivery says",
      );
    const opened = await this.#ask(`${vaultAddr}/v1/sys/wrapping/unwrap`, {
      headers: { "x-vault-token": token },
    });
    const accessor = read(opened, "auth").text("accessor", { max: 256 });
    if (!sameAccessor(accessor, delivery)) throw spent();
    return accessor;
  }

  async close(): Promise<void> {
    await this.#dispatcher.destroy();
  }

  async #ask(
    url: string,
    more: { body?: string; headers?: Record<string, string> },
  ): Promise<Answer> {
    try {
      return await request({
        method: "POST",
        url,
        timeout: callMs,
        maxBytes: answerBytes,
        dispatcher: this.#dispatcher,
        ...more,
      });
    } catch (error) {
      if (error instanceof TransportError) throw unavailable();
      throw error;
    }
  }
}

function read({ status, body }: Answer, member: "data" | "auth"): Fields {
  if (status === 400) throw spent();
  if (status !== 200) throw unavailable();
  try {
    return new Fields(parseJson(body, answerBytes)).object(member);
  } catch (error) {
    if (error instanceof ShapeError) throw unavailable();
    throw error;
  }
}

function spent(): Refusal<DeliveryCode> {
  return new Refusal("already_unwrapped", "the wrapping token is spent");
}

function unavailable(): Refusal<DeliveryCode> {
  return new Refusal("vault_unavailable", "Vault gave no usable answer");
}
