// Docker's JSON into the port's values and back, and its two framings.

import { Readable } from "node:stream";
import { expect, test } from "vitest";
import { createOptions, engineEvent } from "./docker-shapes.ts";
import { frames, jsonLines } from "./docker-stream.ts";

test("a container's ports, mounts, limits and network are asked for in Docker's words", () => {
  const options = createOptions({
    name: "n",
    image: "i",
    labels: { a: "b" },
    env: { A: "1=2" },
    network: { kind: "shared", containerId: "c0ffee" },
    ports: [{ containerPort: 80, hostPort: 0, protocol: "tcp" }],
    mounts: [{ source: "/a", target: "/b", readOnly: true }],
    ulimits: [{ name: "nofile", soft: 1, hard: 2 }],
    memoryBytes: 1024,
    healthCheck: {
      command: ["CMD", "x"],
      intervalMs: 1000,
      timeoutMs: 2000,
      startPeriodMs: 0,
      retries: 3,
    },
  });
  expect(options).toMatchObject({
    Env: ["A=1=2"],
    ExposedPorts: { "80/tcp": {} },
    Healthcheck: {
      Test: ["CMD", "x"],
      Interval: 1e9,
      Timeout: 2e9,
      Retries: 3,
    },
    HostConfig: {
      NetworkMode: "container:c0ffee",
      PortBindings: { "80/tcp": [{ HostPort: "0" }] },
      Binds: ["/a:/b:ro"],
      Memory: 1024,
    },
  });
  // What is absent stays the image's own.
  expect(options).not.toHaveProperty("Cmd");
  expect(options).not.toHaveProperty("Entrypoint");
});

test.each([
  [
    { Type: "container", Action: "start", Actor: { ID: "a" } },
    { containerId: "a", kind: "start" },
  ],
  [
    { Type: "container", Action: "die", Actor: { ID: "a" } },
    { containerId: "a", kind: "exit" },
  ],
  [
    { Type: "container", Action: "health_status: healthy", Actor: { ID: "a" } },
    { containerId: "a", kind: "health", health: "HEALTHY" },
  ],
  [
    { Type: "container", Action: "exec_create: x", Actor: { ID: "a" } },
    undefined,
  ],
  [{ Action: "start" }, undefined],
  [null, undefined],
])("the event %j is %j", (line, event) => {
  expect(engineEvent(line)).toEqual(event);
});

test("a log's frames are joined in order, and one cut off is kept as far as it came", () => {
  const frame = (stream: number, text: string): Buffer => {
    const head = Buffer.alloc(8);
    head[0] = stream;
    head.writeUInt32BE(text.length, 4);
    return Buffer.concat([head, Buffer.from(text)]);
  };
  const raw = Buffer.concat([
    frame(1, "one\n"),
    frame(2, "two\n"),
    frame(1, "three"),
  ]);
  expect(Buffer.concat([...frames(raw)]).toString()).toBe("one\ntwo\nthree");
  expect(Buffer.concat([...frames(raw.subarray(0, -2))]).toString()).toBe(
    "one\ntwo\nthr",
  );
});

test("lines of JSON may be cut anywhere, also inside a character", async () => {
  const bytes = Buffer.from('{"a":"ü"}\n{"b":2}\n\n{"c"');
  const pieces = Array.from(bytes, (byte) => Buffer.from([byte]));
  const found: unknown[] = [];
  for await (const line of jsonLines(Readable.from(pieces))) found.push(line);
  expect(found).toEqual([{ a: "ü" }, { b: 2 }]);
});

test("a line without end is given up", async () => {
  const endless = Readable.from(
    Array.from({ length: 30 }, () => Buffer.alloc(65_536, "x")),
  );
  await expect(async () => {
    for await (const _ of jsonLines(endless)) expect(_).toBeUndefined();
  }).rejects.toThrow(/no end/);
});
