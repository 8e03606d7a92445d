// The broker's clock is set in the middle of a handoff. An interception is still seen as one.

import { writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:tls";
import { fileURLToPath } from "node:url";
import { derivePsk, familyKey, parseKey } from "@vaultbuddy/common";
import { looseTask, notify, sampleFamily, Stack } from "@vaultbuddy/devstack";
import { afterAll, beforeAll, expect, test } from "vitest";
import { living } from "./facts.ts";

let stack: Stack;
beforeAll(async () => {
  stack = await Stack.start({
    containers: false,
    policy: {
      [sampleFamily]: {
        policies: [sampleFamily],
        wrap_ttl: 5,
        secrets: ["secret/sample"],
      },
    },
  });
});
afterAll(() => stack.close());

test.each([0, 300_000, -300_000])(
  "a clock that is set by %i ms hides no interception",
  async (step) => {
    const file = stack.write(`off-by-${step}`, "0");
    const { daemon, url } = await stack.startBroker(
      [
        "--ledger",
        `sqlite:${stack.folder}/step${step}.db`,
        "--delivery-timeout",
        "12s",
      ],
      {
        NODE_OPTIONS: `--import ${fileURLToPath(new URL("set-clock.ts", import.meta.url))}`,
        CLOCK_OFF_BY: file,
      },
    );
    // Somebody with the family's key takes the delivery, opens it, and says nothing.
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
          const { payload } = JSON.parse(body) as { payload: string };
          const { wrap } = JSON.parse(
            Buffer.from(payload, "base64url").toString(),
          ) as {
            wrap: { token: string };
          };
          void stack.admin
            .ask("POST", "sys/wrapping/unwrap", { token: wrap.token })
            .catch(() => undefined);
          writeFileSync(file, String(step));
        }
      });
    });
    await new Promise<void>((resolve) => thief.listen(0, "127.0.0.1", resolve));
    const { notice } = await looseTask(stack, {
      dialledPort: (thief.address() as AddressInfo).port,
    });
    expect((await notify(url, notice)).code).toBe("delivery_uncertain");
    expect(daemon.output).toContain('"level":"fatal"');
    expect(await living(stack)).toEqual([]);
    thief.close();
    await daemon.kill();
  },
  60_000,
);
