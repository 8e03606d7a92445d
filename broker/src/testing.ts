// What tests of several broker rooms need: a container that passed every check, and a log that says nothing. No product
// code imports this.

import type { Log } from "@vaultbuddy/common/daemon";
import type { Claim } from "./claim.ts";
import type { Rule } from "./policy.ts";
import type { Vouched } from "./validate.ts";

export const silent: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  fatal: () => undefined,
};

export const rule: Rule = {
  pattern: "web",
  role: undefined,
  policies: ["web"],
  ttl: 3600,
  numUses: 0,
  meta: new Map([["team", "a"]]),
  wrapTtl: undefined,
  port: undefined,
  proof: "hmac",
  transport: "tls",
  secrets: { paths: [], env: new Map() },
  restart: undefined,
};

/** A vouched-for container, as validation would make it. */
export function vouchedFor(
  change: Partial<Omit<Vouched, symbol>> = {},
): Vouched {
  return {
    taskArn:
      "arn:aws:ecs:us-east-1:123456789012:task/main/0123456789abcdef0123456789abcdef",
    clusterArn: "arn:aws:ecs:us-east-1:123456789012:cluster/main",
    account: "123456789012",
    family: "web",
    containerName: "app",
    containerId: "a".repeat(64),
    rule,
    dial: { host: "127.0.0.1", port: 9202 },
    plain: false,
    secrets: { paths: ["secret/web"], env: new Map() },
    ...change,
  } as Vouched;
}

/** A claim on it, as claiming would make it. */
export function claimOn(task: Vouched): Claim {
  return { task, deliveryId: "delivery-0001", generation: 1 } as Claim;
}
