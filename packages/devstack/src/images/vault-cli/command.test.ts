// The stand-in for the vault command: what it asks for each command of deploy/vault/setup.sh, and what it prints.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startVault } from "../../vault/server.ts";
import type { VaultServer } from "../../vault/server.ts";
import { readCommand } from "./command.ts";
import { carryOut } from "./run.ts";
import type { Outcome } from "./run.ts";

const from = {
  readFile: (path: string) =>
    path === "p.json" ? '{"a":{"b":1}}' : `text of ${path}`,
  readStdin: () => "text of stdin",
};
const read = (line: string): ReturnType<typeof readCommand> =>
  readCommand(line.split(" "), from);

describe("a command", () => {
  test("that writes takes values from words, files and standard input", () => {
    expect(read("write auth/x a=1 b=@file c=- d=e=f")).toMatchObject({
      path: "auth/x",
      body: { a: "1", b: "text of file", c: "text of stdin", d: "e=f" },
    });
  });

  test("that writes nothing says so by -f, as for the real one", () => {
    expect(read("write -f -field=secret_id auth/x")).toMatchObject({
      body: {},
      field: "secret_id",
    });
    expect(() => read("write auth/x")).toThrow(
      "must supply data or use -force",
    );
  });

  test("kv put takes pairs, or a whole document", () => {
    expect(read("kv put secret/web a=b")).toMatchObject({
      path: "secret/data/web",
      body: { data: { a: "b" } },
    });
    expect(read("kv put secret/web @p.json")).toMatchObject({
      body: { data: { a: { b: 1 } } },
    });
  });

  test.each([
    "",
    "delete x",
    "write auth/x word",
    "read a b",
    "kv get secret/web",
    "write -wrap-ttl=60s auth/x a=b",
  ])("that is not known is refused: %j", (line) => {
    expect(() => read(line)).toThrow();
  });
});

describe("against Vault", () => {
  let vault: VaultServer;
  beforeAll(async () => {
    vault = await startVault();
  });
  afterAll(() => vault.close());

  const run = (
    line: string,
    token: string | undefined = vault.rootToken,
  ): Promise<Outcome> => carryOut(read(line), vault.addr, token);

  test("prints what the CLI prints", async () => {
    expect(await run("write auth/token/roles/one orphan=true")).toEqual({
      stdout: "Success! Data written to: auth/token/roles/one\n",
      stderr: "",
      code: 0,
    });
    expect((await run("read -field=orphan auth/token/roles/one")).stdout).toBe(
      "true",
    );
  });

  test("a refusal is code 2, and names no token", async () => {
    const { stderr, code } = await run(
      "read -field=orphan auth/token/roles/one",
      "s.wrong",
    );
    expect(code).toBe(2);
    expect(stderr).toBe(
      "Error: Vault answered 403 to GET auth/token/roles/one\n",
    );
  });

  test("a field that is not there is code 1", async () => {
    expect((await run("read -field=nothing auth/token/roles/one")).code).toBe(
      1,
    );
  });

  test("status tells by its code whether Vault is sealed, and whether there is one", async () => {
    expect((await run("status")).code).toBe(0);
    vault.setSealed(true);
    expect((await run("status")).code).toBe(2);
    vault.setSealed(false);
    expect(
      (await carryOut(read("status"), "http://127.0.0.1:1", undefined)).code,
    ).toBe(1);
  });
});
