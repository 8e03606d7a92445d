// Vault's stand-in, what answers before any mount does: health, initialisation, sealing and unsealing. A sealed Vault
// keeps all it had; a story may also make it a standby or a replica, which one server alone can't become in reality.

import { failed, listed, permissionDenied, Refusal } from "./fault.ts";
import type { Core } from "./core.ts";
import { parseBool } from "./fields.ts";
import { decodeBody } from "./json.ts";
import type { Json } from "./json.ts";
import { base62, unsealKeyHex, uuid } from "./random.ts";
import { renderErrors } from "./render.ts";
import type { Rendered } from "./render.ts";
import type { VaultRequest } from "./backend.ts";

/** What a story can make the server pretend to be. */
export const modes = [
  "active",
  "standby",
  "performance-standby",
  "dr-secondary",
  "uninitialized",
] as const;
export type Mode = (typeof modes)[number];

const version = "1.8.0";
const shortestKey = 16;
const longestKey = 33;

export class Seal {
  readonly unsealKey = unsealKeyHex();
  sealed = false;
  mode: Mode = "active";
  readonly #clusterId = uuid();
  readonly #clusterName = `vault-cluster-${base62(8).toLowerCase()}`;
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Why no mount answers now, with the status to say it with; undefined when one does. */
  refusal(request: { readonly token: string }): Rendered | undefined {
    const { mode } = this;
    if (this.sealed || mode === "uninitialized")
      return renderErrors(503, [
        request.token === ""
          ? "Vault is sealed"
          : "error performing token check: Vault is sealed",
      ]);
    if (mode === "dr-secondary")
      return renderErrors(400, [
        "path disabled in replication DR secondary mode",
      ]);
    return mode === "standby"
      ? renderErrors(503, ["no active Vault instance found"])
      : undefined;
  }

  health(query: URLSearchParams): Rendered {
    const flag = (name: string): boolean => {
      const text = query.get(name);
      const value = text === null || text === "" ? false : parseBool(text);
      if (value === undefined) throw new Refusal(400, "", false);
      return value;
    };
    const code = (name: string, otherwise: number): number => {
      const text = query.get(name);
      if (text === null) return otherwise;
      if (!/^[+-]?\d+$/.test(text)) throw new Refusal(400, "", false);
      return Number(text);
    };
    try {
      const standbyOk = flag("standbyok");
      const performanceOk = flag("perfstandbyok");
      const active = code("activecode", 200);
      const byMode: Record<Mode, number> = {
        active,
        standby: standbyOk ? active : code("standbycode", 429),
        "performance-standby": performanceOk
          ? active
          : code("performancestandbycode", 473),
        "dr-secondary": code("drsecondarycode", 472),
        uninitialized: code("uninitcode", 501),
      };
      const sealedCode = code("sealedcode", 503);
      const sealed = this.sealed && this.mode !== "uninitialized";
      return {
        status: sealed ? sealedCode : byMode[this.mode],
        body: `${JSON.stringify(this.#healthBody())}\n`,
      };
    } catch (error) {
      if (error instanceof Refusal) return renderErrors(400, []);
      throw error;
    }
  }

  #healthBody(): Json {
    const down = this.sealed || this.mode === "uninitialized";
    const mode = down ? "unknown" : "disabled";
    return {
      initialized: this.mode !== "uninitialized",
      sealed: down,
      // Vault counts itself as a standby while it is sealed.
      standby:
        down || this.mode === "standby" || this.mode === "performance-standby",
      performance_standby: this.mode === "performance-standby",
      replication_performance_mode: mode,
      replication_dr_mode: this.mode === "dr-secondary" ? "secondary" : mode,
      server_time_utc: Math.floor(this.#now() / 1000),
      version,
      ...(!down && {
        cluster_name: this.#clusterName,
        cluster_id: this.#clusterId,
      }),
    };
  }

  status(): Rendered {
    const initialized = this.mode !== "uninitialized";
    const sealed = this.sealed || !initialized;
    const body: Json = {
      type: "shamir",
      initialized,
      sealed,
      t: 1,
      n: 1,
      progress: 0,
      nonce: "",
      version,
      migration: false,
      ...(!sealed && {
        cluster_name: this.#clusterName,
        cluster_id: this.#clusterId,
      }),
      recovery_seal: false,
      storage_type: "inmem",
    };
    return { status: 200, body: `${JSON.stringify(body)}\n` };
  }

  leader(): Rendered {
    return {
      status: 200,
      body: `${JSON.stringify({
        ha_enabled: false,
        is_self: false,
        leader_address: "",
        leader_cluster_address: "",
        performance_standby: false,
        performance_standby_last_remote_wal: 0,
      })}\n`,
    };
  }

  initialisation(method: string): Rendered {
    if (method === "GET")
      return {
        status: 200,
        body: `${JSON.stringify({ initialized: this.mode !== "uninitialized" })}\n`,
      };
    return renderErrors(400, ["Vault is already initialized"]);
  }

  /** sys/seal: needs a token with `update` and `sudo` on the path. */
  close(core: Core, request: VaultRequest): Rendered {
    if (this.sealed) return { status: 204, body: undefined };
    if (request.token === "")
      return renderErrors(500, [listed("missing client token")]);
    try {
      const token = core.authenticate(request);
      const verdict = core.acl(token).judge(request);
      core.tokens.use(token);
      if (token.numUses < 0) core.tokens.revokeTree(token);
      if (!verdict.allowed || !verdict.sudo)
        throw failed(permissionDenied, 403);
    } catch (error) {
      if (error instanceof Refusal)
        return renderErrors(error.status, [listed(error.message)]);
      throw error;
    }
    this.sealed = true;
    return { status: 204, body: undefined };
  }

  /** sys/unseal with the one key that there is, in hexadecimal or base64. */
  open(text: string): Rendered {
    let body;
    try {
      body = decodeBody(text) ?? {};
    } catch {
      return renderErrors(400, ["failed to parse JSON input"]);
    }
    if (body["reset"] === true)
      return this.sealed
        ? this.status()
        : renderErrors(400, ["vault is unsealed"]);
    const key = body["key"];
    if (typeof key !== "string" || key === "")
      return renderErrors(400, [
        "'key' must be specified in request body as JSON, or 'reset' set to true",
      ]);
    const bytes = keyBytes(key);
    if (bytes === undefined)
      return renderErrors(400, ["'key' must be a valid hex or base64 string"]);
    if (bytes.length < shortestKey)
      return renderErrors(400, [
        `invalid key: key is shorter than minimum ${shortestKey} bytes`,
      ]);
    if (bytes.length > longestKey)
      return renderErrors(400, [
        `invalid key: key is longer than maximum ${longestKey} bytes`,
      ]);
    if (this.sealed && !bytes.equals(Buffer.from(this.unsealKey, "hex")))
      return renderErrors(400, [
        "invalid key: failed to decrypt keys from storage: cipher: message authentication failed",
      ]);
    this.sealed = false;
    return this.status();
  }
}

function keyBytes(text: string): Buffer | undefined {
  if (/^(?:[\da-fA-F]{2})+$/.test(text)) {
    const bytes = Buffer.from(text, "hex");
    if (bytes.length >= shortestKey && bytes.length <= longestKey) return bytes;
  }
  return text.length % 4 === 0 && /^[\w+/]*={0,2}$/.test(text)
    ? Buffer.from(text, "base64")
    : undefined;
}
