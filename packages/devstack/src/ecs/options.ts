// What the stand-in can be started with. Nothing is required; the defaults are a small account that is as strict as AWS
// and much faster.

import type { Engine } from "../engine/engine.ts";
import type { BucketName, Rate } from "./bucket.ts";
import type { Clock, Hex } from "./clock.ts";
import type { DefinitionLimits } from "./definition-input.ts";
import type { Delays } from "./runner.ts";

export interface AwsOptions {
  /** What containers run on. Without one the stand-in answers everything, and RunTask fails. */
  readonly engine?: Engine;
  /** `host:port` of the AWS endpoint; port 0 picks one. Default `127.0.0.1:0`. */
  readonly listen?: string;
  /** `host:port` of the control port; absent: none. */
  readonly control?: string;
  /** Twelve digits. Default `123456789012`. */
  readonly account?: string;
  /** Default `us-east-1`. */
  readonly region?: string;
  /** Made-up credentials; random when absent. */
  readonly accessKeyId?: string;
  readonly secretAccessKey?: string;
  /** Clusters that are there from the start; the first is the one the introspection names. Default `default`. */
  readonly clusters?: readonly string[];
  /** Where containers reach this host. Default: the engine's bridge gateway, or loopback without an engine. */
  readonly hostAddress?: string;
  /** The private IPv4 that DescribeInstances answers. Default: `hostAddress`. */
  readonly instanceAddress?: string;
  readonly delays?: Partial<Delays>;
  readonly rates?: Partial<Record<BucketName, Rate>>;
  /** How fast one host's metadata endpoint answers; the agent's default is a burst of 60 and 40 a second. */
  readonly metadataRate?: Rate;
  /** ECS's lower bounds of the health check's interval and the restart attempt period. */
  readonly limits?: Partial<DefinitionLimits>;
  readonly secrets?: Readonly<Record<string, string>>;
  readonly clusterLabel?: "name" | "arn";
  readonly clock?: Clock;
  readonly hex?: Hex;
}
