// The contract's part about tokens: families, uses, times, roles, batch tokens and who may make what.

import { describe, expect, test } from "vitest";
import { at } from "./client.ts";
import { denied, listed } from "./setup.ts";
import type { Asker, Subject } from "./setup.ts";

const gone = "permission denied";

export function tokenContract(
  get: () => { vault: Asker; subject: Subject },
): void {
  const lookup = async (token: string): Promise<unknown> =>
    at(
      await get().vault.done("POST", "auth/token/lookup", { body: { token } }),
      "data",
    );

  describe("families of tokens", () => {
    test("children die with their parent, orphans don't", async () => {
      const { vault } = get();
      await vault.policy(
        "maker",
        'path "auth/token/create*" { capabilities = ["update"] }',
      );
      const parent = await vault.token({ policies: ["maker"] });
      const child = await vault.token(
        { policies: ["maker"] },
        "auth/token/create",
        { token: parent.id },
      );
      const grandchild = await vault.token({}, "auth/token/create", {
        token: child.id,
      });
      const orphan = await vault.token({}, "auth/token/create-orphan", {
        token: parent.id,
      });
      expect(at(child.auth, "orphan")).toBe(false);
      expect(at(orphan.auth, "orphan")).toBe(true);
      await vault.done("POST", "auth/token/revoke", {
        body: { token: parent.id },
      });
      expect(await vault.isAlive(child.accessor)).toBe(false);
      expect(await vault.isAlive(grandchild.accessor)).toBe(false);
      expect(await vault.isAlive(orphan.accessor)).toBe(true);
    });

    test("revoke-orphan leaves the children alive without a parent", async () => {
      const { vault } = get();
      await vault.policy(
        "maker",
        'path "auth/token/create*" { capabilities = ["update"] }',
      );
      const parent = await vault.token({ policies: ["maker"] });
      const child = await vault.token({}, "auth/token/create", {
        token: parent.id,
      });
      await vault.done("POST", "auth/token/revoke-orphan", {
        body: { token: parent.id },
      });
      expect(await vault.isAlive(parent.accessor)).toBe(false);
      expect(await lookup(child.id)).toMatchObject({ orphan: true });
      await vault.refused(
        "POST",
        "auth/token/revoke-orphan",
        400,
        "token to revoke not found",
        { body: { token: parent.id } },
      );
      await vault.refused(
        "POST",
        "auth/token/revoke-orphan",
        400,
        "missing token ID",
        { body: {} },
      );
    });

    test("children die when their parent expires", async () => {
      const { vault, subject } = get();
      await vault.policy(
        "maker",
        'path "auth/token/create*" { capabilities = ["update"] }',
      );
      const parent = await vault.token({ policies: ["maker"], ttl: "1s" });
      const child = await vault.token({ ttl: "1h" }, "auth/token/create", {
        token: parent.id,
      });
      await subject.pause(2500);
      expect(await vault.isAlive(parent.accessor)).toBe(false);
      expect(await vault.isAlive(child.accessor)).toBe(false);
    });

    test("revoking what isn't there is no fault by name and one by accessor", async () => {
      const { vault } = get();
      const { status } = await vault.ask("POST", "auth/token/revoke", {
        body: { token: "s.nosuch" },
      });
      expect(status).toBe(204);
      await vault.refused(
        "POST",
        "auth/token/revoke",
        400,
        "missing token ID",
        { body: {} },
      );
      await vault.refused(
        "POST",
        "auth/token/revoke-accessor",
        400,
        listed("invalid accessor"),
        { body: { accessor: "nosuch" } },
      );
      await vault.refused("POST", "auth/token/lookup", 403, "bad token", {
        body: { token: "s.nosuch" },
      });
    });
  });

  describe("what a token may make", () => {
    test("a subset of its policies, unless it has sudo on the path", async () => {
      const { vault } = get();
      await vault.policy(
        "maker",
        'path "auth/token/create*" { capabilities = ["update"] }',
      );
      const { id: token } = await vault.token({ policies: ["maker"] });
      const inherited = await vault.token({}, "auth/token/create", { token });
      expect(at(inherited.auth, "policies")).toEqual(["default", "maker"]);
      const part = await vault.token(
        { policies: ["default"] },
        "auth/token/create",
        { token },
      );
      expect(at(part.auth, "policies")).toEqual(["default"]);
      const without = await vault.token(
        { policies: ["maker"], no_default_policy: true },
        "auth/token/create",
        { token },
      );
      expect(at(without.auth, "policies")).toEqual(["maker"]);
      const path = "auth/token/create";
      await vault.refused(
        "POST",
        path,
        400,
        "child policies must be subset of parent",
        { token, body: { policies: ["maker", "other"] } },
      );
      await vault.refused(
        "POST",
        path,
        400,
        "child policies must be subset of parent",
        { token, body: { policies: ["root"] } },
      );
      await vault.refused(
        "POST",
        path,
        400,
        "root or sudo privileges required to create orphan token",
        { token, body: { no_parent: true } },
      );
      await vault.refused(
        "POST",
        path,
        400,
        "root or sudo privileges required to create periodic token",
        { token, body: { period: "1h" } },
      );
      await vault.refused(
        "POST",
        path,
        400,
        "root or sudo privileges required to specify token id",
        { token, body: { id: "mine" } },
      );

      await vault.policy(
        "sudo-maker",
        `path "${path}" { capabilities = ["update", "sudo"] }`,
      );
      const { id: sudo } = await vault.token({ policies: ["sudo-maker"] });
      const free = await vault.token(
        { policies: ["anything"], no_parent: true, period: "1h" },
        path,
        { token: sudo },
      );
      expect(at(free.auth, "policies")).toEqual(["anything", "default"]);
      expect(at(free.auth, "orphan")).toBe(true);
      await vault.refused(
        "POST",
        path,
        400,
        "root tokens may not be created without parent token being root",
        { token: sudo, body: { policies: ["root"] } },
      );
    });

    test("nothing at all when its uses are counted", async () => {
      const { vault } = get();
      await vault.policy(
        "maker",
        'path "auth/token/create*" { capabilities = ["update"] }',
      );
      const { id: token } = await vault.token({
        policies: ["maker"],
        num_uses: 3,
      });
      await vault.refused(
        "POST",
        "auth/token/create",
        400,
        "restricted use token cannot generate child tokens",
        { token, body: {} },
      );
      const last = await vault.token({ policies: ["maker"], num_uses: 1 });
      await vault.refused(
        "POST",
        "auth/token/create",
        400,
        "parent token lookup failed: no parent found",
        { token: last.id, body: {} },
      );
    });

    test("policies that Vault keeps for itself are given to nobody", async () => {
      await get().vault.refused(
        "POST",
        "auth/token/create",
        400,
        'cannot assign policy "response-wrapping"',
        { body: { policies: ["response-wrapping"] } },
      );
    });

    test("root swallows all other policies, and its token never ends unless told to", async () => {
      const { vault } = get();
      const root = await vault.token({ policies: ["root", "x"] });
      expect(root.auth).toMatchObject({
        policies: ["root"],
        lease_duration: 0,
        renewable: false,
      });
      const limited = await vault.token({ policies: ["root"], ttl: "1h" });
      expect(limited.auth).toMatchObject({
        lease_duration: 3600,
        renewable: true,
      });
      await vault.refused(
        "POST",
        "auth/token/create",
        400,
        "expiring root tokens cannot create non-expiring root tokens",
        { token: limited.id, body: {} },
      );
    });

    test("a name of its own for root's child, but none that looks like Vault's", async () => {
      const { vault } = get();
      const made = await vault.token({
        id: "chosen-name",
        policies: ["default"],
      });
      expect(made.id).toBe("chosen-name");
      expect(at(made.warnings, "0")).toMatch(/^Supplying a custom ID/);
      await vault.refused(
        "POST",
        "auth/token/create",
        400,
        "cannot create a token with a duplicate ID",
        { body: { id: "chosen-name" } },
      );
      await vault.refused(
        "POST",
        "auth/token/create",
        400,
        "custom token ID cannot have a '.' in the value",
        { body: { id: "a.b" } },
      );
      await vault.refused(
        "POST",
        "auth/token/create",
        400,
        "custom token ID cannot have the 's.' prefix",
        { body: { id: "s.b" } },
      );
    });

    test("numbers, texts and lists are bent into each other as Vault does", async () => {
      const { vault } = get();
      const made = await vault.token({
        policies: "default",
        ttl: 60,
        num_uses: "4",
        renewable: "false",
        meta: { n: 1 },
      });
      expect(made.auth).toMatchObject({
        policies: ["default"],
        lease_duration: 60,
        renewable: false,
        metadata: { n: "1" },
      });
      expect(await lookup(made.id)).toMatchObject({
        num_uses: 4,
        meta: { n: "1" },
      });
      await vault.refused(
        "POST",
        "auth/token/create",
        400,
        "number of uses cannot be negative",
        { body: { num_uses: -1 } },
      );
      await vault.refused(
        "POST",
        "auth/token/create",
        400,
        'strconv.ParseInt: parsing "soon": invalid syntax',
        { body: { ttl: "soon" } },
      );
      await vault.refused(
        "POST",
        "auth/token/create",
        400,
        "ttl must be positive",
        { body: { ttl: "-1h" } },
      );
      await vault.refused(
        "POST",
        "auth/token/create",
        400,
        "invalid 'token_type' value",
        { body: { type: "odd" } },
      );
    });
  });

  describe("uses", () => {
    test("every request costs one, refused ones and looks at itself too", async () => {
      const { vault } = get();
      const { id: token, accessor } = await vault.token({
        policies: ["default"],
        num_uses: 4,
      });
      expect(await lookup(token)).toMatchObject({ num_uses: 4 });
      await vault.done("GET", "auth/token/lookup-self", { token });
      await vault.refused("GET", "secret/data/none", 403, denied, { token });
      expect(await lookup(token)).toMatchObject({ num_uses: 2 });
      await vault.done("POST", "auth/token/renew-self", { token, body: {} });
      expect(await vault.isAlive(accessor)).toBe(true);
      const last = await vault.done("GET", "auth/token/lookup-self", { token });
      expect(at(last, "data.num_uses")).toBe(-1);
      await vault.refused("GET", "auth/token/lookup-self", 403, gone, {
        token,
      });
      expect(await vault.isAlive(accessor)).toBe(false);
    });

    test("in its last use a token can't renew itself, and revoking itself is no fault", async () => {
      const { vault } = get();
      const one = await vault.token({ policies: ["default"], num_uses: 1 });
      await vault.refused(
        "POST",
        "auth/token/renew-self",
        400,
        "token not found",
        { token: one.id, body: {} },
      );
      const two = await vault.token({ policies: ["default"], num_uses: 1 });
      expect(
        (await vault.ask("POST", "auth/token/revoke-self", { token: two.id }))
          .status,
      ).toBe(204);
      expect(await vault.isAlive(two.accessor)).toBe(false);
    });
  });

  describe("times", () => {
    test("a TTL ends a token, renewal moves the end", async () => {
      const { vault, subject } = get();
      const { id: token, accessor } = await vault.token({
        policies: ["default"],
        ttl: "2s",
      });
      await vault.done("POST", "auth/token/renew-self", {
        token,
        body: { increment: "1h" },
      });
      await subject.pause(3000);
      expect(await vault.isAlive(accessor)).toBe(true);
      const short = await vault.token({ policies: ["default"], ttl: "1s" });
      await subject.pause(1500);
      await vault.refused("GET", "auth/token/lookup-self", 403, gone, {
        token: short.id,
      });
    });

    test("without a TTL the system's holds, and a longer one is cut with a warning", async () => {
      const { vault } = get();
      expect((await vault.token({ policies: ["default"] })).auth).toMatchObject(
        { lease_duration: 2_764_800 },
      );
      const long = await vault.token({ policies: ["default"], ttl: "1000h" });
      expect(long.auth).toMatchObject({ lease_duration: 2_764_800 });
      expect(long.warnings).toEqual([
        'TTL of "1000h" exceeded the effective max_ttl of "768h"; TTL value is capped accordingly',
      ]);
    });

    test("an explicit maximum cuts the TTL now and at every renewal", async () => {
      const { vault } = get();
      const made = await vault.token({
        policies: ["default"],
        ttl: "2h",
        explicit_max_ttl: "1h",
      });
      expect(made.auth).toMatchObject({ lease_duration: 3600 });
      expect(made.warnings).toEqual([
        'TTL of "2h" exceeded the effective max_ttl of "1h"; TTL value is capped accordingly',
      ]);
      const renewed = await vault.done("POST", "auth/token/renew", {
        body: { token: made.id, increment: "3h" },
      });
      expect(Number(at(renewed, "auth.lease_duration"))).toBeLessThanOrEqual(
        3600,
      );
      expect(String(at(renewed, "warnings.0"))).toMatch(
        /^TTL of "3h" exceeded the effective max_ttl of ".*"; TTL value is capped accordingly$/,
      );
      expect(await lookup(made.id)).toMatchObject({
        explicit_max_ttl: 3600,
        creation_ttl: 3600,
      });
    });

    test("a period is what each renewal gives, whatever is asked", async () => {
      const { vault } = get();
      const made = await vault.token({
        policies: ["default"],
        period: "30m",
        ttl: "2h",
      });
      expect(made.auth).toMatchObject({ lease_duration: 1800 });
      const renewed = await vault.done("POST", "auth/token/renew-self", {
        token: made.id,
        body: { increment: "9h" },
      });
      expect(at(renewed, "auth.lease_duration")).toBe(1800);
      expect(await lookup(made.id)).toMatchObject({
        period: 1800,
        explicit_max_ttl: 0,
      });
    });

    test("a renewal without an increment lasts as long as the last one", async () => {
      const { vault } = get();
      const { id: token } = await vault.token({
        policies: ["default"],
        ttl: "10m",
      });
      const seconds = async (body: unknown): Promise<unknown> =>
        at(
          await vault.done("POST", "auth/token/renew-self", { token, body }),
          "auth.lease_duration",
        );
      expect(await seconds({})).toBe(600);
      expect(await seconds({ increment: 900 })).toBe(900);
      expect(await seconds({ increment: 0 })).toBe(900);
      expect(await seconds({ increment: "20m" })).toBe(1200);
    });

    test("what isn't renewable says so, root's own token as well", async () => {
      const { vault } = get();
      const { id } = await vault.token({
        policies: ["default"],
        ttl: "1h",
        renewable: false,
      });
      await vault.refused(
        "POST",
        "auth/token/renew",
        400,
        "lease is not renewable",
        { body: { token: id } },
      );
      await vault.refused(
        "POST",
        "auth/token/renew-self",
        400,
        "lease is not renewable",
        { body: {} },
      );
      await vault.refused("POST", "auth/token/renew", 400, "missing token ID", {
        body: {},
      });
      await vault.refused("POST", "auth/token/renew", 400, "token not found", {
        body: { token: "s.nosuch" },
      });
    });

    test("by accessor everything works and no token is given away", async () => {
      const { vault } = get();
      const made = await vault.token({
        policies: ["default"],
        ttl: "1h",
        display_name: "Me & you!",
      });
      const body = { accessor: made.accessor };
      const seen = at(
        await vault.done("POST", "auth/token/lookup-accessor", { body }),
        "data",
      );
      expect(seen).toMatchObject({
        id: "",
        accessor: made.accessor,
        display_name: "token-Me---you",
      });
      // Vault cuts off what is left after rounding the present, so a second may be missing.
      expect([3599, 3600]).toContain(at(seen, "ttl"));
      const renewed = await vault.done("POST", "auth/token/renew-accessor", {
        body: { ...body, increment: "2h" },
      });
      expect(at(renewed, "auth")).toMatchObject({
        client_token: "",
        accessor: made.accessor,
        lease_duration: 7200,
      });
      expect(await lookup(made.id)).toHaveProperty("last_renewal_time");
      expect(
        at(await vault.done("LIST", "auth/token/accessors"), "data.keys"),
      ).toContain(made.accessor);
      const can = await vault.done("POST", "sys/capabilities-accessor", {
        body: { ...body, paths: ["sys/seal"] },
      });
      expect(at(can, "data")).toEqual({
        "sys/seal": ["deny"],
        capabilities: ["deny"],
      });
      await vault.done("POST", "auth/token/revoke-accessor", { body });
      await vault.refused("GET", "auth/token/lookup-self", 403, gone, {
        token: made.id,
      });
    });

    test("listing accessors needs sudo besides list", async () => {
      const { vault } = get();
      await vault.policy(
        "peeker",
        'path "auth/token/accessors/" { capabilities = ["list"] }',
      );
      const { id: token } = await vault.token({ policies: ["peeker"] });
      await vault.refused("LIST", "auth/token/accessors", 403, denied, {
        token,
      });
      await vault.policy(
        "peeker",
        'path "auth/token/accessors/" { capabilities = ["list", "sudo"] }',
      );
      await vault.done("LIST", "auth/token/accessors", { token });
    });
  });

  describe("roles of the token store", () => {
    const role = async (name: string, body: unknown): Promise<void> => {
      await get().vault.done("POST", `auth/token/roles/${name}`, { body });
    };

    test("an empty body to a role without lists gives the caller's own policies", async () => {
      const { vault } = get();
      await role("open", {});
      await vault.policy(
        "maker",
        'path "auth/token/create*" { capabilities = ["update"] }',
      );
      const { id: token } = await vault.token({ policies: ["maker"] });
      const made = await vault.token({}, "auth/token/create/open", { token });
      expect(at(made.auth, "policies")).toEqual(["default", "maker"]);
      expect(
        (await vault.token({}, "auth/token/create/open")).auth,
      ).toMatchObject({ policies: ["root"] });
    });

    test("allowed policies are given when none are asked for, with default", async () => {
      const { vault } = get();
      await role("list", { allowed_policies: "a, B" });
      expect(
        at((await vault.token({}, "auth/token/create/list")).auth, "policies"),
      ).toEqual(["a", "b", "default"]);
      expect(
        at(
          (await vault.token({ policies: ["a"] }, "auth/token/create/list"))
            .auth,
          "policies",
        ),
      ).toEqual(["a", "default"]);
      expect(
        at(
          (
            await vault.token(
              { policies: ["a"], no_default_policy: true },
              "auth/token/create/list",
            )
          ).auth,
          "policies",
        ),
      ).toEqual(["a"]);
      await vault.refused(
        "POST",
        "auth/token/create/list",
        400,
        'token policies (["c" "default"]) must be subset of the role\'s allowed policies (["a" "b" "default"])',
        { body: { policies: ["c"] } },
      );
    });

    test("disallowed policies are refused, also when they are globs", async () => {
      const { vault } = get();
      await role("dis", { disallowed_policies: ["bad", "default"] });
      expect(
        at(
          (await vault.token({ policies: ["a"] }, "auth/token/create/dis"))
            .auth,
          "policies",
        ),
      ).toEqual(["a"]);
      await vault.refused(
        "POST",
        "auth/token/create/dis",
        400,
        'token policy "bad" is disallowed by this role',
        { body: { policies: ["a", "bad"] } },
      );
    });

    test("glob lists widen and narrow", async () => {
      const { vault } = get();
      await role("glob", {
        allowed_policies_glob: ["team-*"],
        disallowed_policies_glob: ["*-admin"],
      });
      expect(
        at(
          (
            await vault.token(
              { policies: ["team-a"], no_default_policy: true },
              "auth/token/create/glob",
            )
          ).auth,
          "policies",
        ),
      ).toEqual(["team-a"]);
      const { status } = await vault.ask("POST", "auth/token/create/glob", {
        body: { policies: ["other"] },
      });
      expect(status).toBe(400);
      await vault.refused(
        "POST",
        "auth/token/create/glob",
        400,
        'token policy "team-admin" is disallowed by this role',
        { body: { policies: ["team-admin"], no_default_policy: true } },
      );
    });

    test("orphan, renewable, suffix, uses, period and maximum come from the role", async () => {
      const { vault } = get();
      await role("full", {
        allowed_policies: ["default"],
        orphan: true,
        renewable: false,
        path_suffix: "rev-1",
        token_num_uses: 3,
        token_explicit_max_ttl: "1h",
      });
      const made = await vault.token(
        { ttl: "2h", num_uses: 5 },
        "auth/token/create/full",
      );
      expect(made.auth).toMatchObject({
        orphan: true,
        renewable: false,
        lease_duration: 3600,
      });
      expect(await lookup(made.id)).toMatchObject({
        path: "auth/token/create/full/rev-1",
        role: "full",
        num_uses: 3,
        explicit_max_ttl: 0,
        orphan: true,
      });
      const both = await vault.token(
        { explicit_max_ttl: "2h" },
        "auth/token/create/full",
      );
      expect(both.warnings).toContain(
        "Explicit max TTL specified both during creation call and in role; using the lesser value of 3600 seconds",
      );
      await role("periodic", {
        allowed_policies: ["default"],
        token_period: "10m",
      });
      const periodic = await vault.token(
        { ttl: "5h" },
        "auth/token/create/periodic",
      );
      expect(periodic.auth).toMatchObject({
        lease_duration: 600,
        renewable: true,
        orphan: false,
      });
    });

    test("renewal obeys the role as it is then, and fails without it", async () => {
      const { vault } = get();
      await role("moving", {
        allowed_policies: ["default"],
        token_period: "10m",
      });
      const { id } = await vault.token({}, "auth/token/create/moving");
      await role("moving", { token_period: "20m" });
      const renewed = await vault.done("POST", "auth/token/renew", {
        body: { token: id },
      });
      expect(at(renewed, "auth.lease_duration")).toBe(1200);
      await vault.done("DELETE", "auth/token/roles/moving");
      await vault.refused(
        "POST",
        "auth/token/renew",
        500,
        listed(
          'failed to renew entry: original token role "moving" could not be found, not renewing',
        ),
        { body: { token: id } },
      );
    });

    test("a maximum that only the request asked for is forgotten at renewal through a role", async () => {
      const { vault } = get();
      await role("loose", { allowed_policies: ["default"] });
      const made = await vault.token(
        { ttl: "1h", explicit_max_ttl: "1h" },
        "auth/token/create/loose",
      );
      const renewed = await vault.done("POST", "auth/token/renew", {
        body: { token: made.id, increment: "5h" },
      });
      expect(at(renewed, "auth.lease_duration")).toBe(18_000);
    });

    test("roles are listed, read, refused and deleted", async () => {
      const { vault } = get();
      await role("shown", {
        allowed_policies: ["x"],
        token_bound_cidrs: "127.0.0.0/8",
        period: "5m",
      });
      const read = at(
        await vault.done("GET", "auth/token/roles/shown"),
        "data",
      );
      expect(read).toMatchObject({
        name: "shown",
        allowed_policies: ["x"],
        disallowed_policies: [],
        orphan: false,
        renewable: true,
        path_suffix: "",
        token_type: "default-service",
        period: 300,
        token_period: 300,
        token_explicit_max_ttl: 0,
        token_bound_cidrs: ["127.0.0.0/8"],
      });
      expect(
        at(await vault.done("LIST", "auth/token/roles"), "data.keys"),
      ).toContain("shown");
      await vault.refused(
        "POST",
        "auth/token/roles/shown",
        400,
        "invalid 'token_type' value \"odd\"",
        { body: { token_type: "odd" } },
      );
      await vault.done("DELETE", "auth/token/roles/shown");
      await vault.refused("GET", "auth/token/roles/shown", 404, undefined);
      await vault.refused(
        "POST",
        "auth/token/create/shown",
        400,
        "unknown role shown",
        { body: {} },
      );
    });
  });

  describe("batch tokens", () => {
    test("have no accessor and can't be renewed, revoked or make tokens", async () => {
      const { vault } = get();
      await vault.policy(
        "maker",
        'path "auth/token/create*" { capabilities = ["update"] }',
      );
      const { id: token, auth } = await vault.token({
        policies: ["maker"],
        type: "batch",
        ttl: "1h",
      });
      expect(token).toMatch(/^(?:hv)?b\./);
      expect(auth).toMatchObject({
        accessor: "",
        token_type: "batch",
        renewable: false,
      });
      expect(await lookup(token)).toMatchObject({
        type: "batch",
        accessor: "",
        renewable: false,
        creation_ttl: 3600,
      });
      await vault.refused(
        "POST",
        "auth/token/renew",
        400,
        "batch tokens cannot be renewed",
        { body: { token } },
      );
      await vault.refused(
        "POST",
        "auth/token/revoke",
        400,
        "batch tokens cannot be revoked",
        { body: { token } },
      );
      await vault.refused(
        "POST",
        "auth/token/create",
        400,
        "batch tokens cannot create more tokens",
        { token, body: {} },
      );
      await vault.refused(
        "GET",
        "cubbyhole/x",
        400,
        'cubbyhole operations are only supported by "service" type tokens',
        { token },
      );
    });

    test("can't have uses, periods or maxima, nor be root", async () => {
      const { vault } = get();
      const path = "auth/token/create";
      await vault.refused(
        "POST",
        path,
        400,
        'batch tokens cannot have "num_uses" set',
        { body: { type: "batch", num_uses: 1 } },
      );
      await vault.refused(
        "POST",
        path,
        400,
        'batch tokens cannot have "period" set',
        { body: { type: "batch", period: "1h" } },
      );
      await vault.refused(
        "POST",
        path,
        400,
        'batch tokens cannot have "explicit_max_ttl" set',
        { body: { type: "batch", explicit_max_ttl: "1h" } },
      );
      await vault.refused(
        "POST",
        path,
        400,
        "batch tokens cannot be root tokens",
        { body: { type: "batch" } },
      );
    });

    test("die with their parent and at their time", async () => {
      const { vault, subject } = get();
      await vault.policy(
        "maker",
        'path "auth/token/create*" { capabilities = ["update"] }',
      );
      const parent = await vault.token({ policies: ["maker"] });
      const child = await vault.token(
        { type: "batch", ttl: "1h" },
        "auth/token/create",
        { token: parent.id },
      );
      await vault.done("GET", "auth/token/lookup-self", { token: child.id });
      await vault.done("POST", "auth/token/revoke", {
        body: { token: parent.id },
      });
      await vault.refused("GET", "auth/token/lookup-self", 403, gone, {
        token: child.id,
      });
      const short = await vault.token({
        policies: ["default"],
        type: "batch",
        ttl: "1s",
      });
      await subject.pause(2500);
      await vault.refused("GET", "auth/token/lookup-self", 403, gone, {
        token: short.id,
      });
    });
  });

  test("a token bound to other addresses is refused, and its children are bound as well", async () => {
    const { vault } = get();
    await vault.done("POST", "auth/token/roles/elsewhere", {
      body: {
        allowed_policies: ["default"],
        token_bound_cidrs: ["192.0.2.0/24"],
      },
    });
    await vault.done("POST", "auth/token/roles/here", {
      body: {
        allowed_policies: ["default"],
        token_bound_cidrs: ["127.0.0.1", "::1"],
      },
    });
    const elsewhere = await vault.token({}, "auth/token/create/elsewhere");
    const here = await vault.token({}, "auth/token/create/here");
    await vault.refused("GET", "auth/token/lookup-self", 403, gone, {
      token: elsewhere.id,
    });
    await vault.done("GET", "auth/token/lookup-self", { token: here.id });
  });
}
