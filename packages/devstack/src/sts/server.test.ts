// STS knows who signed, and tells nobody else anything.

import { request } from "@vaultbuddy/common/daemon";
import { Agent } from "undici";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startVault } from "../vault/server.ts";
import type { VaultServer } from "../vault/server.ts";
import { startSts } from "./server.ts";
import type { Principal, StsServer } from "./server.ts";
import { signed } from "./testing.ts";

const user: Principal = {
  accessKeyId: "AKIAUSER",
  secretAccessKey: "user secret",
  arn: "arn:aws:iam::123456789012:user/path/alice",
  userId: "AIDAALICE",
};
const session: Principal = {
  accessKeyId: "ASIASESSION",
  secretAccessKey: "session secret",
  sessionToken: "session token",
  arn: "arn:aws:sts::123456789012:assumed-role/broker/task-1",
  userId: "AROABROKER:task-1",
};
const agent = new Agent();
let sts: StsServer;

beforeAll(async () => {
  sts = await startSts({ principals: [user, session] });
});
afterAll(async () => {
  await sts.close();
  await agent.destroy();
});

async function ask(
  headers: Readonly<Record<string, string>>,
  body = "Action=GetCallerIdentity&Version=2011-06-15",
): Promise<{ status: number; text: string; type: unknown }> {
  const answer = await request({
    method: "POST",
    url: sts.endpoint,
    headers,
    body,
    timeout: 5000,
    maxBytes: 65_536,
    dispatcher: agent,
  });
  const type = answer.headers["content-type"];
  return { status: answer.status, text: answer.body.toString(), type };
}

describe("GetCallerIdentity", () => {
  test.each([user, session])("names $arn", async (who) => {
    const answer = await ask(await signed(sts, who));
    expect([answer.status, answer.type]).toEqual([200, "text/xml"]);
    expect(answer.text).toContain(`<Arn>${who.arn}</Arn>`);
    expect(answer.text).toContain(`<UserId>${who.userId}</UserId>`);
    expect(answer.text).toContain("<Account>123456789012</Account>");
  });

  test.each<[string, Partial<Principal>, string]>([
    ["another secret", { secretAccessKey: "other" }, "SignatureDoesNotMatch"],
    ["an unknown key", { accessKeyId: "AKIANOBODY" }, "InvalidClientTokenId"],
    ["a session that is none", { sessionToken: "x" }, "InvalidClientTokenId"],
  ])("refuses %s", async (_, change, code) => {
    const answer = await ask(await signed(sts, { ...user, ...change }));
    expect(answer.status).toBe(403);
    expect(answer.text).toContain(`<Code>${code}</Code>`);
    expect(answer.text).not.toContain("alice");
  });

  test("refuses what is not signed, too old, or another action", async () => {
    expect((await ask({})).text).toContain("MissingAuthenticationToken");
    const old = await signed(sts, user, { at: Date.now() - 6 * 60_000 });
    expect((await ask(old)).text).toContain("Signature expired");
    const other = "Action=AssumeRole&Version=2011-06-15";
    expect(
      (await ask(await signed(sts, user, { body: other }), other)).text,
    ).toContain("InvalidAction");
  });
});

describe("Vault's login by AWS IAM", () => {
  let vault: VaultServer;
  beforeAll(async () => {
    vault = await startVault();
    const put = async (path: string, body: unknown): Promise<void> => {
      expect((await write(path, body, vault.rootToken)).status).toBe(204);
    };
    await put("sys/auth/aws", { type: "aws" });
    await put("auth/aws/config/client", {
      sts_endpoint: sts.endpoint,
      sts_region: "us-east-1",
      iam_server_id_header_value: "vault.example",
    });
    await put("auth/aws/role/broker", {
      bound_iam_principal_arn: ["arn:aws:iam::123456789012:role/broker"],
      resolve_aws_unique_ids: false,
      token_policies: ["p"],
      token_ttl: "10m",
    });
  });
  afterAll(() => vault.close());

  async function write(
    path: string,
    body: unknown,
    token?: string,
  ): Promise<{ status: number; body: Record<string, unknown> }> {
    const answer = await request({
      method: "POST",
      url: `${vault.addr}/v1/${path}`,
      headers: token === undefined ? {} : { "X-Vault-Token": token },
      body: JSON.stringify(body),
      timeout: 5000,
      maxBytes: 65_536,
      dispatcher: agent,
    });
    const text = answer.body.toString();
    return {
      status: answer.status,
      body: (text === "" ? {} : JSON.parse(text)) as Record<string, unknown>,
    };
  }

  const base64 = (text: string): string => Buffer.from(text).toString("base64");
  const login = async (
    who: Principal,
    more: Record<string, string> = {
      "X-Vault-AWS-IAM-Server-ID": "vault.example",
    },
    change: Record<string, unknown> = {},
  ): ReturnType<typeof write> =>
    await write("auth/aws/login", {
      role: "broker",
      iam_http_request_method: "POST",
      iam_request_url: base64("https://sts.amazonaws.com/"),
      iam_request_body: base64("Action=GetCallerIdentity&Version=2011-06-15"),
      iam_request_headers: base64(
        JSON.stringify(
          await signed(sts, who, { host: "sts.amazonaws.com", headers: more }),
        ),
      ),
      ...change,
    });

  test("gives the role's token to a session of the role it is bound to", async () => {
    const { status, body } = await login(session);
    expect(status).toBe(200);
    expect(body["auth"]).toMatchObject({
      lease_duration: 600,
      policies: ["default", "p"],
      metadata: {
        canonical_arn: "arn:aws:iam::123456789012:role/broker",
        client_arn: session.arn,
      },
    });
  });

  test.each<[string, () => ReturnType<typeof write>, RegExp]>([
    ["somebody else", () => login(user), /does not belong to the role/],
    ["a header that is missing", () => login(session, {}), /missing header/],
    [
      "another Vault's header",
      () => login(session, { "X-Vault-AWS-IAM-Server-ID": "other" }),
      /expected .*but got/,
    ],
    [
      "a wrong signature",
      () => login({ ...session, secretAccessKey: "x" }),
      /received error code 403 from STS/,
    ],
    [
      "another action",
      () => login(session, undefined, { iam_request_body: base64("Action=X") }),
      /body is invalid/,
    ],
    [
      "another role",
      () => login(session, undefined, { role: "x" }),
      /not found/,
    ],
    [
      "a GET",
      () => login(session, undefined, { iam_http_request_method: "GET" }),
      /only 'POST'/,
    ],
  ])("refuses %s", async (_, ask, said) => {
    const { status, body } = await ask();
    expect(status).toBe(400);
    expect(String(body["errors"])).toMatch(said);
  });
});
