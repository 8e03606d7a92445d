// What a task definition family may have: the rules of the policy document, as the flow sees them.

import type { SecretPlan } from "@vaultbuddy/common";

/** One rule of the policy document, with every default filled in. Durations in seconds unless said. */
export interface Rule {
  /** The key under which it stands in the document: a glob over `family` or `family/container`. */
  readonly pattern: string;
  /** The Vault token role tokens are created through; undefined means the broker's own default. */
  readonly role: string | undefined;
  /** Never empty. */
  readonly policies: readonly string[];
  readonly ttl: number;
  /** 0 is without limit. */
  readonly numUses: number;
  readonly renewable: boolean;
  readonly meta: ReadonlyMap<string, string>;
  /** Undefined means the broker's own default. */
  readonly wrapTtl: number | undefined;
  readonly port: number | undefined;
  readonly proof: "hmac";
  readonly transport: "tls" | "plain";
  readonly secrets: SecretPlan;
  /** Fresh tokens for a container that ECS restarted in place; minInterval in milliseconds. */
  readonly restart:
    { readonly max: number; readonly minInterval: number } | undefined;
}
