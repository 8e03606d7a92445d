// Every way for the broker to get a Vault token of its own, against Vault and STS: each serves a task, and each refuses
// what is not the broker's.

import { looseTask, notify, Stack, startSts } from "@vaultbuddy/devstack";
import type { Principal, StsServer } from "@vaultbuddy/devstack";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { askVault } from "./ask-vault.ts";
import { mintedAccessors } from "./facts.ts";

let stack: Stack;
beforeAll(async () => {
  stack = await Stack.start({ containers: false });
});
afterAll(() => stack.close());

/** Takes the stack's own way to log in away. */
const none = { APPROLE_ROLE_ID: "", APPROLE_SECRET_ID_FILE: "" };

async function servesATask(url: string): Promise<void> {
  const task = await looseTask(stack);
  const entrypoint = task.start();
  expect((await notify(url, task.notice)).code).toBe("delivered");
  await entrypoint.line((line) => line.fields["app"] === "started");
  await entrypoint.stop();
}

/** A token for the broker, wrapped: the wrapping token's text. */
async function wrapped(path = "auth/token/create"): Promise<string> {
  const body = await askVault(stack, path, {
    token: stack.vault.rootToken,
    wrapTtl: "60s",
    body: { policies: ["vaultbuddy-broker"], period: "10m" },
  });
  return (body["wrap_info"] as { token: string }).token;
}

describe("a wrapped token", () => {
  test("is opened once, and the broker lives by what was in it", async () => {
    const { daemon, url } = await stack.startBroker([], {
      ...none,
      WRAPPED_TOKEN_AUTH: await wrapped(),
    });
    await servesATask(url);
    expect(await daemon.stop()).toBe(0);
  });

  test("that somebody opened first is an alarm, and the broker does not start", async () => {
    const token = await wrapped();
    await askVault(stack, "sys/wrapping/unwrap", { token });
    const daemon = stack.spawnBroker([], {
      ...none,
      WRAPPED_TOKEN_AUTH: token,
    });
    expect(await daemon.exit()).toBe(1);
    expect(daemon.output).toContain(
      "ALARM: the wrapping token has been opened",
    );
    expect(
      daemon.lines.find((line) => line.fields["level"] === "fatal")?.fields,
    ).toMatchObject({ msg: "the wrapping token cannot be opened any more" });
    expect(daemon.output).not.toContain(token);
  });

  test("that was made elsewhere is an alarm, and stays closed", async () => {
    const token = await wrapped("sys/wrapping/wrap");
    const daemon = stack.spawnBroker([], {
      ...none,
      WRAPPED_TOKEN_AUTH: token,
    });
    expect(await daemon.exit()).toBe(1);
    expect(daemon.output).toContain("made at sys/wrapping/wrap");
    await stack.admin.ask("POST", "sys/wrapping/lookup", { token });
  });

  test("put anew into its file brings a broker back whose token has ended", async () => {
    const file = stack.write("wrapped", await wrapped());
    const { daemon, url } = await stack.startBroker(
      ["--wrapped-token-file", file],
      none,
    );
    await servesATask(url);
    const from = daemon.lines.length;
    const { accessorOfCaller } =
      stack.vault.audit.entries.findLast(
        ({ path }) => path === "auth/token/create/vaultbuddy",
      ) ?? {};
    await stack.admin.ask("POST", "auth/token/revoke-accessor", {
      accessor: accessorOfCaller,
    });
    // A refused mint makes the broker look at its token at once.
    const task = await looseTask(stack);
    const entrypoint = task.start();
    const refused = await notify(url, task.notice);
    expect(refused.code).toBe("vault_unavailable");
    await daemon.said(
      "the broker could not log in to Vault again",
      20_000,
      from,
    );
    expect((await notify(url, task.notice)).code).toBe("sealed");
    stack.write("wrapped", await wrapped());
    await daemon.said("logged in to Vault again", 30_000, from);
    expect((await notify(url, task.notice)).code).toBe("delivered");
    await entrypoint.stop();
    await daemon.stop();
  }, 60_000);
});

describe("AWS IAM", () => {
  const role: Principal = {
    accessKeyId: "ASIABROKERTASK",
    secretAccessKey: "secret of the broker's task role",
    sessionToken: "session of the broker's task role",
    arn: "arn:aws:sts::123456789012:assumed-role/broker/0123456789abcdef",
    userId: "AROABROKER:0123456789abcdef",
  };
  const other: Principal = {
    accessKeyId: "AKIASOMEBODY",
    secretAccessKey: "somebody's secret",
    arn: "arn:aws:iam::123456789012:user/somebody",
    userId: "AIDASOMEBODY",
  };
  let sts: StsServer;

  beforeAll(async () => {
    sts = await startSts({
      principals: [role, other],
      region: "eu-west-1",
    });
    const { admin } = stack;
    await admin.ask("POST", "sys/auth/aws", { type: "aws" });
    await admin.ask("POST", "auth/aws/config/client", {
      sts_endpoint: sts.endpoint,
      sts_region: "eu-west-1",
      iam_server_id_header_value: "vault.example",
    });
    await admin.ask("POST", "auth/aws/role/vaultbuddy", {
      bound_iam_principal_arn: "arn:aws:iam::123456789012:role/broker",
      resolve_aws_unique_ids: false,
      token_policies: "vaultbuddy-broker",
      token_ttl: "6s",
      token_max_ttl: "10s",
    });
  });
  afterAll(() => sts.close());

  const args = [
    "--aws-iam-role",
    "vaultbuddy",
    "--aws-sts-region",
    "eu-west-1",
    "--aws-iam-server-id",
    "vault.example",
  ];
  const as = (who: Principal): Record<string, string> => ({
    ...none,
    AWS_ACCESS_KEY_ID: who.accessKeyId,
    AWS_SECRET_ACCESS_KEY: who.secretAccessKey,
    ...(who.sessionToken === undefined
      ? {}
      : { AWS_SESSION_TOKEN: who.sessionToken }),
  });

  test("lets the broker in by its task role, and again when the token cannot be renewed further", async () => {
    const daemon = stack.spawnBroker(args, as(role));
    await daemon.said("logged in to Vault");
    await daemon.said("logged in to Vault again", 30_000);
    expect(daemon.output).not.toContain(role.secretAccessKey);
    expect(daemon.output).not.toContain(role.sessionToken);
    expect(await daemon.stop()).toBe(0);
    expect(sts.answers.every((status) => status === 200)).toBe(true);
  }, 60_000);

  test("and serves a task with credentials that ECS takes as well", async () => {
    await stack.admin.ask("POST", "auth/aws/role/vaultbuddy", {
      bound_iam_principal_arn: [
        "arn:aws:iam::123456789012:role/broker",
        "arn:aws:iam::123456789012:user/somebody-else",
      ],
      token_ttl: "10m",
      token_max_ttl: "1h",
    });
    // The account's key pair has no session, and signs for a user of its own.
    const own = await startSts({
      principals: [
        {
          accessKeyId: stack.aws.accessKeyId,
          secretAccessKey: stack.aws.secretAccessKey,
          arn: "arn:aws:iam::123456789012:user/team/somebody-else",
          userId: "AIDAELSE",
        },
      ],
      region: "eu-west-1",
    });
    await stack.admin.ask("POST", "auth/aws/config/client", {
      sts_endpoint: own.endpoint,
    });
    const { daemon, url } = await stack.startBroker(args, none);
    await servesATask(url);
    await daemon.stop();
    await stack.admin.ask("POST", "auth/aws/config/client", {
      sts_endpoint: sts.endpoint,
    });
    await own.close();
  });

  test.each<[string, readonly string[], Principal]>([
    ["somebody else's credentials", args, other],
    ["a wrong secret", args, { ...role, secretAccessKey: "wrong" }],
    [
      "another Vault's name",
      [...args, "--aws-iam-server-id", "other.example"],
      role,
    ],
    ["another region", [...args, "--aws-sts-region", "us-east-1"], role],
    ["a role that is none", [...args, "--aws-iam-role", "nobody"], role],
  ])("does not let in %s", async (_, given, who) => {
    const daemon = stack.spawnBroker(given, as(who));
    expect(await daemon.exit()).toBe(1);
    expect(daemon.output).toContain("Vault refused the broker's AWS IAM login");
  });
});

describe("what vault-gatekeeper also had", () => {
  test("userpass", async () => {
    await stack.admin.ask("POST", "sys/auth/userpass", { type: "userpass" });
    await stack.admin.ask("POST", "auth/userpass/users/broker", {
      password: "broker's password",
      token_policies: "vaultbuddy-broker",
    });
    const password = stack.write("password", "broker's password\n");
    const args = ["--userpass-username", "broker"];
    const { daemon, url } = await stack.startBroker(
      [...args, "--userpass-password-file", password],
      none,
    );
    await servesATask(url);
    await daemon.stop();
    const wrong = stack.write("wrong", "guess");
    const refused = stack.spawnBroker(
      [...args, "--userpass-password-file", wrong],
      none,
    );
    expect(await refused.exit()).toBe(1);
    expect(refused.output).not.toContain("guess");
  });

  test("a token in the cubbyhole of a temporary one", async () => {
    const make = async (body: unknown): Promise<string> => {
      const answer = (await stack.admin.ask(
        "POST",
        "auth/token/create",
        body,
      )) as { auth: { client_token: string } };
      return answer.auth.client_token;
    };
    const inside = await make({ policies: ["vaultbuddy-broker"] });
    const temporary = await make({ policies: ["default"], num_uses: 2 });
    await askVault(stack, "cubbyhole/vault-token", {
      token: temporary,
      body: { token: inside },
    });
    const { daemon, url } = await stack.startBroker([], {
      ...none,
      CUBBY_TOKEN: temporary,
    });
    await servesATask(url);
    expect(daemon.output).not.toContain(inside);
    await daemon.stop();
  });
});

test("two ways at once, or none, are a fault", async () => {
  const before = mintedAccessors(stack).length;
  const both = stack.spawnBroker([], { VAULT_TOKEN: "x" });
  expect(await both.exit()).toBe(2);
  expect(both.output).toContain("given are VAULT_TOKEN and APPROLE_ROLE_ID");
  const neither = stack.spawnBroker([], none);
  expect(await neither.exit()).toBe(2);
  expect(neither.output).toContain("none is given");
  expect(mintedAccessors(stack)).toHaveLength(before);
});
