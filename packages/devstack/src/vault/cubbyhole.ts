// Vault's stand-in, the cubbyhole: a small store that belongs to one token and dies with it.

import { listReply, pattern } from "./backend.ts";
import type { Backend, Call, Handler } from "./backend.ts";
import type { Core } from "./core.ts";
import { failed, refuse } from "./fault.ts";
import type { JsonObject } from "./json.ts";
import type { Storage } from "./storage.ts";

export function cubbyholeBackend(core: Core): Backend {
  // A token in its last use still reaches its own.
  const own = (call: Call): Storage<JsonObject> => {
    const token = core.tokens.find(call.request.token, true);
    if (token === undefined) throw failed("missing token");
    return token.cubbyhole;
  };
  const write: Handler = (call) => {
    if (call.path === "") throw refuse("missing path");
    const data = call.request.data ?? {};
    if (Object.keys(data).length === 0) throw refuse("missing data fields");
    own(call).set(call.path, data);
    return undefined;
  };
  return {
    routes: [
      {
        pattern: pattern(".*"),
        exists: (call) => own(call).get(call.path) !== undefined,
        operations: {
          read: (call) => {
            if (call.path === "") throw refuse("missing path");
            const data = own(call).get(call.path);
            return data === undefined ? undefined : { data };
          },
          create: write,
          update: write,
          delete: (call) => {
            own(call).delete(call.path);
            return undefined;
          },
          list: (call) => listReply(own(call).list(call.path)),
        },
      },
    ],
  };
}
