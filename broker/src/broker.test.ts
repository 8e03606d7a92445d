// What somebody else's notice for the same container may cost an honest agent: nothing.

import { Refusal, parseNotice, systemClock } from "@vaultbuddy/common";
import type { Notice } from "@vaultbuddy/common";
import { expect, test } from "vitest";
import { Broker } from "./broker.ts";
import type { BrokerDeps } from "./broker.ts";
import { Meters } from "./meters.ts";

const body = {
  // Of the old format: the ARN does not name its cluster.
  taskArn:
    "arn:aws:ecs:us-east-1:123456789012:task/0123456789abcdef0123456789abcdef",
  containerName: "app",
  containerId: "c".repeat(64),
};
const notice = (cluster: string): Notice =>
  parseNotice(Buffer.from(JSON.stringify({ ...body, cluster })));

/** A broker whose inquiries end when the test says so. */
function brokerOf() {
  const asked: { cluster: string; source: string; end: () => void }[] = [];
  const quiet = () => undefined;
  const deps = {
    clock: systemClock,
    log: new Proxy({}, { get: () => quiet }),
    meters: new Meters(),
    vouch: (one: Notice, { source }: { source: string }) =>
      new Promise((_, reject) => {
        asked.push({
          cluster: one.cluster.name,
          source,
          end: () => reject(new Refusal("task_not_found", "no such task")),
        });
      }),
    deliveryTimeout: 90_000,
  } as unknown as BrokerDeps;
  return { broker: new Broker(deps), asked };
}

test.each([
  ["in another cluster", "other", "10.0.0.1"],
  ["from another address", "main", "10.0.0.9"],
])(
  "a notice %s is not the one that an honest agent waits for",
  async (_name, cluster, source) => {
    const { broker, asked } = brokerOf();
    const forged = broker.handOff(notice(cluster), source);
    const honest = broker.handOff(notice("main"), "10.0.0.1");
    const same = broker.handOff(notice("main"), "10.0.0.1");
    const answers = Promise.allSettled([forged, honest, same]);
    await new Promise((resolve) => setImmediate(resolve));
    for (const { end } of asked) {
      end();
    }
    await answers;
    expect(asked.map((one) => [one.cluster, one.source])).toEqual([
      [cluster, source],
      ["main", "10.0.0.1"],
    ]);
  },
);
