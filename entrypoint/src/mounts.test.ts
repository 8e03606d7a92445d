import { expect, test } from "vitest";
import type { Found } from "./found.ts";
import { apiPath, MountTable } from "./mounts.ts";
import type { Mount } from "./mounts.ts";

const mount = (path: string, versioned = true): Mount => ({
  path,
  versioned,
  stable: true,
});

test.each([
  ["secret/web", mount("secret/"), false, "secret/data/web"],
  ["secret/a/b", mount("secret/"), false, "secret/data/a/b"],
  ["secret", mount("secret/"), false, "secret/data"],
  ["team/kv/web", mount("team/kv/"), false, "team/kv/data/web"],
  ["kv1/web", mount("kv1/", false), false, "kv1/web"],
  ["old/web", mount("", false), false, "old/web"],
  // As Vault's own command has it, a logical path that begins with data/ is a secret of that name.
  ["secret/data/web", mount("secret/"), false, "secret/data/data/web"],
  // As bank-vaults has it, the path of a reference is the API's.
  ["secret/data/web", mount("secret/"), true, "secret/data/web"],
  ["secret/web", mount("secret/"), true, "secret/data/web"],
  ["secret/database", mount("secret/"), true, "secret/data/database"],
  ["kv1/data/web", mount("kv1/", false), true, "kv1/data/web"],
  // In a namespace Vault may put its name in front of the engine's.
  ["secret/web", mount("team/a/secret/"), false, "secret/data/web"],
])("%s in %o (%s) is %s", (path, where, api, expected) => {
  expect(apiPath(path, where, api)).toBe(expected);
});

test("an engine is asked for once, and engines that begin alike each for itself", async () => {
  const asked: string[] = [];
  const table = new MountTable((path) => {
    asked.push(path);
    const found: Found<Mount> = path.startsWith("none/")
      ? { kind: "refused", status: 403 }
      : { kind: "found", value: mount(path.replace(/[^/]*$/, "")) };
    return Promise.resolve(found);
  });
  for (const path of ["a/x", "a/y", "team/a/x", "team/b/x", "team/a/y"]) {
    await table.of(path);
  }
  expect(asked).toEqual(["a/x", "team/a/x", "team/b/x"]);
  expect(await table.of("none/x")).toEqual({ kind: "refused", status: 403 });
});
