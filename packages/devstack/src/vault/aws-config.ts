// Vault's stand-in, the auth method aws, its configuration: which STS is asked, and what a signed request must carry.

import { pattern } from "./backend.ts";
import type { Call, Route } from "./backend.ts";
import { refuse } from "./fault.ts";
import type { Schema } from "./fields.ts";
import { quote } from "./json.ts";

const serverId = "X-Vault-AWS-IAM-Server-ID";

const fields: Schema = {
  access_key: "string",
  secret_key: "string",
  endpoint: "string",
  iam_endpoint: "string",
  sts_endpoint: "string",
  sts_region: "string",
  iam_server_id_header_value: "string",
  allowed_sts_header_values: "comma list",
  max_retries: "integer",
};

/** What a client may send of AWS's own headers. */
const allowed = [
  "x-amz-algorithm",
  "x-amz-content-sha256",
  "x-amz-credential",
  "x-amz-date",
  "x-amz-security-token",
  "x-amz-signature",
  "x-amz-signedheaders",
  "x-amz-user-agent",
];

export class AwsConfig {
  #written = false;
  #accessKey = "";
  #endpoint = "";
  #iamEndpoint = "";
  #stsEndpoint = "";
  #stsRegion = "";
  #serverId = "";
  #allowed: readonly string[] = [];
  #retries = -1;

  get stsEndpoint(): string {
    return this.#stsEndpoint;
  }

  route(): Route {
    const write = (call: Call): undefined => {
      this.#write(call);
    };
    return {
      pattern: pattern("config/client"),
      fields,
      exists: () => this.#written,
      operations: {
        create: write,
        update: write,
        read: () =>
          this.#written
            ? {
                data: {
                  access_key: this.#accessKey,
                  endpoint: this.#endpoint,
                  iam_endpoint: this.#iamEndpoint,
                  sts_endpoint: this.#stsEndpoint,
                  sts_region: this.#stsRegion,
                  iam_server_id_header_value: this.#serverId,
                  allowed_sts_header_values: [...this.#allowed],
                  max_retries: this.#retries,
                },
              }
            : undefined,
      },
    };
  }

  #write({ fields: given }: Call): void {
    const text = (name: string, before: string): string =>
      given.has(name) ? given.string(name) : before;
    this.#accessKey = text("access_key", this.#accessKey);
    this.#endpoint = text("endpoint", this.#endpoint);
    this.#iamEndpoint = text("iam_endpoint", this.#iamEndpoint);
    this.#stsEndpoint = text("sts_endpoint", this.#stsEndpoint);
    this.#stsRegion = text("sts_region", this.#stsRegion);
    this.#serverId = text("iam_server_id_header_value", this.#serverId);
    if (given.has("allowed_sts_header_values"))
      this.#allowed = given.list("allowed_sts_header_values");
    if (given.has("max_retries")) this.#retries = given.integer("max_retries");
    this.#written = true;
  }

  /** Names in lower case. */
  checkHeaders(headers: ReadonlyMap<string, string>): void {
    if (this.#serverId !== "") this.#checkServerId(headers);
    const more = this.#allowed.map((name) => name.toLowerCase());
    for (const name of headers.keys())
      if (name.startsWith("x-amz-") && ![...allowed, ...more].includes(name))
        throw refuse(`invalid request header: ${name}`);
  }

  #checkServerId(headers: ReadonlyMap<string, string>): void {
    const wrong = (what: string): Error =>
      refuse(`error validating ${serverId} header: ${what}`);
    const given = headers.get(serverId.toLowerCase()) ?? "";
    if (given === "") throw wrong(`missing header ${quote(serverId)}`);
    if (given !== this.#serverId)
      throw wrong(`expected ${quote(this.#serverId)} but got ${quote(given)}`);
    const authorization = headers.get("authorization");
    if (authorization === undefined)
      throw wrong("missing Authorization header");
    const signed = /SignedHeaders=([^,]+)/.exec(authorization)?.[1] ?? "";
    if (!signed.split(";").includes(serverId.toLowerCase()))
      throw wrong("vault header wasn't signed");
  }
}
