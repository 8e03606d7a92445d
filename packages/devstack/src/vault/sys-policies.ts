// Vault's stand-in, the paths that keep policies: sys/policies/acl, and sys/policy as older clients know it.

import { pattern } from "./backend.ts";
import type { Call, Handler, Reply, Route } from "./backend.ts";
import type { Core } from "./core.ts";
import { refuse } from "./fault.ts";

export function sysPolicyRoutes(core: Core): Route[] {
  const remove: Handler = (call) => {
    core.policies.delete(nameOf(call));
    return undefined;
  };
  const fields = { policy: "string", rules: "string" } as const;
  return [
    {
      pattern: pattern("policies/acl/?"),
      operations: { list: () => ({ data: { keys: core.policies.names() } }) },
    },
    {
      pattern: pattern("policies/acl/(?<name>.+)"),
      fields,
      operations: {
        read: (call) => read(core, call, "policy"),
        update: (call) => write(core, call, false),
        delete: remove,
      },
    },
    {
      pattern: pattern("policy/?"),
      operations: { read: () => listOld(core), list: () => listOld(core) },
    },
    {
      pattern: pattern("policy/(?<name>.+)"),
      fields,
      operations: {
        read: (call) => read(core, call, "rules"),
        update: (call) => write(core, call, true),
        delete: remove,
      },
    },
  ];
}

function nameOf(call: Call): string {
  return call.fields.string("name").trim().toLowerCase();
}

function listOld(core: Core): Reply {
  const keys = core.policies.names();
  return { data: { keys, policies: keys } };
}

function read(
  core: Core,
  call: Call,
  as: "policy" | "rules",
): Reply | undefined {
  const name = nameOf(call);
  const text = core.policies.text(name);
  return text === undefined ? undefined : { data: { name, [as]: text } };
}

function write(core: Core, call: Call, old: boolean): Reply | undefined {
  let text = call.fields.string("policy");
  const warnings: string[] = [];
  if (text === "" && old) {
    text = call.fields.string("rules");
    warnings.push("'rules' is deprecated, please use 'policy' instead");
  }
  if (text === "") throw refuse("'policy' parameter not supplied or empty");
  core.policies.set(nameOf(call), fromBase64(text) ?? text);
  return warnings.length > 0 ? { warnings } : undefined;
}

/** Vault takes a policy in base64 as well, without being told. */
function fromBase64(text: string): string | undefined {
  const plain = text.replaceAll(/[\r\n]/g, "");
  return plain.length % 4 === 0 && /^[\w+/]+={0,2}$/.test(plain)
    ? Buffer.from(plain, "base64").toString()
    : undefined;
}
