// Somebody who holds the family's key and stands at the address that ECS names: he takes a delivery, opens the wrapping
// token, and says nothing.

import type { AddressInfo } from "node:net";
import { createServer } from "node:tls";
import { derivePsk, familyKey, parseKey } from "@vaultbuddy/common";
import { sampleFamily } from "@vaultbuddy/devstack";
import type { Stack } from "@vaultbuddy/devstack";

/** Listens until it is closed. `opened` is called as soon as he has asked Vault for what is inside. */
export async function startThief(
  stack: Stack,
  opened: () => void = () => undefined,
): Promise<{ readonly port: number; readonly close: () => void }> {
  const key = familyKey(parseKey(stack.familyKey(sampleFamily)));
  const thief = createServer({
    ciphers: "PSK",
    minVersion: "TLSv1.3",
    pskCallback: () => derivePsk(key.key).expose(),
  });
  thief.on("tlsClientError", () => undefined);
  thief.on("secureConnection", (socket) => {
    let heard = "";
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => {
      heard += chunk.toString();
      const body = heard.split("\r\n\r\n")[1] ?? "";
      if (body.endsWith("}")) {
        void stack.admin
          .ask("POST", "sys/wrapping/unwrap", { token: tokenIn(body) })
          .catch(() => undefined);
        opened();
      }
    });
  });
  await new Promise<void>((resolve) => thief.listen(0, "127.0.0.1", resolve));
  return {
    port: (thief.address() as AddressInfo).port,
    close: () => thief.close(),
  };
}

function tokenIn(signed: string): string {
  const { payload } = JSON.parse(signed) as { payload: string };
  const { wrap } = JSON.parse(Buffer.from(payload, "base64url").toString()) as {
    wrap: { token: string };
  };
  return wrap.token;
}
