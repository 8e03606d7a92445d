// Arrows between rooms point one way. Each forbidden one stands here with its reason.

import { expect, test } from "vitest";
import { code, imports, isTest, product, sources } from "./sources.ts";
import type { Source } from "./sources.ts";

/** Where something imports what it must not. */
function crossings(from: (source: Source) => boolean, to: RegExp): string[] {
  return sources
    .filter((source) => from(source))
    .flatMap((source) =>
      imports(source)
        .filter((name) => to.test(name))
        .map((name) => `${source.path} → ${name}`),
    );
}
const below =
  (folder: string) =>
  (source: Source): boolean =>
    source.path.startsWith(folder);

const templates = "entrypoint/src/files/template.ts";

test("but the engine of templates, which is loaded by the first of them", () => {
  const [source] = sources.filter(({ path }) => path === templates);
  expect(source?.text.match(/^import (?!type ).*"mustache"/m)).toBeNull();
  expect(new Set(imports(source ?? { path: "", text: "" }))).toEqual(
    new Set(["@vaultbuddy/common", "mustache", "../reference.ts"]),
  );
});

/** The part of the entrypoint that is bundled. */
const inContainers = (source: Source): boolean =>
  below("entrypoint/src/")(source) && !below("entrypoint/src/tools/")(source);

test.each<[string, (source: Source) => boolean, RegExp]>([
  [
    "daemons never import each other: each is shipped alone",
    below("agent/"),
    /@vaultbuddy\/(broker|entrypoint|devstack)/,
  ],
  [
    "(the broker neither)",
    below("broker/"),
    /@vaultbuddy\/(agent|entrypoint|devstack)/,
  ],
  [
    "(the entrypoint neither)",
    (s) => below("entrypoint/src/")(s) && !isTest(s),
    /@vaultbuddy\/(agent|broker|devstack)/,
  ],
  [
    "what is shared knows nobody",
    below("packages/common/"),
    /@vaultbuddy|\.\.\/\.\.\/\.\.\//,
  ],
  [
    "the entrypoint carries no library: it must listen milliseconds after its start",
    (s) => inContainers(s) && !isTest(s) && s.path !== templates,
    /@vaultbuddy\/common\/daemon|^(?!node:|\.|@vaultbuddy\/common$)/,
  ],
  [
    "in a container there are no tools: every argument belongs to the command",
    inContainers,
    /\/tools\//,
  ],
  [
    "no product code stands on test code",
    (s) => product.includes(s),
    /\/testing(\.ts)?$|common\/testing|vitest|fast-check/,
  ],
  [
    "a step does not know who put it together",
    (s) => /^broker\/src\/(?!main)/.test(s.path) && !isTest(s),
    /\/main\.ts$/,
  ],
  [
    "the stand-ins know the product's protocol at most",
    below("packages/devstack/src/vault/"),
    /@vaultbuddy\/(agent|broker|entrypoint)/,
  ],
])("%s", (_reason, from, to) => {
  expect(crossings(from, to)).toEqual([]);
});

test("no file is called index, util, helpers or types but the one barrel of each package", () => {
  const named = sources
    .filter((s) => /(^|\/)(index|utils?|helpers?|types)\.ts$/.test(s.path))
    .map((s) => s.path);
  expect(named.toSorted()).toEqual([
    "packages/common/src/index.ts",
    "packages/devstack/src/index.ts",
  ]);
});

test("only main.ts touches the process", () => {
  const touching = product.filter(
    (source) =>
      !source.path.endsWith("/main.ts") &&
      /\bprocess\.(?!getBuiltinModule)/.test(code(source)),
  );
  expect(touching.map((source) => source.path)).toEqual([]);
});

test("time, sleep and chance are arguments but where the machine's clock is read", () => {
  // The clock itself, and the connections' own timers, which Node runs and no test can hold.
  const allowed = /^packages\/common\/src\/time\.ts$|\/main\.ts$/;
  const reading = product.filter(
    (source) =>
      !allowed.test(source.path) &&
      /\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|\brandomUUID\(|\bsetInterval\(/.test(
        code(source),
      ),
  );
  expect(reading.map((source) => source.path)).toEqual([]);
});

test("expose() is called only where a value goes onto a wire, into a key or into an environment", () => {
  const logging = product.filter((source) =>
    /log\.\w+\([^;]*\.expose\(\)/s.test(code(source)),
  );
  expect(logging.map((source) => source.path)).toEqual([]);
});
