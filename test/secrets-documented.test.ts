// Every block of the page about secrets, as it stands there: Vault is set up by its commands, each container gets the
// variables above the arrow, and its app has those below it.

import { readFileSync } from "node:fs";
import { looseTask, notify, readAppLine, Stack } from "@vaultbuddy/devstack";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hashed } from "./facts.ts";

const page = readFileSync(
  new URL("../docs/secrets.md", import.meta.url),
  "utf8",
);
const blocks = (language: string): string[] =>
  [
    ...page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms")),
  ].map((match) => match[1] ?? "");

let stack: Stack;
let url: string;
let ciphertext: string;

beforeAll(async () => {
  stack = await Stack.start({
    containers: false,
    families: ["documented"],
    policy: { documented: { policies: ["documented"], ttl: 3600 } },
  });
  const { admin } = stack;
  await admin.ask("PUT", "sys/policies/acl/documented", {
    policy: blocks("hcl").join("\n"),
  });
  for (const line of blocks("console").join("").trim().split("\n")) {
    await command(line.replace(/^\$ vault /, "").split(" "));
  }
  const { data } = (await admin.ask("POST", "transit/encrypt/web", {
    plaintext: Buffer.from("s3cret").toString("base64"),
  })) as { data: { ciphertext: string } };
  ({ ciphertext } = data);
  ({ url } = await stack.startBroker());
});
afterAll(() => stack.close());

/** What Vault's command would ask, for the few of its words that the page uses. */
async function command(words: readonly string[]): Promise<void> {
  const { admin } = stack;
  const pairs = (from: number): Record<string, string> =>
    Object.fromEntries(
      words.slice(from).map((word) => word.split("=", 2) as [string, string]),
    );
  const [first, second, third = ""] = words;
  if (first === "kv") {
    const path = third.replace("/", "/data/");
    await admin.ask("POST", path, { data: pairs(3) });
  } else if (first === "write") {
    await admin.ask("POST", second ?? "", pairs(2));
  } else {
    const type = words.at(-1) ?? "";
    const { "-path": path = type, "-version": version } = pairs(2);
    await admin.ask("POST", `sys/mounts/${path}`, {
      type,
      ...(version === undefined ? {} : { options: { version } }),
    });
  }
}

const variables = (lines: string): [string, string][] =>
  lines
    .trim()
    .split("\n")
    .map((line) => line.split(/=(.*)/s).slice(0, 2) as [string, string]);

test.each(
  blocks("sh").map((block) => {
    const [above = "", below = ""] = block.split("# →\n");
    return [above.split("\n")[0] ?? "", above, below] as const;
  }),
)("%s", async (_name, above, below) => {
  const task = await looseTask(stack, {
    family: "documented",
    env: Object.fromEntries(
      variables(above.replaceAll("vault:v1:…", ciphertext)),
    ),
  });
  const entrypoint = task.start();
  expect((await notify(url, task.notice)).code).toBe("delivered");
  const { text } = await entrypoint.line(
    (line) => readAppLine(line.text) !== undefined,
  );
  const app = readAppLine(text)?.variables ?? {};
  await entrypoint.stop();
  for (const [name, value] of variables(below)) {
    // What is made anew each time cannot be known, only that it is there.
    const expected = value.includes("…") ? expect.any(String) : hashed(value);
    expect(app, name).toHaveProperty(name, expected);
  }
});

test("the page has a block for every form", () => {
  expect(blocks("sh").length).toBeGreaterThan(7);
});
