// One delivery to a container that waits in this machine's network, as a broker makes it.

import { request } from "node:https";
import type { RequestOptions } from "node:https";
import type { ConnectionOptions } from "node:tls";
import {
  accessorHash,
  DELIVERY_TYPE,
  derivePsk,
  familyKey,
  parseKey,
  Secret,
  signJws,
  writeDelivery,
} from "@vaultbuddy/common";
import type { FakeVault } from "../../entrypoint/src/process/fake-vault.ts";

/** Who is delivered to, and what stands in its settings. */
export interface Recipient {
  readonly port: number;
  readonly key: string;
  readonly taskArn: string;
  readonly containerName: string;
}

/** Delivers what was wrapped as `wrap-1`. Rejects when it is not taken. */
export function deliver(
  vault: FakeVault,
  { port, key: text, taskArn, containerName }: Recipient,
): Promise<void> {
  const key = familyKey(parseKey(text));
  const now = Math.floor(Date.now() / 1000);
  const delivery = writeDelivery({
    jti: "delivery-0001",
    iat: now,
    exp: now + 60,
    aud: { taskArn, containerName, containerId: "abc" },
    vault: { addr: vault.addr },
    wrap: {
      kind: "token",
      token: new Secret("wrap-1"),
      accessorHash: accessorHash(vault.wrapped.get("wrap-1")?.accessor ?? ""),
      creationPath: "auth/token/create/vaultbuddy-web",
      ttl: 60,
      tokenTtl: 3600,
    },
    secrets: { paths: [], env: new Map() },
  });
  const body = signJws(delivery, [key]);
  const psk = derivePsk(key.key).expose();
  return new Promise((resolve, reject) => {
    const options: RequestOptions & ConnectionOptions = {
      host: "127.0.0.1",
      port,
      method: "POST",
      agent: false,
      headers: {
        "content-type": DELIVERY_TYPE,
        "content-length": body.length,
      },
      ciphers: "PSK",
      minVersion: "TLSv1.3",
      ecdhCurve: "X25519",
      ca: [],
      checkServerIdentity: () => undefined,
      pskCallback: () => ({ psk, identity: key.kid }),
    };
    const asked = request(options);
    asked.once("error", reject);
    asked.once("response", (response) => {
      response.resume();
      if (response.statusCode === 200) {
        resolve();
      } else {
        reject(new Error(`the delivery was refused: ${response.statusCode}`));
      }
    });
    asked.end(body);
  });
}
