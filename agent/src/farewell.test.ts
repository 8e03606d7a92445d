// A courtesy must cost nothing: not a retry, not a leak, not a crash.

import type { NoticeBody } from "@vaultbuddy/common";
import { expect, test } from "vitest";
import { Farewells } from "./farewell.ts";
import { Meters } from "./meters.ts";

const notice = (n: number): NoticeBody => ({
  taskArn:
    "arn:aws:ecs:us-east-1:123456789012:task/main/0123456789abcdef0123456789abcdef",
  cluster: "main",
  containerName: "app",
  containerId: `${n}`.padStart(64, "0"),
});
const answer = { status: 202, headers: {}, body: Buffer.alloc(0) };
const settle = (): Promise<void> =>
  new Promise((resolve) => setImmediate(resolve));

function farewells(
  post: (url: string) => Promise<typeof answer>,
  brokers = ["http://a", "http://b"],
): {
  sent: string[];
  all: Farewells;
} {
  const sent: string[] = [];
  const all = new Farewells({
    brokers,
    meters: new Meters(),
    post: (url) => {
      sent.push(url);
      return post(url);
    },
  });
  return { sent, all };
}

test("one broker is told, once, of a container that was announced", async () => {
  const { sent, all } = farewells(() => Promise.resolve(answer));
  all.remember(notice(1));
  all.say(notice(1).containerId);
  all.say(notice(1).containerId);
  all.say(notice(2).containerId);
  await settle();
  expect(sent).toEqual(["http://a/v1/stopped"]);
});

test("the next broker is told when the first is away, and nobody when all are", async () => {
  const { sent, all } = farewells(() => Promise.reject(new Error("away")));
  all.remember(notice(1));
  all.say(notice(1).containerId);
  await settle();
  expect(sent).toEqual(["http://a/v1/stopped", "http://b/v1/stopped"]);
});

test("no more than a few are under way", async () => {
  const { sent, all } = farewells(() => new Promise(() => undefined));
  for (let n = 0; n < 200; n += 1) {
    all.remember(notice(n));
    all.say(notice(n).containerId);
  }
  await settle();
  expect(sent).toHaveLength(64);
});
