// The contract's part about response wrapping and cubbyholes.

import { describe, expect, test } from "vitest";
import { at } from "./client.ts";
import { denied, listed } from "./setup.ts";
import type { Asker, Subject } from "./setup.ts";

const invalid = "wrapping token is not valid or does not exist";

export function wrappingContract(
  get: () => { vault: Asker; subject: Subject },
): void {
  const wrapped = async (
    method: string,
    path: string,
    body?: unknown,
    wrap = "60s",
  ): Promise<{ token: string; accessor: string; info: unknown }> => {
    const info = at(
      await get().vault.done(method, path, {
        wrap,
        ...(body !== undefined && { body }),
      }),
      "wrap_info",
    );
    return {
      token: String(at(info, "token")),
      accessor: String(at(info, "accessor")),
      info,
    };
  };

  describe("wrapping of any answer", () => {
    test("the whole answer comes out again, with the first request's id", async () => {
      const { vault } = get();
      const { token, info } = await wrapped("POST", "auth/token/create", {
        policies: ["default"],
        ttl: "1h",
      });
      expect(info).toMatchObject({
        ttl: 60,
        creation_path: "auth/token/create",
      });
      const out = await vault.done("POST", "sys/wrapping/unwrap", { token });
      expect(at(out, "auth")).toMatchObject({
        policies: ["default"],
        lease_duration: 3600,
        accessor: at(info, "wrapped_accessor"),
      });
      expect(at(out, "request_id")).toMatch(/^[\da-f-]{36}$/);
      expect(at(out, "wrap_info")).toBeNull();
    });

    test("an answer without a body is not wrapped, nor is an error or an empty list", async () => {
      const { vault } = get();
      const written = await vault.ask("POST", "cubbyhole/w", {
        wrap: "60s",
        body: { a: 1 },
      });
      expect([written.status, written.text]).toEqual([204, ""]);
      await vault.refused("GET", "cubbyhole/none", 404, undefined, {
        wrap: "60s",
      });
      await vault.refused("LIST", "cubbyhole/none", 404, "unsupported path", {
        wrap: "60s",
      });
      await vault.refused(
        "GET",
        "nosuch/path",
        404,
        "no handler for route 'nosuch/path'",
        { wrap: "60s" },
      );
    });

    test("a list is wrapped, and sys/ paths that show data twice come out plain", async () => {
      const { vault } = get();
      const list = await wrapped("LIST", "sys/policies/acl");
      expect(at(list.info, "creation_path")).toBe("sys/policies/acl/");
      const out = await vault.done("POST", "sys/wrapping/unwrap", {
        token: list.token,
      });
      expect(at(out, "data.keys")).toContain("root");
      const mounts = await wrapped("GET", "sys/mounts");
      const shown = await vault.done("POST", "sys/wrapping/unwrap", {
        token: mounts.token,
      });
      expect((shown as { data: Record<string, unknown> }).data).toHaveProperty(
        ["secret/", "type"],
        "kv",
      );
      expect(shown).not.toHaveProperty(["secret/"]);
    });

    test("an answer with a status of its own keeps it", async () => {
      const { vault } = get();
      await vault.done("POST", "secret/data/wrap-deleted", {
        body: { data: { a: "1" } },
      });
      await vault.done("DELETE", "secret/data/wrap-deleted");
      const { token } = await wrapped("GET", "secret/data/wrap-deleted");
      const out = await vault.ask("POST", "sys/wrapping/unwrap", { token });
      expect(out.status).toBe(404);
      expect(at(out.json, "data.data")).toBeNull();
      expect(at(out.json, "data.metadata.version")).toBe(1);
    });

    test("the token opens once, whoever opens it", async () => {
      const { vault } = get();
      const { id: other } = await vault.token({ policies: ["default"] });
      const first = await wrapped("POST", "sys/wrapping/wrap", { a: "1" });
      const out = await vault.done("POST", "sys/wrapping/unwrap", {
        token: other,
        body: { token: first.token },
      });
      expect(at(out, "data")).toEqual({ a: "1" });
      await vault.refused("POST", "sys/wrapping/unwrap", 400, invalid, {
        token: other,
        body: { token: first.token },
      });
      await vault.refused("POST", "sys/wrapping/unwrap", 400, invalid, {
        token: first.token,
      });
      expect(await vault.isAlive(first.accessor)).toBe(false);
    });

    test("someone without the right to unwrap doesn't spend it", async () => {
      const { vault } = get();
      const { id: other } = await vault.token({
        policies: ["nosuch"],
        no_default_policy: true,
      });
      const { token } = await wrapped("POST", "sys/wrapping/wrap", { a: "1" });
      await vault.refused("POST", "sys/wrapping/unwrap", 403, denied, {
        token: other,
        body: { token },
      });
      await vault.refused(
        "POST",
        "sys/wrapping/unwrap",
        400,
        "missing client token",
        { token: null, body: { token } },
      );
      await vault.done("POST", "sys/wrapping/unwrap", { token });
    });

    test("a wrapping token used for anything else is spent and opens no more", async () => {
      const { vault } = get();
      const { token } = await wrapped("POST", "sys/wrapping/wrap", { a: "1" });
      await vault.refused("GET", "auth/token/lookup-self", 403, denied, {
        token,
      });
      await vault.refused("POST", "sys/wrapping/unwrap", 400, invalid, {
        token,
      });
    });

    test("the same token in header and body is spent on itself", async () => {
      const { vault } = get();
      const { token } = await wrapped("POST", "sys/wrapping/wrap", { a: "1" });
      await vault.refused(
        "POST",
        "sys/wrapping/unwrap",
        500,
        listed(
          "error decrementing wrapping token's use-count: invalid token entry provided for use count decrementing",
        ),
        { token, body: { token } },
      );
      await vault.refused("POST", "sys/wrapping/unwrap", 400, invalid, {
        token,
      });
    });

    test("the old way of reading the cubbyhole works and warns", async () => {
      const { vault } = get();
      const { token } = await wrapped("POST", "sys/wrapping/wrap", { a: "1" });
      const out = await vault.done("GET", "cubbyhole/response", { token });
      expect(JSON.parse(String(at(out, "data.response")))).toMatchObject({
        data: { a: "1" },
      });
      expect(String(at(out, "warnings.0"))).toMatch(
        /^Reading from 'cubbyhole\/response' is deprecated/,
      );
      await vault.refused("POST", "sys/wrapping/unwrap", 400, invalid, {
        token,
      });
    });

    test("lookup costs nothing, says what was wrapped and when, and needs no token", async () => {
      const { vault } = get();
      const { token } = await wrapped(
        "POST",
        "sys/wrapping/wrap",
        { a: "1" },
        "90s",
      );
      for (const question of [
        { token: null, body: { token } },
        { token, body: {} },
        { body: { token } },
      ]) {
        const data = at(
          await vault.done("POST", "sys/wrapping/lookup", question),
          "data",
        );
        expect(data).toMatchObject({
          creation_path: "sys/wrapping/wrap",
          creation_ttl: 90,
        });
        expect(Date.parse(String(at(data, "creation_time")))).not.toBeNaN();
      }
      await vault.done("POST", "sys/wrapping/unwrap", { token });
      await vault.refused("POST", "sys/wrapping/lookup", 400, invalid, {
        token: null,
        body: { token },
      });
      await vault.refused(
        "POST",
        "sys/wrapping/lookup",
        400,
        "error validating wrapping token: empty token in request body",
        { body: { token: "" } },
      );
      await vault.refused(
        "POST",
        "sys/wrapping/lookup",
        400,
        "error validating wrapping token: could not decode token in request body",
        { body: { token: 1 } },
      );
    });

    test("rewrapping moves the answer under a new token and keeps path and TTL", async () => {
      const { vault } = get();
      await vault.done("POST", "secret/data/rewrapped", {
        body: { data: { a: "1" } },
      });
      const first = await wrapped(
        "GET",
        "secret/data/rewrapped",
        undefined,
        "120s",
      );
      const info = at(
        await vault.done("POST", "sys/wrapping/rewrap", {
          body: { token: first.token },
        }),
        "wrap_info",
      );
      expect(info).toMatchObject({
        ttl: 120,
        creation_path: "secret/data/rewrapped",
      });
      expect(await vault.isAlive(first.accessor)).toBe(false);
      const second = String(at(info, "token"));
      const data = at(
        await vault.done("POST", "sys/wrapping/lookup", {
          token: null,
          body: { token: second },
        }),
        "data",
      );
      expect(data).toMatchObject({
        creation_path: "secret/data/rewrapped",
        creation_ttl: 120,
      });
      const out = await vault.done("POST", "sys/wrapping/unwrap", {
        token: second,
      });
      expect(at(out, "data.data")).toEqual({ a: "1" });
      const third = await wrapped("GET", "secret/data/rewrapped");
      await vault.refused("POST", "sys/wrapping/rewrap", 403, denied, {
        token: third.token,
      });
    });

    test("wrapping nothing in particular needs a TTL", async () => {
      await get().vault.refused(
        "POST",
        "sys/wrapping/wrap",
        400,
        "endpoint requires response wrapping to be used",
        { body: { a: 1 } },
      );
    });

    test("the token inside outlives the revoked wrapping token, and dies on its own", async () => {
      const { vault } = get();
      const { accessor, info } = await wrapped("POST", "auth/token/create", {
        policies: ["default"],
        ttl: "1h",
      });
      const inner = String(at(info, "wrapped_accessor"));
      await vault.done("POST", "auth/token/revoke-accessor", {
        body: { accessor },
      });
      expect(await vault.isAlive(inner)).toBe(true);
      await vault.done("POST", "auth/token/revoke-accessor", {
        body: { accessor: inner },
      });
      expect(await vault.isAlive(inner)).toBe(false);
    });

    test("a wrapping token expires with its TTL and can't be renewed", async () => {
      const { vault, subject } = get();
      const { token, accessor } = await wrapped(
        "POST",
        "sys/wrapping/wrap",
        { a: "1" },
        "2s",
      );
      await vault.refused(
        "POST",
        "auth/token/renew",
        400,
        "lease is not renewable",
        { body: { token } },
      );
      const seen = at(
        await vault.done("POST", "auth/token/lookup-accessor", {
          body: { accessor },
        }),
        "data",
      );
      expect(seen).toMatchObject({
        policies: ["response-wrapping"],
        num_uses: 1,
        orphan: true,
        path: "sys/wrapping/wrap",
        renewable: false,
        meta: null,
        display_name: "",
      });
      await subject.pause(3500);
      await vault.refused("POST", "sys/wrapping/unwrap", 400, invalid, {
        token,
      });
    });

    test("a login can be wrapped", async () => {
      const { vault } = get();
      await vault.done("POST", "sys/auth/wrapped-login", {
        body: { type: "userpass" },
      });
      await vault.done("POST", "auth/wrapped-login/users/bob", {
        body: { password: "pw" },
      });
      const info = at(
        await vault.done("POST", "auth/wrapped-login/login/bob", {
          token: null,
          wrap: "60s",
          body: { password: "pw" },
        }),
        "wrap_info",
      );
      expect(info).toMatchObject({
        creation_path: "auth/wrapped-login/login/bob",
      });
      const out = await vault.done("POST", "sys/wrapping/unwrap", {
        token: String(at(info, "token")),
      });
      expect(at(out, "auth.metadata")).toEqual({ username: "bob" });
      expect(at(out, "auth.accessor")).toBe(at(info, "wrapped_accessor"));
    });
  });

  describe("cubbyholes", () => {
    test("each token has its own, with lists, and it dies with the token", async () => {
      const { vault } = get();
      const mine = await vault.token({ policies: ["default"] });
      const other = await vault.token({ policies: ["default"] });
      const { id: token } = mine;
      await vault.done("POST", "cubbyhole/a/b", { token, body: { x: "1" } });
      await vault.done("PUT", "cubbyhole/c", { token, body: { y: 2 } });
      expect(
        at(await vault.done("LIST", "cubbyhole", { token }), "data.keys"),
      ).toEqual(["a/", "c"]);
      expect(
        at(await vault.done("GET", "cubbyhole/c", { token }), "data"),
      ).toEqual({ y: 2 });
      await vault.refused("GET", "cubbyhole/c", 404, undefined, {
        token: other.id,
      });
      await vault.done("DELETE", "cubbyhole/c", { token });
      await vault.refused("GET", "cubbyhole/c", 404, undefined, { token });
      await vault.refused("POST", "cubbyhole/c", 400, "missing data fields", {
        token,
        body: {},
      });
    });
  });
}
