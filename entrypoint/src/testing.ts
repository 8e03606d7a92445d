// Fakes that the tests beside the steps share. No product code imports this file.

import { accessorHash, Secret } from "@vaultbuddy/common";
import type { Delivery } from "@vaultbuddy/common";
import type { Log, LogFields, LogLevel } from "./log.ts";
import type { Opened } from "./unwrap.ts";

/** A log that keeps what it was told. */
export class FakeLog implements Log {
  readonly lines: { level: LogLevel; sentence: string; fields: LogFields }[] =
    [];
  readonly debug = this.#at("debug");
  readonly info = this.#at("info");
  readonly warn = this.#at("warn");
  readonly error = this.#at("error");

  #at(level: LogLevel) {
    return (sentence: string, fields: LogFields = {}): void => {
      this.lines.push({ level, sentence, fields });
    };
  }
}

/** The moment of {@link someDelivery}, in seconds. */
export const IAT = 1_800_000_000;
export const TASK =
  "arn:aws:ecs:us-east-1:123456789012:task/default/0123456789abcdef0123456789abcdef";

/** A token as it comes out of its wrapping. */
export const opened: Opened = {
  token: new Secret("hvs.inner"),
  accessor: "inner-accessor",
  renewable: true,
  ttl: 90,
};

/** A delivery that is right in everything. */
export function someDelivery(changes: Partial<Delivery> = {}): Delivery {
  return {
    jti: "delivery-0001",
    iat: IAT,
    exp: IAT + 60,
    aud: { taskArn: TASK, containerName: "web", containerId: "abc" },
    vault: { addr: "https://vault:8200" },
    wrap: {
      kind: "token",
      token: new Secret("hvs.wrapping"),
      accessorHash: accessorHash(opened.accessor),
      creationPath: "auth/token/create/vaultbuddy-web",
      ttl: 60,
      tokenTtl: 3600,
    },
    secrets: { paths: [], env: new Map() },
    ...changes,
  };
}
