// Vault's stand-in, the auth method aws, as far as IAM goes: a signed GetCallerIdentity is sent to STS, and whoever STS
// says has signed it gets the token of a role that is bound to him. Configuration is in aws-config.ts, roles in
// aws-role.ts. It asks no IAM, so roles must be written with resolve_aws_unique_ids=false and without wildcards.

import { Agent } from "undici";
import { request as send } from "@vaultbuddy/common/daemon";
import { AwsConfig } from "./aws-config.ts";
import { AwsRoles } from "./aws-role.ts";
import type { AwsRole } from "./aws-role.ts";
import { pattern } from "./backend.ts";
import type { Backend, Call, LoginReply, Outside, Reply } from "./backend.ts";
import { anyHolds } from "./cidr.ts";
import { failed, permissionDenied, refuse } from "./fault.ts";
import { quote } from "./json.ts";
import type { Json, JsonObject } from "./json.ts";
import { loginFrom } from "./token-params.ts";

const timeout = 5_000;
const mostBytes = 64 * 1024;

export function awsBackend(): Backend {
  const config = new AwsConfig();
  const roles = new AwsRoles();
  return {
    openPaths: ["login"],
    routes: [
      {
        pattern: pattern("login"),
        fields: {
          role: "string",
          iam_http_request_method: "string",
          iam_request_url: "string",
          iam_request_body: "string",
        },
        operations: { update: (call) => login(config, roles, call) },
      },
      config.route(),
      ...roles.routes(),
    ],
    outside: async (path, data) =>
      path === "login" ? await askSts(config, data) : undefined,
    renew: (token) => {
      const role = roles.byId(token.meta?.["role_id"] ?? "");
      if (role === undefined) throw failed("role entry not found");
      const arn = token.meta?.["canonical_arn"] ?? "";
      if (!role.boundArns.includes(arn))
        throw failed(
          `role ${quote(role.name)} no longer bound to ARN ${quote(arn)}`,
        );
      return role.params;
    },
  };
}

/** A login's request for STS, checked as far as Vault checks it before it sends it. */
interface Signed {
  readonly url: URL;
  readonly body: string;
  readonly headers: ReadonlyMap<string, string>;
}

function readSigned(config: AwsConfig, data: JsonObject): Signed {
  const text = (name: string): string => {
    const value = data[name];
    if (typeof value !== "string" || value === "")
      throw refuse(`missing ${name}`);
    return value;
  };
  const decoded = (name: string): string =>
    Buffer.from(text(name), "base64").toString();
  if (text("iam_http_request_method") !== "POST")
    throw refuse(
      "invalid iam_http_request_method; currently only 'POST' is supported",
    );
  const raw = decoded("iam_request_url");
  if (!URL.canParse(raw)) throw refuse("error parsing iam_request_url");
  const url = new URL(raw);
  if (url.search !== "") throw refuse("invalid request");
  const body = decoded("iam_request_body");
  for (const [name, value] of new URLSearchParams(body))
    if (name !== "Version" && (name !== "Action" || value !== asked))
      throw refuse("iam request body is invalid");
  const headers = readHeaders(data["iam_request_headers"] ?? null);
  if (headers.size === 0) throw refuse("missing iam_request_headers");
  config.checkHeaders(headers);
  return { url, body, headers };
}

const asked = "GetCallerIdentity";

/** An object, or one as JSON in base64; values are texts or lists of texts. Names in lower case. */
function readHeaders(given: Json): Map<string, string> {
  let value: unknown = given;
  if (typeof given === "string") {
    try {
      value = JSON.parse(Buffer.from(given, "base64").toString());
    } catch {
      throw refuse("missing iam_request_headers");
    }
  }
  const entries: [string, unknown][] = Object.entries(
    typeof value === "object" && value !== null ? value : {},
  );
  return new Map(
    entries.map(([name, content]) => [
      name.toLowerCase(),
      Array.isArray(content) ? content.map(String).join(",") : String(content),
    ]),
  );
}

/** Sends the request in its signer's place, to the endpoint that the operator has set and nowhere else. */
async function askSts(
  config: AwsConfig,
  data: JsonObject,
): Promise<Outside | undefined> {
  let signed: Signed;
  try {
    signed = readSigned(config, data);
  } catch {
    // The login itself will find the same and say so.
    return undefined;
  }
  if (config.stsEndpoint === "")
    return { fault: "this stand-in asks no STS but the one of sts_endpoint" };
  const dispatcher = new Agent();
  try {
    const { url, body, headers } = signed;
    const answer = await send({
      method: "POST",
      url: `${config.stsEndpoint}${url.pathname}`,
      headers: { ...Object.fromEntries(headers), host: url.host },
      body,
      timeout,
      maxBytes: mostBytes,
      dispatcher,
    });
    const type = answer.headers["content-type"];
    return type === "text/xml"
      ? { status: answer.status, text: answer.body.toString() }
      : { fault: "invalid GetCallerIdentity response" };
  } catch {
    return { fault: "error making request" };
  } finally {
    await dispatcher.destroy();
  }
}

function login(config: AwsConfig, roles: AwsRoles, call: Call): Reply {
  const data = call.request.data ?? {};
  readSigned(config, data);
  const caller = readCaller(call.request.outside);
  const named = call.fields.string("role");
  const name = named === "" ? caller.name : named;
  const role = roles.get(name.toLowerCase());
  if (role === undefined) throw refuse(`entry for role ${name} not found`);
  const { boundCidrs } = role.params;
  if (
    boundCidrs.length > 0 &&
    !anyHolds(boundCidrs, call.request.remoteAddress)
  )
    throw refuse(permissionDenied, 403);
  if (!role.boundArns.includes(caller.canonicalArn))
    throw refuse(
      `IAM Principal ${quote(caller.arn)} does not belong to the role ${quote(name)}`,
    );
  return { login: loginReply(role, caller) };
}

function loginReply(role: AwsRole, caller: Caller): LoginReply {
  return {
    ...loginFrom(role.params),
    displayName: caller.displayName,
    alias: role.roleId,
    metadata: {
      account_id: caller.account,
      auth_type: "iam",
      canonical_arn: caller.canonicalArn,
      client_arn: caller.arn,
      client_user_id: caller.userId,
      inferred_aws_region: "",
      inferred_entity_id: "",
      inferred_entity_type: "",
      role_id: role.roleId,
    },
  };
}

interface Caller {
  readonly arn: string;
  readonly userId: string;
  readonly account: string;
  readonly name: string;
  readonly displayName: string;
  /** A session of a role counts as the role, without its path. */
  readonly canonicalArn: string;
}

function readCaller(outside: Outside | undefined): Caller {
  if (outside === undefined || "fault" in outside)
    throw refuse(`error making upstream request: ${outside?.fault ?? ""}`);
  if (outside.status !== 200)
    throw refuse(
      `error making upstream request: received error code ${outside.status} from STS: ${outside.text}`,
    );
  const of = (name: string): string =>
    new RegExp(`<${name}>([^<]*)</${name}>`).exec(outside.text)?.[1] ?? "";
  const arn = of("Arn");
  const [, partition, account, kind, rest = ""] =
    /^arn:([^:]+):(?:iam|sts)::(\d+):(user|assumed-role)\/(.+)$/.exec(arn) ??
    [];
  if (partition === undefined || account === undefined || kind === undefined)
    throw refuse(`error parsing arn ${quote(arn)}: unrecognized arn`);
  // A user's name follows its path; a role's session follows the role, whose path AWS leaves out.
  const parts = rest.split("/");
  const isRole = kind === "assumed-role";
  const name = (isRole ? parts[0] : parts.at(-1)) ?? "";
  return {
    arn,
    userId: of("UserId").split(":")[0] ?? "",
    account,
    name,
    displayName: isRole ? rest : name,
    canonicalArn: `arn:${partition}:iam::${account}:${isRole ? "role" : "user"}/${name}`,
  };
}
