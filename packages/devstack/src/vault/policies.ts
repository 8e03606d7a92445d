// Vault's stand-in, the policies by name, among them the ones that every Vault has: "default", which most tokens get,
// and "response-wrapping", which lets a wrapping token be opened and nothing else.

import { Acl } from "./acl.ts";
import { refuse } from "./fault.ts";
import { quote } from "./json.ts";
import {
  defaultPolicy,
  notAssignable,
  responseWrappingPolicy,
  rootPolicy,
} from "./lists.ts";
import { parsePolicy } from "./policy.ts";
import type { PathRule } from "./policy.ts";

const everything = `["create", "read", "update", "delete", "list"]`;
const defaultRules = `# A token may look itself up, renew itself and revoke itself.
path "auth/token/lookup-self" { capabilities = ["read"] }
path "auth/token/renew-self" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }

# It may ask what it may do.
path "sys/capabilities-self" { capabilities = ["update"] }
path "sys/internal/ui/resultant-acl" { capabilities = ["read"] }

# It may look after the leases whose names it knows.
path "sys/renew" { capabilities = ["update"] }
path "sys/leases/renew" { capabilities = ["update"] }
path "sys/leases/lookup" { capabilities = ["update"] }

# Its cubbyhole is its own.
path "cubbyhole/*" { capabilities = ${everything} }

# It may wrap values, and look at and open what was wrapped.
path "sys/wrapping/wrap" { capabilities = ["update"] }
path "sys/wrapping/lookup" { capabilities = ["update"] }
path "sys/wrapping/unwrap" { capabilities = ["update"] }

# General tools.
path "sys/tools/hash" { capabilities = ["update"] }
path "sys/tools/hash/*" { capabilities = ["update"] }
path "sys/tools/random" { capabilities = ["update"] }
path "sys/tools/random/*" { capabilities = ["update"] }

# The state of a request that a control group holds up.
path "sys/control-group/request" { capabilities = ["update"] }
`;
const wrappingRules = `path "cubbyhole/response" { capabilities = ["create", "read"] }
path "sys/wrapping/unwrap" { capabilities = ["update"] }
`;

interface Policy {
  readonly text: string;
  readonly rules: readonly PathRule[];
}

export class PolicyStore {
  readonly #policies = new Map<string, Policy>();
  /** Built rule sets by the policies' names, dropped whenever a policy changes. */
  readonly #built = new Map<string, Acl>();

  constructor() {
    this.#put(defaultPolicy, defaultRules);
    this.#put(responseWrappingPolicy, wrappingRules);
  }

  has(name: string): boolean {
    return name === rootPolicy || this.#policies.has(name);
  }

  /** The text of a policy: "" for root, which has none; undefined when there is no such policy. */
  text(name: string): string | undefined {
    return name === rootPolicy ? "" : this.#policies.get(name)?.text;
  }

  /** Every name that a token can be given, "root" at the end, as Vault lists them. */
  names(): string[] {
    const names = [...this.#policies.keys()].filter(
      (name) => !notAssignable.includes(name),
    );
    return [...names.toSorted(), rootPolicy];
  }

  set(name: string, text: string): void {
    let rules: PathRule[];
    try {
      rules = parsePolicy(text);
    } catch (error) {
      throw refuse(error instanceof Error ? error.message : "");
    }
    if (this.#immutable(name))
      throw refuse(`cannot update ${quote(name)} policy`);
    this.#policies.set(name, { text, rules });
    this.#built.clear();
  }

  delete(name: string): void {
    if (this.#immutable(name))
      throw refuse(`cannot delete ${quote(name)} policy`);
    if (name === defaultPolicy) throw refuse("cannot delete default policy");
    this.#policies.delete(name);
    this.#built.clear();
  }

  /** The named policies as one; names without a policy grant nothing. */
  acl(names: readonly string[]): Acl {
    const key = JSON.stringify(names);
    const known = this.#built.get(key);
    if (known !== undefined) return known;
    const rules = names
      .flatMap((name) => this.#policies.get(name)?.rules ?? [])
      // Identity templates name nobody here, and Vault leaves out paths whose template nobody fits.
      .filter((rule) => !rule.path.includes("{{"));
    const acl = new Acl(rules, names.length === 1 && names[0] === rootPolicy);
    this.#built.set(key, acl);
    return acl;
  }

  #immutable(name: string): boolean {
    return name === rootPolicy || notAssignable.includes(name);
  }

  #put(name: string, text: string): void {
    this.#policies.set(name, { text, rules: parsePolicy(text) });
  }
}
