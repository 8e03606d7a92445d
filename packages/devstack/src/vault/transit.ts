// Vault's stand-in, the transit engine: named keys that encrypt and decrypt, one text or a batch, with versions that
// rotate. Of its kinds of keys the symmetric ones that Vault makes by default.

import { listReply, nameGroup, pattern } from "./backend.ts";
import type { Backend, Call, Handler, Reply, Route } from "./backend.ts";
import type { Core } from "./core.ts";
import { failed, refuse } from "./fault.ts";
import { isObject } from "./json.ts";
import type { Json, JsonObject } from "./json.ts";
import { Storage } from "./storage.ts";
import {
  configureKey,
  decryptOne,
  describeKey,
  encryptOne,
  newKey,
  rotateKey,
} from "./transit-key.ts";
import type { TransitKey } from "./transit-key.ts";

export function transitBackend(core: Core): Backend {
  const keys = new Storage<TransitKey>();
  const make = (name: string, type: string): TransitKey => {
    const key = newKey(name, type, core.now());
    keys.set(name, key);
    return key;
  };
  return {
    routes: [
      {
        pattern: pattern("keys/?"),
        operations: { list: () => listReply(keys.list("")) },
      },
      ...keyRoutes(core, keys, make),
      encryptRoute(keys, make),
      {
        pattern: pattern(`decrypt/${nameGroup("name")}`),
        fields: { ciphertext: "string" },
        operations: { update: (call) => decrypt(keys, call) },
      },
    ],
  };
}

function keyRoutes(
  core: Core,
  keys: Storage<TransitKey>,
  make: (name: string, type: string) => TransitKey,
): Route[] {
  const known = (call: Call): TransitKey => {
    const key = keys.get(call.fields.string("name"));
    if (key === undefined)
      throw refuse(
        `no existing key named ${call.fields.string("name")} could be found`,
      );
    return key;
  };
  return [
    {
      pattern: pattern(`keys/${nameGroup("name")}/rotate`),
      operations: {
        update: (call) => {
          const key = keys.get(call.fields.string("name"));
          if (key === undefined) throw refuse("key not found");
          rotateKey(key, core.now());
          return undefined;
        },
      },
    },
    {
      pattern: pattern(`keys/${nameGroup("name")}/config`),
      fields: {
        min_decryption_version: "integer",
        min_encryption_version: "integer",
        deletion_allowed: "boolean",
      },
      operations: {
        update: (call) => {
          configureKey(known(call), call.fields);
          return undefined;
        },
      },
    },
    {
      pattern: pattern(`keys/${nameGroup("name")}`),
      fields: { type: "string" },
      operations: {
        update: ({ fields }) => {
          const name = fields.string("name");
          if (keys.get(name) !== undefined)
            return { warnings: [`key ${name} already existed`] };
          make(name, fields.string("type") || "aes256-gcm96");
          return undefined;
        },
        read: ({ fields }) => describeKey(keys.get(fields.string("name"))),
        delete: (call) => {
          const { name, deletionAllowed } = known(call);
          if (!deletionAllowed)
            throw refuse(
              `error deleting policy ${name}: deletion is not allowed for this key`,
            );
          keys.delete(name);
          return undefined;
        },
      },
    },
  ];
}

function encryptRoute(
  keys: Storage<TransitKey>,
  make: (name: string, type: string) => TransitKey,
): Route {
  const write: Handler = (call) => {
    const { fields, operation } = call;
    const batch = batchOf(call);
    if (batch === undefined && !fields.has("plaintext"))
      throw refuse("missing plaintext to encrypt");
    const name = fields.string("name");
    const key =
      keys.get(name) ??
      (operation === "create"
        ? make(name, fields.string("type") || "aes256-gcm96")
        : undefined);
    if (key === undefined) throw refuse("encryption key not found");
    if (batch === undefined)
      return {
        data: encryptOne(
          key,
          fields.string("plaintext"),
          fields.integer("key_version"),
        ),
      };
    return {
      data: {
        batch_results: batch.map((item) =>
          orError(() =>
            encryptOne(
              key,
              textOf(item["plaintext"]),
              Number(item["key_version"] ?? 0),
            ),
          ),
        ),
      },
    };
  };
  return {
    pattern: pattern(`encrypt/${nameGroup("name")}`),
    fields: { plaintext: "string", key_version: "integer", type: "string" },
    exists: ({ fields }) => keys.get(fields.string("name")) !== undefined,
    operations: { create: write, update: write },
  };
}

function decrypt(keys: Storage<TransitKey>, call: Call): Reply {
  const { fields } = call;
  const batch = batchOf(call);
  if (batch === undefined && fields.string("ciphertext") === "")
    throw refuse("missing ciphertext to decrypt");
  const key = keys.get(fields.string("name"));
  if (key === undefined) throw refuse("encryption key not found");
  if (batch === undefined)
    return {
      data: { plaintext: decryptOne(key, fields.string("ciphertext")) },
    };
  return {
    data: {
      batch_results: batch.map((item) => {
        const ciphertext = textOf(item["ciphertext"]);
        return ciphertext === ""
          ? { error: "missing ciphertext to decrypt" }
          : orError(() => ({ plaintext: decryptOne(key, ciphertext) }));
      }),
    },
  };
}

function batchOf({ request }: Call): JsonObject[] | undefined {
  const raw = request.data?.["batch_input"];
  if (raw === undefined || raw === null) return undefined;
  if (!Array.isArray(raw) || !raw.every((item) => isObject(item)))
    throw failed(
      "failed to parse batch input: source data must be an array or slice of maps",
    );
  if (raw.length === 0) throw refuse("missing batch input to process");
  return raw;
}

function orError(work: () => JsonObject): JsonObject {
  try {
    return work();
  } catch (error) {
    return { error: error instanceof Error ? error.message : "" };
  }
}

function textOf(value: Json | undefined): string {
  return typeof value === "string" ? value : "";
}
