// The contract's part about the auth methods AppRole and userpass.

import { beforeAll, describe, expect, test } from "vitest";
import { at } from "./client.ts";
import { listed } from "./setup.ts";
import type { Asker, Subject } from "./setup.ts";

export function loginContract(
  get: () => { vault: Asker; subject: Subject },
): void {
  describe("AppRole", () => {
    beforeAll(async () => {
      await get().vault.done("POST", "sys/auth/ar", {
        body: { type: "approle" },
      });
    });
    const role = async (name: string, body: unknown): Promise<string> => {
      const { vault } = get();
      await vault.done("POST", `auth/ar/role/${name}`, { body });
      return String(
        at(
          await vault.done("GET", `auth/ar/role/${name}/role-id`),
          "data.role_id",
        ),
      );
    };
    const secretId = async (
      name: string,
      body: unknown = {},
    ): Promise<{ secret_id: string; secret_id_accessor: string }> =>
      at(
        await get().vault.done("POST", `auth/ar/role/${name}/secret-id`, {
          body,
        }),
        "data",
      ) as { secret_id: string; secret_id_accessor: string };
    const login = (body: unknown) =>
      get().vault.ask("POST", "auth/ar/login", { token: null, body });

    test("a role is read with everything that it says", async () => {
      const { vault } = get();
      await role("Whole", {
        token_policies: "b,a",
        secret_id_ttl: 60,
        secret_id_num_uses: 3,
        token_ttl: "5m",
        token_max_ttl: "10m",
        token_num_uses: 7,
        token_bound_cidrs: "127.0.0.0/8",
      });
      expect(at(await vault.done("GET", "auth/ar/role/whole"), "data")).toEqual(
        {
          bind_secret_id: true,
          local_secret_ids: false,
          secret_id_bound_cidrs: null,
          secret_id_num_uses: 3,
          secret_id_ttl: 60,
          token_bound_cidrs: ["127.0.0.0/8"],
          token_explicit_max_ttl: 0,
          token_max_ttl: 600,
          token_no_default_policy: false,
          token_num_uses: 7,
          token_period: 0,
          token_policies: ["b", "a"],
          token_ttl: 300,
          token_type: "default",
        },
      );
      expect(
        at(await vault.done("LIST", "auth/ar/role"), "data.keys"),
      ).toContain("whole");
      await vault.done("DELETE", "auth/ar/role/whole");
      await vault.refused("GET", "auth/ar/role/whole", 404, undefined);
      await vault.refused(
        "POST",
        "auth/ar/role/whole/secret-id",
        404,
        'role "whole" does not exist',
        { body: {} },
      );
    });

    test("a login's token is what the role says", async () => {
      const { vault } = get();
      const role_id = await role("says", {
        token_policies: ["x"],
        token_ttl: "5m",
        token_max_ttl: "10m",
        token_num_uses: 2,
        token_no_default_policy: true,
      });
      const { secret_id } = await secretId("says", {
        metadata: "team=a,env=b",
      });
      const { json } = await login({ role_id, secret_id });
      expect(at(json, "auth")).toMatchObject({
        policies: ["x"],
        lease_duration: 300,
        metadata: { role_name: "says", team: "a", env: "b" },
        token_type: "service",
        orphan: true,
      });
      const accessor = String(at(json, "auth.accessor"));
      const seen = at(
        await vault.done("POST", "auth/token/lookup-accessor", {
          body: { accessor },
        }),
        "data",
      );
      expect(seen).toMatchObject({
        path: "auth/ar/login",
        display_name: "ar",
        num_uses: 2,
        creation_ttl: 300,
      });
      expect(at(seen, "entity_id")).not.toBe("");
      const renewed = await vault.done("POST", "auth/token/renew-accessor", {
        body: { accessor, increment: "1h" },
      });
      expect(Number(at(renewed, "auth.lease_duration"))).toBeLessThanOrEqual(
        600,
      );
      expect(String(at(renewed, "warnings.0"))).toMatch(
        /exceeded the effective max_ttl/,
      );
      await vault.done("DELETE", "auth/ar/role/says");
      await vault.refused(
        "POST",
        "auth/token/renew-accessor",
        500,
        listed(
          'failed to renew entry: role "says" does not exist during renewal',
        ),
        { body: { accessor } },
      );
    });

    test("a SecretID is counted, looked up and destroyed by itself and by its accessor", async () => {
      const { vault } = get();
      const role_id = await role("counted", { secret_id_num_uses: 2 });
      const made = await secretId("counted");
      const { secret_id, secret_id_accessor } = made;
      const base = "auth/ar/role/counted";
      expect(
        at(
          await vault.done("POST", `${base}/secret-id/lookup`, {
            body: { secret_id },
          }),
          "data",
        ),
      ).toMatchObject({
        secret_id_accessor,
        secret_id_num_uses: 2,
        secret_id_ttl: 0,
        metadata: {},
        cidr_list: [],
      });
      expect((await login({ role_id, secret_id })).status).toBe(200);
      expect(
        at(
          await vault.done("POST", `${base}/secret-id-accessor/lookup`, {
            body: { secret_id_accessor },
          }),
          "data.secret_id_num_uses",
        ),
      ).toBe(1);
      expect(
        at(await vault.done("LIST", `${base}/secret-id`), "data.keys"),
      ).toEqual([secret_id_accessor]);
      expect((await login({ role_id, secret_id })).status).toBe(200);
      expect((await login({ role_id, secret_id })).json).toEqual({
        errors: ["invalid secret id"],
      });
      await vault.refused("LIST", `${base}/secret-id`, 404, undefined);

      const second = await secretId("counted");
      await vault.done("POST", `${base}/secret-id/destroy`, {
        body: { secret_id: second.secret_id },
      });
      expect(
        (
          await vault.ask("POST", `${base}/secret-id/lookup`, {
            body: { secret_id: second.secret_id },
          })
        ).status,
      ).toBe(204);
      const third = await secretId("counted");
      await vault.done("POST", `${base}/secret-id-accessor/destroy`, {
        body: { secret_id_accessor: third.secret_id_accessor },
      });
      expect(
        (await login({ role_id, secret_id: third.secret_id })).status,
      ).toBe(400);
      await vault.refused(
        "POST",
        `${base}/secret-id-accessor/lookup`,
        500,
        listed(
          `failed to find accessor entry for secret_id_accessor: "${third.secret_id_accessor}"`,
        ),
        { body: { secret_id_accessor: third.secret_id_accessor } },
      );
    });

    test("a SecretID of one's choice works once registered", async () => {
      const { vault } = get();
      const role_id = await role("custom", {});
      const path = "auth/ar/role/custom/custom-secret-id";
      const made = await vault.done("POST", path, {
        body: { secret_id: "chosen" },
      });
      expect(at(made, "data.secret_id")).toBe("chosen");
      expect((await login({ role_id, secret_id: " chosen " })).status).toBe(
        200,
      );
      await vault.refused(
        "POST",
        path,
        500,
        listed("failed to store secret_id: SecretID is already registered"),
        { body: { secret_id: "chosen" } },
      );
      await vault.refused("POST", path, 400, "missing secret_id", { body: {} });
    });

    test("addresses bind roles and SecretIDs", async () => {
      const { vault } = get();
      const role_id = await role("bound", {
        secret_id_bound_cidrs: ["127.0.0.0/8", "::1/128", "192.0.2.0/24"],
      });
      const far = await secretId("bound", { cidr_list: ["192.0.2.1/32"] });
      const refused = await login({ role_id, secret_id: far.secret_id });
      expect(refused.status).toBe(400);
      expect(String(at(refused.json, "errors.0"))).toMatch(
        /^source address "[\d.:]+" unauthorized through CIDR restrictions on the secret ID$/,
      );
      const near = await secretId("bound", {
        cidr_list: ["127.0.0.0/16", "::1/128"],
        token_bound_cidrs: ["192.0.2.0/24"],
      });
      const logged = await login({ role_id, secret_id: near.secret_id });
      expect(logged.status).toBe(200);
      await vault.refused(
        "GET",
        "auth/token/lookup-self",
        403,
        "permission denied",
        { token: String(at(logged.json, "auth.client_token")) },
      );
      const outside = await vault.ask("POST", "auth/ar/role/bound/secret-id", {
        body: { cidr_list: ["198.51.100.0/24"] },
      });
      expect(outside.status).toBe(500);
      expect(String(at(outside.json, "errors.0"))).toContain(
        "failed to verify subset relationship between CIDR blocks",
      );
    });

    test("without bind_secret_id another bound is needed, and then the RoleID is enough", async () => {
      const { vault } = get();
      await vault.refused(
        "POST",
        "auth/ar/role/free",
        500,
        listed("at least one constraint should be enabled on the role"),
        { body: { bind_secret_id: false } },
      );
      const role_id = await role("free", {
        bind_secret_id: false,
        secret_id_bound_cidrs: ["127.0.0.0/8", "::1/128"],
      });
      expect((await login({ role_id })).status).toBe(200);
      await vault.refused(
        "POST",
        "auth/ar/role/free/secret-id",
        400,
        "bind_secret_id is not set on the role",
        { body: {} },
      );
    });

    test("a RoleID can be chosen, and belongs to one role", async () => {
      const { vault } = get();
      await role("first", { role_id: "my-role-id" });
      await vault.refused(
        "POST",
        "auth/ar/role/second",
        500,
        listed("role_id already in use"),
        { body: { role_id: "my-role-id" } },
      );
      await vault.done("POST", "auth/ar/role/first/role-id", {
        body: { role_id: "other-id" },
      });
      const { secret_id } = await secretId("first");
      expect((await login({ role_id: "my-role-id", secret_id })).json).toEqual({
        errors: ["invalid role ID"],
      });
      expect((await login({ role_id: "other-id", secret_id })).status).toBe(
        200,
      );
      expect((await login({ secret_id })).json).toEqual({
        errors: ["missing role_id"],
      });
    });

    test("single fields are read, written and reset", async () => {
      const { vault } = get();
      await role("fields", {});
      const base = "auth/ar/role/fields";
      await vault.done("POST", `${base}/token-ttl`, {
        body: { token_ttl: "7m" },
      });
      expect(at(await vault.done("GET", `${base}/token-ttl`), "data")).toEqual({
        token_ttl: 420,
      });
      await vault.done("DELETE", `${base}/token-ttl`);
      expect(at(await vault.done("GET", `${base}/token-ttl`), "data")).toEqual({
        token_ttl: 0,
      });
      await vault.done("POST", `${base}/bind-secret-id`, {
        body: { bind_secret_id: true },
      });
      expect(
        at(await vault.done("GET", `${base}/bind-secret-id`), "data"),
      ).toEqual({ bind_secret_id: true });
    });

    test("nonsense in a role is refused", async () => {
      const { vault } = get();
      const path = "auth/ar/role/nonsense";
      await vault.refused(
        "POST",
        path,
        400,
        "'token_ttl' cannot be greater than 'token_max_ttl'",
        { body: { token_ttl: "2h", token_max_ttl: "1h" } },
      );
      await vault.refused(
        "POST",
        path,
        400,
        "secret_id_num_uses cannot be negative",
        { body: { secret_id_num_uses: -1 } },
      );
      await vault.refused(
        "POST",
        path,
        400,
        "invalid 'token_type' value \"odd\"",
        { body: { token_type: "odd" } },
      );
    });

    test("a role can give batch and periodic tokens", async () => {
      const batch = await role("batch", {
        token_type: "batch",
        token_ttl: "5m",
      });
      const { json } = await login({
        role_id: batch,
        secret_id: (await secretId("batch")).secret_id,
      });
      expect(at(json, "auth")).toMatchObject({
        token_type: "batch",
        renewable: false,
        accessor: "",
        lease_duration: 300,
      });
      const periodic = await role("periodic", {
        token_period: "9m",
        token_ttl: "1m",
      });
      const made = await login({
        role_id: periodic,
        secret_id: (await secretId("periodic")).secret_id,
      });
      expect(at(made.json, "auth")).toMatchObject({
        lease_duration: 540,
        renewable: true,
      });
    });

    test("no role gives root", async () => {
      const role_id = await role("toor", { token_policies: ["root"] });
      const { status, json } = await login({
        role_id,
        secret_id: (await secretId("toor")).secret_id,
      });
      expect([status, json]).toEqual([
        400,
        { errors: ["auth methods cannot create root tokens"] },
      ]);
    });
  });

  describe("userpass", () => {
    beforeAll(async () => {
      await get().vault.done("POST", "sys/auth/up", {
        body: { type: "userpass" },
      });
    });
    const login = (name: string, password: unknown) =>
      get().vault.ask("POST", `auth/up/login/${name}`, {
        token: null,
        body: { password },
      });

    test("users are written, listed, read without a password and deleted", async () => {
      const { vault } = get();
      await vault.refused(
        "POST",
        "auth/up/users/ann",
        400,
        "missing password",
        { body: {} },
      );
      await vault.done("POST", "auth/up/users/Ann", {
        body: { password: "pw", token_policies: ["x"], token_ttl: "5m" },
      });
      expect(
        at(await vault.done("LIST", "auth/up/users"), "data.keys"),
      ).toEqual(["ann"]);
      const user = at(await vault.done("GET", "auth/up/users/ann"), "data");
      expect(user).toMatchObject({
        token_policies: ["x"],
        token_ttl: 300,
        token_type: "default",
      });
      expect(user).not.toHaveProperty("password");
      expect(at((await login("ANN", "pw")).json, "auth")).toMatchObject({
        metadata: { username: "ann" },
        policies: ["default", "x"],
      });
      await vault.done("DELETE", "auth/up/users/ann");
      expect((await login("ann", "pw")).json).toEqual({
        errors: ["invalid username or password"],
      });
    });

    test("passwords and policies change, and renewal notices", async () => {
      const { vault } = get();
      await vault.done("POST", "auth/up/users/bob", {
        body: { password: "old", token_policies: ["x"] },
      });
      const token = String(
        at((await login("bob", "old")).json, "auth.client_token"),
      );
      await vault.done("POST", "auth/up/users/bob/password", {
        body: { password: "new" },
      });
      expect((await login("bob", "old")).status).toBe(400);
      expect((await login("bob", "new")).status).toBe(200);
      await vault.done("POST", "auth/token/renew-self", { token, body: {} });
      await vault.done("POST", "auth/up/users/bob/policies", {
        body: { policies: "y" },
      });
      await vault.refused(
        "POST",
        "auth/token/renew-self",
        500,
        listed("failed to renew entry: policies have changed, not renewing"),
        { token, body: {} },
      );
      expect((await login("bob", "")).status).toBe(500);
    });
  });
}
