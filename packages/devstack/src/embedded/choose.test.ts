// Which engine is taken, and what is said when it can't be had.

import { expect, test } from "vitest";
import { chooseEngine, openEngine } from "./choose.ts";

const answers = (): Promise<void> => Promise.resolve();
const silent = (): Promise<void> => Promise.reject(new Error("ENOENT"));

test.each([
  [{}, answers, { kind: "docker", dockerHost: "unix:///var/run/docker.sock" }],
  [
    { DOCKER_HOST: "tcp://127.0.0.1:1" },
    answers,
    { kind: "docker", dockerHost: "tcp://127.0.0.1:1" },
  ],
  [{ DOCKER_HOST: "" }, silent, { kind: "embedded" }],
  [{ DEVSTACK_ENGINE: "embedded" }, answers, { kind: "embedded" }],
  [{ REQUIRE_DOCKER: "1" }, answers, { kind: "docker" }],
  [{ REQUIRE_DOCKER: "0" }, silent, { kind: "embedded" }],
])("%j", async (env, ping, expected) => {
  const choice = await chooseEngine(env, ping);
  expect(choice).toMatchObject(expected);
  expect(choice.why).not.toBe("");
});

test.each([
  [
    { REQUIRE_DOCKER: "1" },
    /ENOENT.*REQUIRE_DOCKER=1.*apt-get install docker.io/,
  ],
  [{ DEVSTACK_ENGINE: "docker" }, /DEVSTACK_ENGINE=docker/],
  [{ DEVSTACK_ENGINE: "podman" }, /must be embedded or docker/],
  [{ REQUIRE_DOCKER: "yes" }, /must be 0 or 1/],
  [{ REQUIRE_DOCKER: "1", DEVSTACK_ENGINE: "embedded" }, /contradict/],
])("%j is refused with what is missing", async (env, why) => {
  await expect(chooseEngine(env, silent)).rejects.toThrow(why);
});

test("an opened embedded engine answers where it says, until it is closed", async () => {
  const opened = await openEngine({ DEVSTACK_ENGINE: "embedded" });
  expect(opened).toMatchObject({ kind: "embedded" });
  const { dockerHost } = opened;
  const asked = await chooseEngine({ DOCKER_HOST: dockerHost });
  expect(asked).toMatchObject({ kind: "docker", dockerHost });
  await opened.close();
  const gone = await chooseEngine({ DOCKER_HOST: dockerHost });
  expect(gone).toMatchObject({ kind: "embedded" });
});
