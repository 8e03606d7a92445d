// The contract's part about the SecretIDs that somebody hands out and somebody else logs in with: their limits, their
// accessors, what says that one is gone, and how one is wrapped. Each release answers differently, so each is asked;
// a real Vault is only asked for its own answers. Sources: Vault's builtin/credential/approle and vault/wrapping.go.

import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { at } from "./client.ts";
import type { Answer } from "./client.ts";
import { Asker, denied, knownReleases, listed, openSubject } from "./setup.ts";
import type { Question, Subject } from "./setup.ts";

const mount = "auth/secretids";
const time = /^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)$/;

interface Made {
  readonly secret_id: string;
  readonly secret_id_accessor: string;
  readonly secret_id_ttl: number;
  readonly secret_id_num_uses?: number;
}

/** One Vault with AppRole at a mount of its own. */
class Mounted {
  readonly subject: Subject;
  readonly vault: Asker;

  constructor(subject: Subject) {
    this.subject = subject;
    this.vault = new Asker(subject);
  }

  static async open(release: (typeof knownReleases)[number]): Promise<Mounted> {
    const mounted = new Mounted(await openSubject(release));
    await mounted.vault.done("POST", `sys/${mount}`, {
      body: { type: "approle" },
    });
    return mounted;
  }

  /** Writes the role and gives its RoleID. */
  async role(name: string, body: unknown = {}): Promise<string> {
    await this.vault.done("POST", `${mount}/role/${name}`, { body });
    const read = await this.vault.done("GET", `${mount}/role/${name}/role-id`);
    return String(at(read, "data.role_id"));
  }

  async make(name: string, body: unknown = {}): Promise<Made> {
    const path = `${mount}/role/${name}/secret-id`;
    return at(await this.vault.done("POST", path, { body }), "data") as Made;
  }

  refuse(
    name: string,
    body: unknown,
    status: number,
    error: string,
  ): Promise<void> {
    const path = `${mount}/role/${name}/secret-id`;
    return this.vault.refused("POST", path, status, error, { body });
  }

  login(role_id: string, secret_id: string, from?: string): Promise<Answer> {
    return this.vault.ask("POST", `${mount}/login`, {
      token: null,
      body: { role_id, secret_id },
      ...(from !== undefined && { from }),
    });
  }

  byAccessor(
    name: string,
    what: "lookup" | "destroy",
    secret_id_accessor: string,
    question: Question = {},
  ): Promise<Answer> {
    const path = `${mount}/role/${name}/secret-id-accessor/${what}`;
    return this.vault.ask("POST", path, {
      ...question,
      body: { secret_id_accessor },
    });
  }

  /** What an accessor answers to lookup and destroy that nothing is behind any more. */
  async expectGone(name: string, accessor: string): Promise<void> {
    const text = `failed to find accessor entry for secret_id_accessor: "${accessor}"`;
    const missing = { status: 500, json: { errors: [listed(text)] } };
    expect(await this.byAccessor(name, "lookup", accessor)).toMatchObject(
      this.subject.approle.notFound
        ? { status: 404, json: { data: { error: text }, auth: null } }
        : missing,
    );
    expect(await this.byAccessor(name, "destroy", accessor)).toMatchObject(
      missing,
    );
  }

  /** The answer to a login with a RoleID, or a SecretID, that is no good. */
  wrong(half: "role ID" | "secret id"): object {
    const text = this.subject.approle.oneText
      ? "invalid role or secret ID"
      : `invalid ${half}`;
    return { status: 400, json: { errors: [text] } };
  }
}

export function secretIdContract(): void {
  describe.each(knownReleases)("SecretIDs of Vault %s", (release) => {
    let mounted: Mounted;
    beforeAll(async () => {
      mounted = await Mounted.open(release);
    });
    afterAll(() => mounted.subject.close());

    const get = (): Mounted => mounted;
    limits(get);
    blocks(get);
    metadata(get);
    endings(get);
    accessors(get);
    wrapping(get);
  });
}

function limits(get: () => Mounted): void {
  test("a request limits a SecretID further than its role does, never less", async () => {
    const mounted = get();
    await mounted.role("limited", {
      secret_id_num_uses: 3,
      secret_id_ttl: "5m",
    });
    const made = await mounted.make("limited", { num_uses: 1, ttl: "90s" });
    const { json } = await mounted.byAccessor(
      "limited",
      "lookup",
      made.secret_id_accessor,
    );
    const own = mounted.subject.approle.ownLimits;
    expect(made.secret_id_ttl).toBe(own ? 90 : 300);
    expect(made.secret_id_num_uses).toBe(own ? 1 : undefined);
    expect(at(json, "data")).toMatchObject({
      secret_id_num_uses: own ? 1 : 3,
      secret_id_ttl: own ? 90 : 300,
    });
    if (!own) return;
    const uses = "num_uses cannot be higher than the role's secret_id_num_uses";
    const ttl = "ttl cannot be longer than the role's secret_id_ttl";
    await mounted.refuse("limited", { num_uses: 4 }, 400, uses);
    await mounted.refuse("limited", { num_uses: 0 }, 400, uses);
    await mounted.refuse("limited", { ttl: 301 }, 400, ttl);
    await mounted.refuse("limited", { ttl: 0 }, 400, ttl);
    await mounted.refuse(
      "limited",
      { num_uses: -1 },
      400,
      "num_uses cannot be negative",
    );
    expect(
      await mounted.make("limited", { num_uses: 3, ttl: 300 }),
    ).toMatchObject({ secret_id_num_uses: 3, secret_id_ttl: 300 });
    expect(await mounted.make("limited")).toMatchObject({
      secret_id_num_uses: 3,
      secret_id_ttl: 300,
    });
  });

  test("where the role has no limit, a request may have any, and 0 is none", async () => {
    const mounted = get();
    if (!mounted.subject.approle.ownLimits) return;
    await mounted.role("unlimited");
    expect(
      await mounted.make("unlimited", { num_uses: 9, ttl: "1h" }),
    ).toMatchObject({ secret_id_num_uses: 9, secret_id_ttl: 3600 });
    expect(
      await mounted.make("unlimited", { num_uses: 0, ttl: 0 }),
    ).toMatchObject({ secret_id_num_uses: 0, secret_id_ttl: 0 });
    const custom = await mounted.vault.done(
      "POST",
      `${mount}/role/unlimited/custom-secret-id`,
      { body: { secret_id: "mine", num_uses: 1, ttl: 60 } },
    );
    expect(at(custom, "data")).toMatchObject({
      secret_id: "mine",
      secret_id_num_uses: 1,
      secret_id_ttl: 60,
    });
  });

  test("the mount's maximum cuts a SecretID's time short, though not what a lookup calls its TTL", async () => {
    const mounted = get();
    await mounted.role("long", { secret_id_ttl: "1000h" });
    const made = await mounted.make("long");
    expect(made.secret_id_ttl).toBe(768 * 3600);
    const { json } = await mounted.byAccessor(
      "long",
      "lookup",
      made.secret_id_accessor,
    );
    const lasts =
      Date.parse(String(at(json, "data.expiration_time"))) -
      Date.parse(String(at(json, "data.creation_time")));
    expect([at(json, "data.secret_id_ttl"), lasts / 1000]).toEqual([
      1000 * 3600,
      768 * 3600,
    ]);
  });
}

function blocks(get: () => Mounted): void {
  const subset = (outer: string, inner: string): string =>
    listed(
      `failed to verify subset relationship between CIDR blocks on the role ["${outer}"] and CIDR blocks on the secret ID ["${inner}"]: %!w(<nil>)`,
    );

  test("addresses are blocks, and within the role's where it has some", async () => {
    const mounted = get();
    await mounted.role("wide");
    await mounted.role("narrow", {
      secret_id_bound_cidrs: "10.0.0.0/24",
      token_bound_cidrs: "10.0.0.0/24",
    });
    for (const list of [["10.0.0.5/32"], "10.0.0.5/32,10.0.0.6/32"])
      for (const name of ["wide", "narrow"])
        await mounted.make(name, { cidr_list: list, token_bound_cidrs: list });
    await mounted.make("wide", { cidr_list: ["203.0.113.0/24", "fd00::/8"] });
    await mounted.refuse(
      "wide",
      { cidr_list: ["10.0.0.5"] },
      500,
      listed("failed to validate CIDR blocks: invalid CIDR address: 10.0.0.5"),
    );
    await mounted.refuse(
      "wide",
      { token_bound_cidrs: ["all"] },
      500,
      listed("failed to validate token CIDR blocks: invalid CIDR address: all"),
    );
    for (const field of ["cidr_list", "token_bound_cidrs"])
      for (const inner of ["10.0.1.5/32", "10.0.0.0/23"])
        await mounted.refuse(
          "narrow",
          { [field]: [inner] },
          500,
          subset("10.0.0.0/24", inner),
        );
  });

  test("a login from elsewhere is refused, and costs a use where uses are counted", async () => {
    const mounted = get();
    const far = { cidr_list: ["192.0.2.1/32"] };
    const free = await mounted.role("far");
    const { secret_id } = await mounted.make("far", far);
    for (let round = 0; round < 2; round += 1) {
      const { status, json } = await mounted.login(free, secret_id);
      expect([status, at(json, "errors.0")]).toEqual([
        400,
        expect.stringMatching(
          /^source address "[\d.:a-f]+" unauthorized through CIDR restrictions on the secret ID/,
        ),
      ]);
    }
    const counted = await mounted.role("far-once", { secret_id_num_uses: 1 });
    const once = await mounted.make("far-once", far);
    const { status, json } = await mounted.login(counted, once.secret_id);
    expect([status, at(json, "errors.0")]).toEqual([
      400,
      expect.stringMatching(
        /^source address "[\d.:a-f]+" unauthorized by CIDR restrictions on the secret ID: /,
      ),
    ]);
    expect(await mounted.login(counted, once.secret_id)).toMatchObject(
      mounted.wrong("secret id"),
    );
    await mounted.expectGone("far-once", once.secret_id_accessor);
  });

  test("a login from one of its addresses is let in, with the metadata on the token", async () => {
    const mounted = get();
    if (new URL(mounted.subject.addr).hostname !== "127.0.0.1") return;
    const role_id = await mounted.role("near");
    const { secret_id } = await mounted.make("near", {
      cidr_list: ["127.0.0.5/32"],
      metadata: '{"task":"t-1"}',
    });
    expect((await mounted.login(role_id, secret_id)).status).toBe(400);
    const { status, json } = await mounted.login(
      role_id,
      secret_id,
      "127.0.0.5",
    );
    expect([status, at(json, "auth.metadata")]).toEqual([
      200,
      { role_name: "near", task: "t-1" },
    ]);
  });

  test.each(["service", "batch"])(
    "a %s token is bound by its SecretID's blocks, else by its role's",
    async (token_type) => {
      const mounted = get();
      const here = ["127.0.0.0/8", "::1/128"];
      const role_id = await mounted.role(`bound-${token_type}`, {
        token_type,
        token_bound_cidrs: [...here, "192.0.2.0/24"],
      });
      const status = async (body: unknown): Promise<number> => {
        const { secret_id } = await mounted.make(`bound-${token_type}`, body);
        const { json } = await mounted.login(role_id, secret_id);
        const token = String(at(json, "auth.client_token"));
        return (
          await mounted.vault.ask("GET", "auth/token/lookup-self", { token })
        ).status;
      };
      expect(await status({})).toBe(200);
      expect(await status({ token_bound_cidrs: here.slice(0, 1) })).toBe(200);
      expect(await status({ token_bound_cidrs: ["192.0.2.1/32"] })).toBe(403);
    },
  );
}

function metadata(get: () => Mounted): void {
  test.each([
    ["JSON", '{"Task":"T","n":"1"}', { Task: "T", n: "1" }],
    ["JSON in base64", btoa('{"a":"b"}'), { a: "b" }],
    ["pairs, in lower case", "Team=A, env = B", { team: "a", env: "b" }],
    ["nothing", "", {}],
  ])("metadata is %s", async (_, text, expected) => {
    const mounted = get();
    await mounted.role("told");
    const { secret_id_accessor } = await mounted.make("told", {
      metadata: text,
    });
    const { json } = await mounted.byAccessor(
      "told",
      "lookup",
      secret_id_accessor,
    );
    expect(at(json, "data.metadata")).toEqual(expected);
  });

  test.each([
    ["text", "failed to parse the input: invalid <key,value> format"],
    ['{"n":1}', "failed to parse the input: invalid <key,value> format"],
    ['["a"]', "failed to parse the input: invalid <key,value> format"],
    ['{"a":""}', 'invalid value for key "a"'],
    [
      "a=",
      'failed to parse the input: invalid <key,value> pair: key: "a" value: ""',
    ],
  ])("metadata like %s is refused", async (text, error) => {
    const mounted = get();
    await mounted.role("untold");
    await mounted.refuse(
      "untold",
      { metadata: text },
      400,
      `failed to parse metadata: ${error}`,
    );
  });
}

function endings(get: () => Mounted): void {
  test("after its last use nothing is left of a SecretID", async () => {
    const mounted = get();
    const role_id = await mounted.role("once", { secret_id_num_uses: 1 });
    const { secret_id, secret_id_accessor } = await mounted.make("once");
    expect((await mounted.login(role_id, secret_id)).status).toBe(200);
    expect(await mounted.login(role_id, secret_id)).toMatchObject(
      mounted.wrong("secret id"),
    );
    const path = `${mount}/role/once/secret-id`;
    expect(
      (
        await mounted.vault.ask("POST", `${path}/lookup`, {
          body: { secret_id },
        })
      ).status,
    ).toBe(204);
    await mounted.vault.refused("LIST", path, 404, undefined);
    await mounted.expectGone("once", secret_id_accessor);
  });

  test("after its time nothing is left of a SecretID once Vault has swept", async () => {
    const mounted = get();
    const role_id = await mounted.role("brief", { secret_id_ttl: 1 });
    const { secret_id, secret_id_accessor } = await mounted.make("brief");
    await mounted.subject.pause(1500);
    await mounted.vault.ask("POST", `${mount}/tidy/secret-id`);
    await vi.waitFor(() => mounted.expectGone("brief", secret_id_accessor), {
      timeout: 10_000,
      interval: 200,
    });
    expect(await mounted.login(role_id, secret_id)).toMatchObject(
      mounted.wrong("secret id"),
    );
  });

  test("a SecretID is good for its own role only, and no role for a RoleID that isn't", async () => {
    const mounted = get();
    const own = await mounted.role("own");
    const other = await mounted.role("other");
    const { secret_id } = await mounted.make("own");
    expect(await mounted.login(other, secret_id)).toMatchObject(
      mounted.wrong("secret id"),
    );
    expect(await mounted.login("nobody", secret_id)).toMatchObject(
      mounted.wrong("role ID"),
    );
    expect((await mounted.login(own, secret_id)).status).toBe(200);
  });
}

function accessors(get: () => Mounted): void {
  test("a lookup by accessor says everything but the SecretID", async () => {
    const mounted = get();
    await mounted.role("seen", { secret_id_num_uses: 2, secret_id_ttl: "2m" });
    const { secret_id_accessor } = await mounted.make("seen", {
      cidr_list: ["10.0.0.5/32"],
      token_bound_cidrs: "10.0.0.0/24",
      metadata: '{"by":"me"}',
    });
    const { status, json } = await mounted.byAccessor(
      "seen",
      "lookup",
      secret_id_accessor,
    );
    expect([status, at(json, "data")]).toEqual([
      200,
      {
        secret_id_accessor,
        secret_id_num_uses: 2,
        secret_id_ttl: 120,
        creation_time: expect.stringMatching(time) as string,
        expiration_time: expect.stringMatching(time) as string,
        last_updated_time: expect.stringMatching(time) as string,
        metadata: { by: "me" },
        cidr_list: ["10.0.0.5/32"],
        token_bound_cidrs: ["10.0.0.0/24"],
      },
    ]);
  });

  test("a SecretID without an end has one in the year 1", async () => {
    const mounted = get();
    await mounted.role("endless");
    const { secret_id_accessor } = await mounted.make("endless");
    const { json } = await mounted.byAccessor(
      "endless",
      "lookup",
      secret_id_accessor,
    );
    expect(at(json, "data")).toMatchObject({
      expiration_time: "0001-01-01T00:00:00Z",
      cidr_list: [],
      token_bound_cidrs: [],
      metadata: {},
    });
  });

  test("an accessor that isn't known is told from one that may not be asked for", async () => {
    const mounted = get();
    await mounted.role("asked");
    await mounted.expectGone("asked", "00000000-0000-0000-0000-000000000000");
    const { secret_id_accessor } = await mounted.make("asked");
    const { id: token } = await mounted.vault.token({ policies: ["default"] });
    const forbidden = { status: 403, json: { errors: [denied] } };
    for (const what of ["lookup", "destroy"] as const)
      for (const accessor of [secret_id_accessor, "nobody's"])
        expect(
          await mounted.byAccessor("asked", what, accessor, { token }),
        ).toMatchObject(forbidden);
    expect(
      (await mounted.byAccessor("asked", "destroy", secret_id_accessor)).status,
    ).toBe(204);
    await mounted.expectGone("asked", secret_id_accessor);
  });

  test("without a role there is no answer about its accessors", async () => {
    const mounted = get();
    const missing = listed('role "never" does not exist');
    for (const what of ["lookup", "destroy"] as const)
      expect(await mounted.byAccessor("never", what, "x")).toMatchObject({
        status: 500,
        json: { errors: [missing] },
      });
    await mounted.role("asked");
    await mounted.vault.refused(
      "POST",
      `${mount}/role/asked/secret-id-accessor/lookup`,
      400,
      "missing secret_id_accessor",
      { body: {} },
    );
  });

  test("another role's accessor is looked up as nothing", async () => {
    const mounted = get();
    const role_id = await mounted.role("mine");
    await mounted.role("yours");
    const { secret_id, secret_id_accessor: accessor } =
      await mounted.make("mine");
    const looked = await mounted.byAccessor("yours", "lookup", accessor);
    expect([looked.status, looked.text]).toEqual([204, ""]);
    const destroyed = await mounted.byAccessor("yours", "destroy", accessor);
    if (mounted.subject.approle.ownAccessors) {
      expect(destroyed).toMatchObject({
        status: 403,
        json: { errors: ["invalid secret id accessor"] },
      });
      expect((await mounted.login(role_id, secret_id)).status).toBe(200);
    } else {
      expect(destroyed.status).toBe(204);
      expect((await mounted.login(role_id, secret_id)).status).toBe(400);
    }
  });
}

function wrapping(get: () => Mounted): void {
  test("a wrapped SecretID is opened once, and then logs in", async () => {
    const mounted = get();
    const role_id = await mounted.role("wrapped", { secret_id_num_uses: 1 });
    const path = `${mount}/role/wrapped/secret-id`;
    const answer = await mounted.vault.done("PUT", path, {
      wrap: "60s",
      body: { metadata: '{"task":"t"}' },
    });
    expect(at(answer, "data")).toBeNull();
    const info = at(answer, "wrap_info");
    expect(info).toMatchObject({ ttl: 60, creation_path: path });
    const token = String(at(info, "token"));
    const looked = await mounted.vault.done("POST", "sys/wrapping/lookup", {
      token: null,
      body: { token },
    });
    expect(at(looked, "data")).toMatchObject({
      creation_path: path,
      creation_ttl: 60,
    });
    const opened = await mounted.vault.done("POST", "sys/wrapping/unwrap", {
      token,
    });
    const made = at(opened, "data") as Made;
    expect(at(opened, "auth")).toBeNull();
    expect(at(info, "wrapped_accessor")).toBe(
      mounted.subject.approle.wrappedAccessor
        ? made.secret_id_accessor
        : undefined,
    );
    await mounted.vault.refused(
      "POST",
      "sys/wrapping/unwrap",
      400,
      "wrapping token is not valid or does not exist",
      { token },
    );
    expect((await mounted.login(role_id, made.secret_id)).status).toBe(200);
  });

  test("ending a wrapping token leaves the SecretID inside alive", async () => {
    const mounted = get();
    await mounted.role("orphaned");
    const path = `${mount}/role/orphaned/secret-id`;
    const answer = await mounted.vault.done("POST", path, {
      wrap: "60s",
      body: {},
    });
    await mounted.vault.done("POST", "auth/token/revoke-accessor", {
      body: { accessor: at(answer, "wrap_info.accessor") },
    });
    const [accessor = ""] = at(
      await mounted.vault.done("LIST", path),
      "data.keys",
    ) as string[];
    expect(
      (await mounted.byAccessor("orphaned", "lookup", accessor)).status,
    ).toBe(200);
  });

  test("a policy says for how long a SecretID must be wrapped", async () => {
    const mounted = get();
    await mounted.role("ruled");
    const path = `${mount}/role/ruled/secret-id`;
    await mounted.vault.policy(
      "ruled",
      `path "${path}" { capabilities = ["update"] min_wrapping_ttl = "10s" max_wrapping_ttl = "90s" }`,
    );
    const { id: token } = await mounted.vault.token({ policies: ["ruled"] });
    for (const wrap of [undefined, "9s", "91s"])
      await mounted.vault.refused("POST", path, 403, denied, {
        token,
        body: {},
        ...(wrap !== undefined && { wrap }),
      });
    const answer = await mounted.vault.done("POST", path, {
      token,
      wrap: "90s",
      body: {},
    });
    expect(at(answer, "wrap_info.ttl")).toBe(90);
  });
}
