// Vault's stand-in, the database engine as its clients see it: roles, and credentials that are made at every read, under
// a lease. There is no database behind it, so a connection is believed without being tried.

import { listReply, nameGroup, pattern } from "./backend.ts";
import type { Backend, Call, Handler, Reply, Route } from "./backend.ts";
import type { Core } from "./core.ts";
import { wholeSeconds } from "./duration.ts";
import { failed, refuse } from "./fault.ts";
import { quote } from "./json.ts";
import { coveredByGlob } from "./lists.ts";
import { base62 } from "./random.ts";
import { Storage } from "./storage.ts";

interface Connection {
  readonly plugin: string;
  readonly allowedRoles: readonly string[];
  readonly details: Record<string, string>;
}

interface DatabaseRole {
  dbName: string;
  creation: readonly string[];
  revocation: readonly string[];
  rollback: readonly string[];
  renewal: readonly string[];
  /** Milliseconds. */
  defaultTtl: number;
  maxTtl: number;
}

export function databaseBackend(core: Core): Backend {
  const connections = new Storage<Connection>();
  const roles = new Storage<DatabaseRole>();
  return {
    rootPaths: ["rotate-root/*"],
    routes: [
      {
        pattern: pattern("config/?"),
        operations: { list: () => listReply(connections.list("")) },
      },
      configRoute(connections),
      {
        pattern: pattern("roles/?"),
        operations: { list: () => listReply(roles.list("")) },
      },
      roleRoute(roles),
      {
        pattern: pattern(`creds/${nameGroup("name")}`),
        operations: {
          read: (call) => makeCredentials(core, connections, roles, call),
        },
      },
    ],
  };
}

function configRoute(connections: Storage<Connection>): Route {
  const write: Handler = ({ fields, request }) => {
    const name = fields.string("name");
    const before = connections.get(name);
    const plugin = fields.string("plugin_name") || (before?.plugin ?? "");
    if (plugin === "") throw refuse("empty plugin name");
    if (!plugin.endsWith("-database-plugin"))
      throw refuse(
        `error creating database object: unable to find plugin ${quote(plugin)}`,
      );
    const { connection_url: url, username } = request.data ?? {};
    connections.set(name, {
      plugin,
      allowedRoles: fields.has("allowed_roles")
        ? fields.list("allowed_roles")
        : (before?.allowedRoles ?? []),
      details: {
        ...before?.details,
        ...(typeof url === "string" && { connection_url: url }),
        ...(typeof username === "string" && { username }),
      },
    });
    return undefined;
  };
  return {
    pattern: pattern(`config/${nameGroup("name")}`),
    fields: {
      plugin_name: "string",
      allowed_roles: "comma list",
      verify_connection: "boolean",
    },
    exists: ({ fields }) =>
      connections.get(fields.string("name")) !== undefined,
    operations: {
      create: write,
      update: write,
      read: ({ fields }) => {
        const found = connections.get(fields.string("name"));
        if (found === undefined) return undefined;
        return {
          data: {
            plugin_name: found.plugin,
            allowed_roles: [...found.allowedRoles],
            connection_details: found.details,
            root_credentials_rotate_statements: [],
            password_policy: "",
          },
        };
      },
      delete: ({ fields }) => {
        connections.delete(fields.string("name"));
        return undefined;
      },
    },
  };
}

function roleRoute(roles: Storage<DatabaseRole>): Route {
  const write: Handler = ({ fields }) => {
    const name = fields.string("name");
    const before = roles.get(name);
    const list = (field: string, otherwise: readonly string[] = []) =>
      fields.has(field) ? fields.list(field) : otherwise;
    const time = (field: string, otherwise = 0): number =>
      fields.has(field) ? fields.duration(field) : otherwise;
    const dbName = fields.string("db_name") || (before?.dbName ?? "");
    if (dbName === "") throw refuse("database name is required");
    roles.set(name, {
      dbName,
      creation: list("creation_statements", before?.creation),
      revocation: list("revocation_statements", before?.revocation),
      rollback: list("rollback_statements", before?.rollback),
      renewal: list("renew_statements", before?.renewal),
      defaultTtl: time("default_ttl", before?.defaultTtl),
      maxTtl: time("max_ttl", before?.maxTtl),
    });
    return undefined;
  };
  return {
    pattern: pattern(`roles/${nameGroup("name")}`),
    fields: {
      db_name: "string",
      creation_statements: "list",
      revocation_statements: "list",
      rollback_statements: "list",
      renew_statements: "list",
      default_ttl: "duration",
      max_ttl: "duration",
    },
    exists: ({ fields }) => roles.get(fields.string("name")) !== undefined,
    operations: {
      create: write,
      update: write,
      read: ({ fields }) => describeRole(roles.get(fields.string("name"))),
      delete: ({ fields }) => {
        roles.delete(fields.string("name"));
        return undefined;
      },
    },
  };
}

function describeRole(role: DatabaseRole | undefined): Reply | undefined {
  return (
    role && {
      data: {
        db_name: role.dbName,
        creation_statements: [...role.creation],
        revocation_statements: [...role.revocation],
        rollback_statements: [...role.rollback],
        renew_statements: [...role.renewal],
        default_ttl: wholeSeconds(role.defaultTtl),
        max_ttl: wholeSeconds(role.maxTtl),
      },
    }
  );
}

function makeCredentials(
  core: Core,
  connections: Storage<Connection>,
  roles: Storage<DatabaseRole>,
  { fields, request }: Call,
): Reply {
  const name = fields.string("name");
  const role = roles.get(name);
  if (role === undefined) throw refuse(`unknown role: ${name}`);
  const connection = connections.get(role.dbName);
  if (connection === undefined)
    throw failed(
      `failed to find entry for connection with name: ${quote(role.dbName)}`,
    );
  if (!coveredByGlob(connection.allowedRoles, name))
    throw failed(`${quote(name)} is not an allowed role`);
  const display = core.tokens.find(request.token, true)?.displayName ?? "";
  const seconds = Math.floor(core.now() / 1000);
  return {
    data: {
      username: `v-${display.slice(0, 8)}-${name.slice(0, 8)}-${base62(20)}-${seconds}`,
      password: `A1a-${base62(16)}`,
    },
    secret: { ttl: role.defaultTtl, maxTtl: role.maxTtl, renewable: true },
  };
}
