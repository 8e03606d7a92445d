// An operator asks why: of a family, of a container, of a task that runs. The command answers from the same judgement as
// the broker, changes nothing, and its exit code can be gone by.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { looseTask, notify, Stack } from "@vaultbuddy/devstack";
import type { LooseSpec } from "@vaultbuddy/devstack";
import { afterAll, beforeAll, expect, test } from "vitest";
import { mintedAccessors } from "./facts.ts";

let stack: Stack;
let file: string;
let url: string;

beforeAll(async () => {
  stack = await Stack.start({ containers: false });
  file = stack.write(
    "explained.json",
    JSON.stringify({
      sample: {
        policies: ["sample"],
        ttl: "2h",
        num_uses: 9,
        secrets: ["secret/sample"],
        env: { API_KEY: "secret/shared#api_key" },
        restart: { max: 2, min_interval: "90s" },
      },
      "sample/side": { policies: ["sample"] },
      "s*": { policies: ["default"] },
      picky: { require: { group: "service:picky", launchType: "FARGATE" } },
    }),
  );
  ({ url } = await stack.startBroker(["--policies-file", file]));
});
afterAll(() => stack.close());

const main = fileURLToPath(new URL("../broker/src/main.ts", import.meta.url));

interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function policy(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Run> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [main, "policy", ...args],
      { env: { ...stack.aws.env, ...env } },
      (error, out, err) => {
        const code: unknown = error === null ? 0 : error.code;
        resolve({ code: typeof code === "number" ? code : -1, out, err });
      },
    );
  });
}

const explain = (...args: string[]): Promise<Run> =>
  policy(["explain", ...args, "--policies-file", file]);

test("of a container: the rule, why it counts, what else matches, what it gives", async () => {
  const { code, out } = await explain("sample/app");
  expect(code).toBe(0);
  for (const part of [
    /^sample\/app: would be served/,
    /rule "sample" of .*explained\.json: an exact rule beats a pattern \(s\*\)/,
    /matching as well: "s\*"/,
    /requires overrides: deny, exec: deny/,
    /token role +vaultbuddy/,
    /ttl +7200 s/,
    /num_uses +9/,
    /secrets +secret\/sample/,
    /variables +API_KEY=secret\/shared#api_key/,
    /restarts +2 fresh tokens at most, 90 s apart/,
  ]) {
    expect(out).toMatch(part);
  }
});

test("of a family: what holds for it, and for containers of its", async () => {
  const { code, out } = await explain("sample");
  expect(code).toBe(0);
  expect(out).toContain('containers with rules of their own: "sample/side"');
  const nobody = await explain("nobody");
  expect(nobody.code).toBe(1);
  expect(nobody.out).toContain("no policy rule matches nobody");
});

test("of a task: every check, the address, and the verdict that the broker gives", async () => {
  const task = await looseTask(stack);
  const before = mintedAccessors(stack).length;
  const { code, out } = await explain(task.notice.taskArn);
  expect(out).toContain("sample/app: would be served\n");
  expect(code).toBe(0);
  expect(out).toContain(`dialled at ${stack.aws.hostAddress}:${task.port}`);
  expect(out).not.toMatch(/ {2}NO\b/);
  expect(mintedAccessors(stack), "nothing is minted").toHaveLength(before);
  const entrypoint = task.start();
  expect((await notify(url, task.notice)).code).toBe("delivered");
  await entrypoint.stop();
});

const ago = (seconds: number): number => Date.now() / 1000 - seconds;

test.each<[string, LooseSpec, string, RegExp]>([
  [
    "an old task",
    { record: { startedAt: ago(500), createdAt: ago(510) } },
    "task_too_old",
    /^ +age +NO +task_too_old: .*--task-life/m,
  ],
  [
    "a stopped one",
    { record: { desiredStatus: "STOPPED", lastStatus: "STOPPED" } },
    "task_not_running",
    /^ +state +NO/m,
  ],
  [
    "one that has not opted in",
    { family: "s-other", container: { dockerLabels: {} } },
    "policy_denied",
    /opt-in by label or rule +NO +policy_denied: .*dockerLabel/m,
  ],
  [
    "one of another group",
    { family: "picky" },
    "policy_denied",
    /require\.group +NO.*\n +require\.clusters +ok\n +require\.launchType +NO/m,
  ],
  [
    "one with overrides and ECS Exec",
    {
      record: {
        enableExecuteCommand: true,
        overrides: { containerOverrides: [{ name: "app", command: ["x"] }] },
      },
    },
    "policy_denied",
    /require\.overrides +NO.*\n +require\.exec +NO/m,
  ],
  [
    "one with its key in the open",
    { container: { environment: [{ name: "WIS_HMAC_KEY", value: "x" }] } },
    "policy_denied",
    /the key is no plain environment +NO/m,
  ],
  [
    "one without a port",
    { container: { portMappings: [] } },
    "address_unknown",
    /^ +address +NO +address_unknown/m,
  ],
  [
    "one without a rule",
    { family: "nobody" },
    "policy_denied",
    /a rule matches +NO/m,
  ],
])(
  "of %s: where it fails, as the broker answers it",
  async (_, spec, code, line) => {
    const task = await looseTask(stack, spec);
    const before = mintedAccessors(stack).length;
    const explained = await explain(task.notice.taskArn);
    expect(explained.out).toContain(`would be denied (${code})`);
    expect(explained.out).toMatch(line);
    expect(explained.code).toBe(1);
    expect((await notify(url, task.notice)).code).toBe(code);
    expect(mintedAccessors(stack)).toHaveLength(before);
  },
);

test("of a task that is still coming up: it would be waited for", async () => {
  const task = await looseTask(stack, {
    record: { lastStatus: "PROVISIONING" },
  });
  const { code, out } = await explain(task.notice.taskArn);
  expect(out).toContain("sample/app: would be waited for");
  expect(out).toMatch(/^ +state +not yet +task_not_running: /m);
  expect(code).toBe(1);
});

test("in JSON, of one container, and of a cluster that is not on the list", async () => {
  const task = await looseTask(stack);
  const clusters = stack.aws.clusterArn.replace(/\/.*$/, "/other-*");
  const { code, out } = await explain(
    task.notice.taskArn,
    "--json",
    "--container",
    "app",
    "--clusters",
    clusters,
  );
  expect(code).toBe(1);
  expect(JSON.parse(out)).toMatchObject({
    target: task.notice.taskArn,
    served: false,
    containers: [
      {
        name: "sample/app",
        verdict: "cluster_not_allowed",
        rule: "sample",
        others: ["s*"],
        gives: { policies: ["sample"], ttl: 7200, num_uses: 9 },
      },
    ],
  });
  const stranger = await explain(task.notice.taskArn, "--container", "absent");
  expect(stranger.out).toContain("would be denied (container_not_found)");
});

test("of a task whose labels name secrets: those count as well", async () => {
  const task = await looseTask(stack, {
    container: {
      dockerLabels: {
        "vaultbuddy.enable": "true",
        "vaultbuddy.secrets": "secret/shared",
        "vaultbuddy.env.MORE": "secret/sample#DB_USER",
      },
    },
  });
  const { out } = await explain(task.notice.taskArn);
  expect(out).toMatch(/secrets +secret\/sample, secret\/shared/);
  expect(out).toMatch(/variables .*MORE=secret\/sample#DB_USER/);
});

test("of a task that ECS does not know", async () => {
  const { notice } = await looseTask(stack);
  const gone = notice.taskArn.replace(/[0-9a-f]{32}$/, "c".repeat(32));
  const { code, out } = await explain(gone);
  expect([code, out]).toEqual([1, expect.stringContaining("task_not_found")]);
});

test("with the policy in Vault, by a login that leaves no token behind", async () => {
  await stack.admin.ask("POST", "secret/data/explained", {
    data: { sample: { policies: ["sample"] } },
  });
  await stack.admin.ask("PUT", "sys/policies/acl/explainer", {
    policy: 'path "secret/data/explained" { capabilities = ["read"] }',
  });
  await stack.admin.ask("POST", "sys/auth/userpass", { type: "userpass" });
  await stack.admin.ask("POST", "auth/userpass/users/operator", {
    password: "p",
    token_policies: "explainer",
  });
  const { code, out, err } = await policy(
    ["explain", "sample/app", "--policies", "secret/explained"],
    {
      VAULT_ADDR: stack.vault.addr,
      USERPASS_USERNAME: "operator",
      USERPASS_PASSWORD_FILE: stack.write("operator", "p"),
    },
  );
  expect(err).toBe("");
  expect([code, out]).toEqual([
    0,
    expect.stringContaining('rule "sample" of secret/explained'),
  ]);
  const login = stack.vault.audit.entries.findLast(
    ({ path }) => path === "auth/userpass/login/operator",
  );
  const accessor = login?.tokenAccessorCreated;
  await expect(
    stack.admin.ask("POST", "auth/token/lookup-accessor", { accessor }),
  ).rejects.toThrow("invalid accessor");
});

test("what cannot be said is exit code 2, whatever the reason", async () => {
  stack.aws.faults.add({
    action: "DescribeTasks",
    fault: { kind: "error500" },
  });
  const { notice } = await looseTask(stack);
  const runs = await Promise.all([
    explain(notice.taskArn),
    policy(["explain", "sample"]),
    explain("a/b/c"),
    explain("sample", "--unknown"),
    policy(["explain", "x", "--policies-file", "/nowhere"]),
    policy(["explain", "x", "--policies", "secret/x"]),
  ]);
  stack.aws.faults.clear();
  expect(runs.map(({ code }) => code)).toEqual([2, 2, 2, 2, 2, 2]);
  expect(runs.every(({ err }) => err !== "")).toBe(true);
});

test("policy check tells every fault of a document, and none of a good one", async () => {
  expect(await policy(["check", file])).toMatchObject({ code: 0, err: "" });
  const bad = stack.write("bad.json", '{"a": {"ttl": -1}, "b": {"x": 1}}');
  const { code, err } = await policy(["check", bad]);
  expect(code).toBe(2);
  expect(err).toContain("a.ttl");
  expect(err).toContain("b.x");
});
