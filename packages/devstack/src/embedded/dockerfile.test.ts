// The instructions of an import and a commit.

import { expect, test } from "vitest";
import { applyChanges } from "./dockerfile.ts";
import { emptyConfig, mergeConfig, readConfig } from "./image-config.ts";

test.each([
  [["CMD foo bar"], { cmd: ["/bin/sh", "-c", "foo bar"] }],
  [['CMD ["a", "b c"]'], { cmd: ["a", "b c"] }],
  [['entrypoint ["a"]', 'CMD ["b"]'], { entrypoint: ["a"], cmd: ["b"] }],
  [['CMD ["b"]', 'ENTRYPOINT ["a"]'], { entrypoint: ["a"], cmd: undefined }],
  [["ENV A=1 B='two words'", "ENV A=2"], { env: ["A=2", "B=two words"] }],
  [
    [String.raw`ENV A="b\nc\$X \"q\" \\"`],
    { env: [String.raw`A=b\nc$X "q" \ `.trim()] },
  ],
  [[String.raw`ENV A=x\ny`], { env: ["A=xny"] }],
  [["ENV A one two"], { env: ["A=one two"] }],
  [["LABEL a=1", 'LABEL a=2 "b c"=d'], { labels: { a: "2", "b c": "d" } }],
  [["EXPOSE 80 53/udp"], { exposedPorts: ["80/tcp", "53/udp"] }],
  [["WORKDIR /app"], { workingDir: "/app" }],
  [["USER 1000:1000"], { user: "1000:1000" }],
  [["STOPSIGNAL SIGINT"], { stopSignal: "SIGINT" }],
  [["VOLUME /a /b"], { volumes: ["/a", "/b"] }],
])("%j", (lines, expected) => {
  expect(applyChanges(emptyConfig, lines)).toMatchObject(expected);
});

test.each([
  ["FOO x", /foo is not a valid change command/],
  ["toString x", /not a valid change command/],
  ["ENV", /ENV requires/],
  ["ENV A", /must have two arguments/],
  ["ENV A=1 B", /can't find =/],
  ['ENV A="x', /matching quote/],
])("%j is refused", (line, why) => {
  expect(() => applyChanges(emptyConfig, [line])).toThrow(why);
});

const image = {
  ...emptyConfig,
  entrypoint: ["e"],
  cmd: ["c"],
  env: ["A=image", "B=image"],
  labels: { a: "image", b: "image" },
  workingDir: "/image",
};

test.each([
  [{}, ["e"], ["c"]],
  [{ Cmd: ["x"] }, ["e"], ["x"]],
  [{ Entrypoint: ["x"] }, ["x"], undefined],
  [{ Entrypoint: ["x"], Cmd: ["y"] }, ["x"], ["y"]],
  [{ Entrypoint: [""] }, undefined, undefined],
  [{ Entrypoint: null, Cmd: null }, ["e"], ["c"]],
])("%j over an image gives %j and %j", (body, entrypoint, cmd) => {
  expect(mergeConfig(readConfig(body), image)).toMatchObject({
    entrypoint,
    cmd,
  });
});

test("a container's variables and labels beat its image's, one by one", () => {
  const body = { Env: ["A=own", "C=own"], Labels: { a: "own" } };
  expect(mergeConfig(readConfig(body), image)).toMatchObject({
    env: ["A=own", "C=own", "B=image"],
    labels: { a: "own", b: "image" },
    workingDir: "/image",
  });
});

test.each([
  [{ WorkingDir: "rel" }, /needs to be an absolute path/],
  [{ Healthcheck: { Test: ["CMD", "x"], Interval: 5 } }, /less than 1ms/],
  [{ Healthcheck: { Retries: -1 } }, /cannot be negative/],
  [{ Env: "A=1", Cmd: [1] }, /list of strings/],
  [{ Labels: ["a"] }, /an object/],
])("%j is refused", (body, why) => {
  expect(() => readConfig(body)).toThrow(why);
});
