import { Secret } from "@vaultbuddy/common";
import { expect, test } from "vitest";
import { compileTemplate } from "./template.ts";
import type { Resolved, Tag } from "./template.ts";

/** Renders with one value for each key that a tag names, and these entries for each whole secret. */
async function render(
  text: string,
  values: Record<string, string>,
): Promise<string> {
  const template = await compileTemplate(text);
  const entries = Object.entries(values).map(([key, value]) => ({
    key,
    value: new Secret(value),
  }));
  return template.render(
    template.tags.map((tag): Resolved => {
      if (tag.kind === "each") {
        return entries;
      }
      const { reference } = tag;
      const value =
        reference.kind === "key" ? values[reference.key] : reference.kind;
      return value === undefined ? undefined : new Secret(value);
    }),
  );
}

const kinds = (tags: readonly Tag[]) => tags.map(({ kind }) => kind);

test("a value stands in the text to the last character: nothing is escaped, and dots in keys and paths are nothing special", async () => {
  const hostile = `<a href="x">&'/\`={{vault:secret/db#b}}\\n$&`;
  expect(
    await render("[{{vault:secret/v1.2/db#tls.crt}}|{{{vault:secret/db#b}}}]", {
      "tls.crt": hostile,
      b: "B",
    }),
  ).toBe(`[${hostile}|B]`);
});

test("references are those of variables: versions, the token, ciphertexts and what is written to", async () => {
  const { tags } = await compileTemplate(
    '{{vault:secret/db#k#3}}{{vault:login}}{{vault:v1:Z29vZA==}}{{& >>vault:pki/issue/web#certificate#{"common_name":"web"} }}',
  );
  expect(
    tags.map((tag) => (tag.kind === "each" ? tag.source : tag.reference)),
  ).toEqual([
    {
      kind: "key",
      key: "k",
      source: { kind: "read", path: "secret/db", version: 3, api: true },
    },
    { kind: "token" },
    { kind: "ciphertext", ciphertext: "vault:v1:Z29vZA==" },
    {
      kind: "key",
      key: "certificate",
      source: {
        kind: "write",
        path: "pki/issue/web",
        parameters: '{"common_name":"web"}',
      },
    },
  ]);
});

test("a section is there when its key is there and not empty, an inverted one when not", async () => {
  const text =
    "{{#vault:secret/db#user}}user={{vault:secret/db#user}}\n{{/vault:secret/db#user}}{{^vault:secret/db#user}}none\n{{/vault:secret/db#user}}";
  expect(await render(text, { user: "app" })).toBe("user=app\n");
  expect(await render(text, {})).toBe("none\n");
  expect(await render(text, { user: "" })).toBe("none\n");
  expect(kinds((await compileTemplate(text)).tags)).toEqual(["test", "value"]);
});

test("the section of a whole secret is repeated for each of its keys", async () => {
  const text =
    "{{#vault:secret/web}}\n{{key}}={{value}}\n{{/vault:secret/web}}\n{{^vault:secret/web}}empty{{/vault:secret/web}}";
  expect(await render(text, { "a.b": "1", c: "<2>" })).toBe("a.b=1\nc=<2>\n");
  expect(await render(text, {})).toBe("empty");
});

test("other delimiters and comments are the engine's own", async () => {
  expect(
    await render("{{! not read }}{{=<% %>=}}{{<% vault:secret/a#k %>}}", {
      k: "v",
    }),
  ).toBe("{{v}}");
});

test.each([
  ["a tag that stays open", "{{vault:secret/canary#k"],
  ["a section that stays open", "{{#vault:secret/canary#k}}"],
  ["a name that is no reference", "{{canary}}"],
  ["a reference without a key", "{{vault:secret/canary}}"],
  ["a path that climbs", "{{vault:secret/../canary#k}}"],
  ["a whole secret's value outside of its section", "{{value}}{{!canary}}"],
  [
    "the value of a section",
    "{{#vault:secret/canary#k}}{{.}}{{/vault:secret/canary#k}}",
  ],
  ["a partial", "{{> canary}}"],
  ["a reference that reads as a partial", "{{>>vault:pki/issue/canary#k}}"],
  ["two references in one tag", "{{${vault:secret/canary#k}}}"],
])("%s is refused without being quoted", async (_what, text) => {
  await expect(compileTemplate(text)).rejects.toMatchObject({
    name: "ShapeError",
    message: expect.not.stringContaining("canary") as string,
  });
});
