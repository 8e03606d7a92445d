import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { ManualClock } from "@vaultbuddy/common/testing";
import { afterEach, expect, test } from "vitest";
import { askSelf } from "./metadata.ts";
import { FakeLog, TASK } from "./testing.ts";

const closing: (() => void)[] = [];
afterEach(() => closing.splice(0).forEach((close) => close()));

/** An endpoint that answers each path with the next of its documents, and the last one from then on. */
async function endpoint(documents: Record<string, readonly unknown[]>) {
  const asked: string[] = [];
  const left = new Map(
    Object.entries(documents).map(([path, list]) => [path, [...list]]),
  );
  const server = createServer(({ url = "" }, response) => {
    asked.push(url);
    const list = left.get(url) ?? [];
    const document = list.length > 1 ? list.shift() : list[0];
    response.statusCode = document === undefined ? 404 : 200;
    response.end(
      typeof document === "string" ? document : JSON.stringify(document),
    );
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { uri: `http://127.0.0.1:${port}/v4/x`, asked };
}

const container = { Name: "web", DockerId: "id", Labels: { a: "b" } };
const task = { TaskARN: TASK, Cluster: "c" };
const ask = (
  known: Parameters<typeof askSelf>[0],
  uri: string | undefined,
  clock = new ManualClock(),
) => {
  const stop = new AbortController();
  return {
    clock,
    stop,
    self: askSelf(known, uri, clock, new FakeLog(), stop.signal),
  };
};

test("who it is comes from the endpoint, and what is set wins", async () => {
  const { uri } = await endpoint({
    "/v4/x": [container],
    "/v4/x/task": [task],
  });
  expect(await ask({}, uri).self).toEqual({
    taskArn: TASK,
    containerName: "web",
    containerId: "id",
  });
  expect(await ask({ containerName: "other" }, uri).self).toMatchObject({
    containerName: "other",
    containerId: "id",
  });
});

test("only what is not known is asked for", async () => {
  const { uri, asked } = await endpoint({ "/v4/x": [container] });
  expect(
    await ask({ taskArn: TASK, containerName: "web", containerId: "own" }, uri)
      .self,
  ).toMatchObject({ containerId: "own" });
  expect(asked).toEqual([]);
  expect(
    await ask({ taskArn: TASK, containerName: "web" }, uri).self,
  ).toMatchObject({ containerId: "id" });
  expect(asked).toEqual(["/v4/x"]);
  expect(
    await ask({ taskArn: TASK, containerName: "web" }, undefined).self,
  ).toEqual({ taskArn: TASK, containerName: "web" });
});

test("an endpoint that does not know the container yet is asked again", async () => {
  const { uri } = await endpoint({
    "/v4/x": ["<html>", { Name: "a b", DockerId: "id" }, container],
    "/v4/x/task": [task],
  });
  const { clock, self } = ask({}, uri);
  let known = false;
  void self.then(() => (known = true));
  while (!known) {
    await clock.advance(1000);
  }
  expect(await self).toMatchObject({ containerName: "web" });
});

test("an endpoint that never answers as it should ends with the time", async () => {
  const { uri } = await endpoint({
    "/v4/x": [container],
    "/v4/x/task": [{ TaskARN: "no ARN" }],
  });
  const { clock, stop, self } = ask({}, uri);
  const outcome = expect(self).rejects.toMatchObject({
    exit: "identity",
    message: expect.stringContaining("TaskARN") as unknown,
  });
  while (clock.sleeping === 0) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  stop.abort(new Error("over"));
  await outcome;
});
