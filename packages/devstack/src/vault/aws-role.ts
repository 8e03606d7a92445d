// Vault's stand-in, the auth method aws, its roles: which IAM principals may have the token of a role, and what it is.

import { nameGroup, listReply, pattern } from "./backend.ts";
import type { Call, Reply, Route } from "./backend.ts";
import { refuse } from "./fault.ts";
import type { Schema } from "./fields.ts";
import { uuid } from "./random.ts";
import { Storage } from "./storage.ts";
import {
  describeTokenParams,
  newTokenParams,
  tokenFields,
  writeTokenParams,
} from "./token-params.ts";
import type { TokenParams } from "./token-params.ts";

export interface AwsRole {
  readonly name: string;
  readonly roleId: string;
  readonly params: TokenParams;
  readonly boundArns: readonly string[];
}

const fields: Schema = {
  ...tokenFields,
  auth_type: "string",
  bound_iam_principal_arn: "comma list",
  resolve_aws_unique_ids: "boolean",
};

export class AwsRoles {
  readonly #roles = new Storage<AwsRole>();

  get(name: string): AwsRole | undefined {
    return this.#roles.get(name);
  }

  byId(roleId: string): AwsRole | undefined {
    return this.#roles
      .keys()
      .map((name) => this.#roles.get(name))
      .find((role) => role?.roleId === roleId);
  }

  routes(): Route[] {
    const write = (call: Call): undefined => {
      this.#write(call);
    };
    return [
      {
        pattern: pattern("roles?/?"),
        operations: { list: () => listReply(this.#roles.list("")) },
      },
      {
        pattern: pattern(`role/${nameGroup("role")}`),
        fields,
        exists: (call) => this.#roles.get(nameOf(call)) !== undefined,
        operations: {
          create: write,
          update: write,
          read: (call) => describe(this.#roles.get(nameOf(call))),
          delete: (call) => {
            this.#roles.delete(nameOf(call));
            return undefined;
          },
        },
      },
    ];
  }

  #write(call: Call): void {
    const { fields: given } = call;
    const name = nameOf(call);
    const before = this.#roles.get(name);
    const type = given.has("auth_type") ? given.string("auth_type") : "iam";
    if (type === "ec2")
      throw refuse("this stand-in has no roles with auth_type ec2");
    if (type !== "iam") throw refuse(`unrecognized auth_type: ${type}`);
    const boundArns = given.has("bound_iam_principal_arn")
      ? given.list("bound_iam_principal_arn")
      : (before?.boundArns ?? []);
    if (boundArns.length === 0)
      throw refuse(
        "at least one bound parameter should be specified on the role",
      );
    const resolve = given.boolean(
      "resolve_aws_unique_ids",
      before === undefined,
    );
    const wildcard = boundArns.find((arn) => arn.endsWith("*"));
    if (resolve || wildcard !== undefined)
      throw refuse(
        `unable to resolve ARN "${wildcard ?? boundArns[0] ?? ""}" to internal ID: this stand-in asks no IAM (write resolve_aws_unique_ids=false and whole ARNs)`,
      );
    const params = { ...(before?.params ?? newTokenParams()) };
    try {
      writeTokenParams(params, given);
    } catch (error) {
      throw refuse(error instanceof Error ? error.message : "");
    }
    const roleId = before?.roleId ?? uuid();
    this.#roles.set(name, { name, roleId, params, boundArns });
  }
}

function nameOf(call: Call): string {
  return call.fields.string("role").toLowerCase();
}

function describe(role: AwsRole | undefined): Reply | undefined {
  if (role === undefined) return undefined;
  return {
    data: {
      ...describeTokenParams(role.params),
      auth_type: "iam",
      bound_iam_principal_arn: [...role.boundArns],
      resolve_aws_unique_ids: false,
      role_id: role.roleId,
    },
  };
}
