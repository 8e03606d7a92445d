// The contract's part about engines and mounts: key/value with and without versions, and the tables of mounts.

import { describe, expect, test } from "vitest";
import { at } from "./client.ts";
import { denied } from "./setup.ts";
import type { Asker, Subject } from "./setup.ts";

export function engineContract(
  get: () => { vault: Asker; subject: Subject },
): void {
  const put = async (
    key: string,
    data: unknown,
    options?: unknown,
  ): Promise<unknown> =>
    at(
      await get().vault.done("POST", `secret/data/${key}`, {
        body: { data, ...(options !== undefined && { options }) },
      }),
      "data.version",
    );
  const read = async (key: string): Promise<unknown> =>
    at(await get().vault.done("GET", `secret/data/${key}`), "data");

  describe("key/value with versions", () => {
    test("versions are deleted, restored and destroyed one by one", async () => {
      const { vault } = get();
      await put("life", { n: 1 });
      await put("life", { n: 2 });
      await vault.done("POST", "secret/delete/life", {
        body: { versions: [1] },
      });
      const deleted = await vault.ask("GET", "secret/data/life?version=1");
      expect(deleted.status).toBe(404);
      expect(at(deleted.json, "data")).toMatchObject({
        data: null,
        metadata: { version: 1, destroyed: false },
      });
      expect(at(deleted.json, "data.metadata.deletion_time")).not.toBe("");
      expect(await read("life")).toMatchObject({ data: { n: 2 } });
      await vault.done("POST", "secret/undelete/life", {
        body: { versions: "1" },
      });
      expect(await read("life?version=1")).toMatchObject({
        data: { n: 1 },
        metadata: { deletion_time: "" },
      });
      await vault.done("PUT", "secret/destroy/life", {
        body: { versions: ["1"] },
      });
      await vault.done("POST", "secret/undelete/life", {
        body: { versions: [1] },
      });
      const destroyed = await vault.ask("GET", "secret/data/life?version=1");
      expect(destroyed.status).toBe(404);
      expect(at(destroyed.json, "data.metadata.destroyed")).toBe(true);
      for (const verb of ["delete", "undelete", "destroy"])
        await vault.refused(
          "POST",
          `secret/${verb}/life`,
          400,
          "No version number provided",
          { body: {} },
        );
      expect(
        (
          await vault.ask("POST", "secret/delete/never", {
            body: { versions: [1] },
          })
        ).status,
      ).toBe(204);
    });

    test("deleting takes the newest version, and a new one is a new number", async () => {
      const { vault } = get();
      await put("again", { n: 1 });
      await vault.done("DELETE", "secret/data/again");
      expect((await vault.ask("GET", "secret/data/again")).status).toBe(404);
      expect(await put("again", { n: 2 }, { cas: 1 })).toBe(2);
      expect((await vault.ask("DELETE", "secret/data/never")).status).toBe(204);
    });

    test("metadata tells of all versions and goes with all of them", async () => {
      const { vault } = get();
      await put("meta", { n: 1 });
      await put("meta", { n: 2 });
      const metadata = at(
        await vault.done("GET", "secret/metadata/meta"),
        "data",
      );
      expect(metadata).toMatchObject({
        current_version: 2,
        oldest_version: 0,
        max_versions: 0,
        cas_required: false,
        delete_version_after: "0s",
      });
      expect(Object.keys(at(metadata, "versions") as object)).toEqual([
        "1",
        "2",
      ]);
      await vault.done("DELETE", "secret/metadata/meta");
      await vault.refused("GET", "secret/metadata/meta", 404, undefined);
      await vault.refused("GET", "secret/data/meta", 404, undefined);
      expect(await put("meta", { n: 3 }, { cas: 0 })).toBe(1);
    });

    test("only the newest versions are kept", async () => {
      const { vault } = get();
      await vault.done("POST", "secret/metadata/few", {
        body: { max_versions: 2 },
      });
      for (const n of [1, 2, 3]) await put("few", { n });
      await vault.refused("GET", "secret/data/few?version=1", 404, undefined);
      expect(await read("few?version=2")).toMatchObject({ data: { n: 2 } });
      const metadata = at(
        await vault.done("GET", "secret/metadata/few"),
        "data",
      );
      expect(metadata).toMatchObject({
        current_version: 3,
        oldest_version: 2,
        max_versions: 2,
      });
      for (let n = 1; n <= 11; n += 1) await put("ten", { n });
      await vault.refused("GET", "secret/data/ten?version=1", 404, undefined);
      expect(await read("ten?version=2")).toMatchObject({ data: { n: 2 } });
    });

    test("check-and-set is obeyed and may be required", async () => {
      const { vault } = get();
      const path = "secret/data/cas";
      await vault.done("POST", "secret/metadata/cas", {
        body: { cas_required: true },
      });
      await vault.refused(
        "POST",
        path,
        400,
        "check-and-set parameter required for this call",
        { body: { data: {} } },
      );
      expect(await put("cas", { n: 1 }, { cas: 0 })).toBe(1);
      expect(await put("cas", { n: 2 }, { cas: "1" })).toBe(2);
      await vault.refused(
        "POST",
        path,
        400,
        "check-and-set parameter did not match the current version",
        { body: { data: {}, options: { cas: 1 } } },
      );
      await vault.refused(
        "POST",
        path,
        400,
        "error parsing check-and-set parameter",
        { body: { data: {}, options: { cas: "x" } } },
      );
    });

    test("a version deletes itself after its time", async () => {
      const { vault, subject } = get();
      await vault.done("POST", "secret/metadata/brief", {
        body: { delete_version_after: "2s" },
      });
      await put("brief", { n: 1 });
      expect(await read("brief")).toMatchObject({ data: { n: 1 } });
      await subject.pause(3000);
      expect((await vault.ask("GET", "secret/data/brief")).status).toBe(404);
      expect(
        at(
          await vault.done("GET", "secret/metadata/brief"),
          "data.delete_version_after",
        ),
      ).toBe("2s");
    });

    test("create and update are told apart", async () => {
      const { vault } = get();
      await vault.policy(
        "creator",
        'path "secret/data/made/*" { capabilities = ["create"] }',
      );
      const { id: token } = await vault.token({ policies: ["creator"] });
      await vault.done("POST", "secret/data/made/x", {
        token,
        body: { data: { a: 1 } },
      });
      await vault.refused("POST", "secret/data/made/x", 403, denied, {
        token,
        body: { data: { a: 2 } },
      });
      await vault.policy(
        "updater",
        'path "secret/data/made/*" { capabilities = ["update"] }',
      );
      const other = await vault.token({ policies: ["updater"] });
      await vault.done("POST", "secret/data/made/x", {
        token: other.id,
        body: { data: { a: 2 } },
      });
      await vault.refused("POST", "secret/data/made/y", 403, denied, {
        token: other.id,
        body: { data: { a: 2 } },
      });
    });

    test("directories are listed one level at a time", async () => {
      const { vault } = get();
      await put("tree/a", {});
      await put("tree/a/b", {});
      await put("tree/c", {});
      expect(
        at(await vault.done("LIST", "secret/metadata/tree"), "data.keys"),
      ).toEqual(["a", "a/", "c"]);
      expect(
        at(await vault.done("LIST", "secret/metadata/tree/a/"), "data.keys"),
      ).toEqual(["b"]);
      await vault.refused("LIST", "secret/metadata/tree/none", 404, undefined);
      const wrong = await vault.ask("LIST", "secret/data/tree");
      expect(wrong.status).toBe(404);
      expect(String(at(wrong.json, "warnings.0"))).toContain("vault kv list");
    });

    test("the engine has settings of its own", async () => {
      const { vault } = get();
      await vault.done("POST", "sys/mounts/kvset", { body: { type: "kv-v2" } });
      await vault.done("POST", "kvset/config", {
        body: {
          max_versions: 1,
          cas_required: true,
          delete_version_after: "1h",
        },
      });
      expect(at(await vault.done("GET", "kvset/config"), "data")).toEqual({
        max_versions: 1,
        cas_required: true,
        delete_version_after: "1h0m0s",
      });
      await vault.refused(
        "POST",
        "kvset/data/x",
        400,
        "check-and-set parameter required for this call",
        { body: { data: {} } },
      );
      const made = await vault.done("POST", "kvset/data/x", {
        body: { data: {}, options: { cas: 0 } },
      });
      expect(at(made, "data.deletion_time")).not.toBe("");
    });

    test("values come back as they were, whatever they are", async () => {
      const data = {
        n: 1.5,
        e: "",
        u: "ü€😀",
        nil: null,
        deep: { a: [1, { b: false }] },
        __proto__x: "y",
      };
      await put("values", data);
      expect(at(await read("values"), "data")).toEqual(data);
    });
  });

  describe("key/value without versions", () => {
    test("what is written is read, with ttl or lease as the lease's length", async () => {
      const { vault } = get();
      await vault.done("POST", "sys/mounts/plain", { body: { type: "kv" } });
      await vault.done("POST", "plain/a/b", { body: { x: 1, lease: "2m" } });
      expect(await vault.done("GET", "plain/a/b")).toMatchObject({
        data: { x: 1, lease: "2m" },
        lease_duration: 120,
      });
      await vault.done("POST", "plain/a/b", { body: { x: 2, ttl: 30 } });
      expect(await vault.done("GET", "plain/a/b")).toMatchObject({
        lease_duration: 30,
      });
      await vault.done("POST", "plain/a/b", { body: { ttl: "whenever" } });
      expect(await vault.done("GET", "plain/a/b")).toMatchObject({
        lease_duration: 2_764_800,
      });
      expect(at(await vault.done("LIST", "plain"), "data.keys")).toEqual([
        "a/",
      ]);
      await vault.refused("POST", "plain/a/b", 400, "missing data fields", {
        body: {},
      });
      await vault.refused("GET", "plain/data/a", 404, undefined);
    });
  });

  describe("mounts", () => {
    test("are listed twice in one answer, with what they are", async () => {
      const { vault } = get();
      const mounts = (await vault.done("GET", "sys/mounts")) as Record<
        string,
        unknown
      >;
      expect(mounts["data"]).toHaveProperty(
        ["secret/", "options", "version"],
        "2",
      );
      expect(mounts).toHaveProperty(["sys/", "type"], "system");
      expect(mounts).toHaveProperty(["cubbyhole/", "local"], true);
      const auth = (await vault.done("GET", "sys/auth")) as Record<
        string,
        unknown
      >;
      expect(auth).toHaveProperty(
        ["token/", "config", "token_type"],
        "default-service",
      );
    });

    test("can't overlap, nor take the system's places", async () => {
      const { vault } = get();
      await vault.done("POST", "sys/mounts/one/two", { body: { type: "kv" } });
      await vault.refused(
        "POST",
        "sys/mounts/one",
        400,
        "path is already in use at one/two/",
        { body: { type: "kv" } },
      );
      await vault.refused(
        "POST",
        "sys/mounts/one/two/three",
        400,
        "path is already in use at one/two/",
        { body: { type: "kv" } },
      );
      await vault.refused(
        "POST",
        "sys/mounts/sys/x",
        403,
        'cannot mount "sys/x/"',
        { body: { type: "kv" } },
      );
      await vault.refused(
        "POST",
        "sys/mounts/x",
        400,
        "backend type must be specified as a string",
        { body: {} },
      );
      await vault.refused(
        "POST",
        "sys/mounts/x",
        400,
        "plugin not found in the catalog: nosuch",
        { body: { type: "nosuch" } },
      );
      await vault.refused(
        "POST",
        "sys/auth/x",
        400,
        "plugin not found in the catalog: nosuch",
        { body: { type: "nosuch" } },
      );
      await vault.refused(
        "POST",
        "sys/auth/x",
        400,
        'auth method "approle" does not allow setting a version',
        { body: { type: "approle", options: { version: "2" } } },
      );
    });

    test("unmounting takes the data along, and is quiet about what isn't there", async () => {
      const { vault } = get();
      await vault.done("POST", "sys/mounts/gone", { body: { type: "kv" } });
      await vault.done("POST", "gone/x", { body: { a: 1 } });
      await vault.done("DELETE", "sys/mounts/gone");
      await vault.refused(
        "GET",
        "gone/x",
        404,
        "no handler for route 'gone/x'",
      );
      await vault.done("DELETE", "sys/mounts/gone");
      await vault.done("POST", "sys/mounts/gone", { body: { type: "kv" } });
      await vault.refused("GET", "gone/x", 404, undefined);
      await vault.refused(
        "DELETE",
        "sys/mounts/sys",
        400,
        'cannot unmount "sys/"',
      );
      await vault.refused(
        "DELETE",
        "sys/auth/token",
        400,
        "token credential backend cannot be disabled",
      );
    });

    test("disabling an auth method ends the tokens that it gave", async () => {
      const { vault } = get();
      await vault.done("POST", "sys/auth/brief", {
        body: { type: "userpass" },
      });
      await vault.done("POST", "auth/brief/users/bob", {
        body: { password: "pw" },
      });
      const login = await vault.done("POST", "auth/brief/login/bob", {
        token: null,
        body: { password: "pw" },
      });
      await vault.done("DELETE", "sys/auth/brief");
      expect(await vault.isAlive(String(at(login, "auth.accessor")))).toBe(
        false,
      );
    });

    test("tuning changes TTLs and says what holds", async () => {
      const { vault } = get();
      await vault.done("POST", "sys/auth/tuned", {
        body: {
          type: "userpass",
          config: { default_lease_ttl: "10m", max_lease_ttl: "1h" },
        },
      });
      expect(
        at(await vault.done("GET", "sys/auth/tuned/tune"), "data"),
      ).toMatchObject({
        default_lease_ttl: 600,
        max_lease_ttl: 3600,
        token_type: "default-service",
      });
      await vault.done("POST", "auth/tuned/users/bob", {
        body: { password: "pw" },
      });
      const login = await vault.done("POST", "auth/tuned/login/bob", {
        token: null,
        body: { password: "pw" },
      });
      expect(at(login, "auth.lease_duration")).toBe(600);
      await vault.done("POST", "sys/auth/tuned/tune", {
        body: { default_lease_ttl: "20m" },
      });
      const again = await vault.done("POST", "auth/tuned/login/bob", {
        token: null,
        body: { password: "pw" },
      });
      expect(at(again, "auth.lease_duration")).toBe(1200);
      const renewed = await vault.done("POST", "auth/token/renew-self", {
        token: String(at(again, "auth.client_token")),
        body: { increment: "5h" },
      });
      expect(at(renewed, "auth.lease_duration")).toBe(3600);
      expect(
        at(await vault.done("GET", "sys/mounts/secret/tune"), "data"),
      ).toMatchObject({
        default_lease_ttl: 2_764_800,
        max_lease_ttl: 2_764_800,
        options: { version: "2" },
      });
      await vault.refused(
        "POST",
        "sys/mounts/sys/tune",
        400,
        'cannot tune "sys/"',
        { body: { description: "x" } },
      );
    });

    test("enabling an auth method needs sudo besides update", async () => {
      const { vault } = get();
      await vault.policy(
        "enabler",
        'path "sys/auth/*" { capabilities = ["create", "update"] }',
      );
      const { id: token } = await vault.token({ policies: ["enabler"] });
      await vault.refused("POST", "sys/auth/sudo", 403, denied, {
        token,
        body: { type: "userpass" },
      });
      await vault.policy(
        "enabler",
        'path "sys/auth/*" { capabilities = ["create", "update", "sudo"] }',
      );
      await vault.done("POST", "sys/auth/sudo", {
        token,
        body: { type: "userpass" },
      });
    });

    test("a client sees the mounts that it has something to do with", async () => {
      const { vault } = get();
      await vault.done("POST", "sys/mounts/seen", { body: { type: "kv-v2" } });
      const path = "sys/internal/ui/mounts/seen/data/x";
      const preflight = (shown: string): string =>
        `preflight capability check returned 403, please ensure client's policies grant access to path "${shown}"`;
      await vault.policy(
        "seer",
        'path "seen/data/x" { capabilities = ["read"] }',
      );
      const { id: token } = await vault.token({ policies: ["seer"] });
      expect(
        at(await vault.done("GET", path, { token }), "data"),
      ).toMatchObject({ path: "seen/", type: "kv", options: { version: "2" } });
      await vault.policy("seer", 'path "+/data/x" { capabilities = ["read"] }');
      await vault.done("GET", path, { token });
      await vault.policy("seer", 'path "other/*" { capabilities = ["read"] }');
      await vault.refused("GET", path, 403, preflight("seen/data/x/"), {
        token,
      });
      await vault.refused(
        "GET",
        "sys/internal/ui/mounts/nosuch",
        403,
        preflight("nosuch/"),
      );
      const all = at(
        await vault.done("GET", "sys/internal/ui/mounts", { token }),
        "data.secret",
      ) as object;
      expect(Object.keys(all)).toContain("cubbyhole/");
      expect(Object.keys(all)).not.toContain("seen/");
    });
  });
}
