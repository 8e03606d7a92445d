// The door as a client without an SDK meets it: signatures, protocols, faults and the control port, byte by byte.

import { createHash, createHmac } from "node:crypto";
import { request as httpRequest } from "node:http";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { AwsStack } from "./handle.ts";
import { startAws } from "./server.ts";
import { systemClock } from "./clock.ts";

let stack: AwsStack;

beforeEach(async () => {
  stack = await startAws({ control: "127.0.0.1:0" });
});

afterEach(() => stack.close());

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

function send(
  url: string,
  method: string,
  headers: Record<string, string>,
  body: string,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      url,
      {
        method,
        headers: {
          ...headers,
          "content-length": String(Buffer.byteLength(body)),
        },
      },
      (response) => {
        let text = "";
        response.on(
          "data",
          (part: Buffer) => (text += part.toString("latin1")),
        );
        response.on("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text,
          }),
        );
        response.on("error", reject);
      },
    );
    request.on("error", reject);
    request.end(body);
  });
}

/** The headers of a request signed as an SDK would sign it. */
function signed(
  service: string,
  headers: Record<string, string>,
  body: string,
  at = Date.now(),
): Record<string, string> {
  const time = new Date(at).toISOString().replaceAll(/[-:]|\.\d+/g, "");
  const scope = `${time.slice(0, 8)}/${stack.region}/${service}/aws4_request`;
  const all: Record<string, string> = {
    ...headers,
    host: new URL(stack.endpoint).host,
    "x-amz-date": time,
  };
  const names = Object.keys(all).toSorted();
  const hash = (text: string): string =>
    createHash("sha256").update(text).digest("hex");
  const canonical = [
    "POST",
    "/",
    "",
    ...names.map((name) => `${name}:${all[name]}`),
    "",
    names.join(";"),
    hash(body),
  ];
  const toSign = [
    "AWS4-HMAC-SHA256",
    time,
    scope,
    hash(canonical.join("\n")),
  ].join("\n");
  let key: Uint8Array = Buffer.from(`AWS4${stack.secretAccessKey}`);
  for (const part of scope.split("/"))
    key = createHmac("sha256", key).update(part).digest();
  const signature = createHmac("sha256", key).update(toSign).digest("hex");
  const authorization = `AWS4-HMAC-SHA256 Credential=${stack.accessKeyId}/${scope}, SignedHeaders=${names.join(";")}, Signature=${signature}`;
  return { ...all, authorization };
}

const target = "AmazonEC2ContainerServiceV20141113";

function ecs(action: string, body: string, at?: number): Promise<Answer> {
  const headers = {
    "content-type": "application/x-amz-json-1.1",
    "x-amz-target": `${target}.${action}`,
  };
  return send(stack.endpoint, "POST", signed("ecs", headers, body, at), body);
}

function ec2(form: string): Promise<Answer> {
  return send(
    stack.endpoint,
    "POST",
    signed(
      "ec2",
      { "content-type": "application/x-www-form-urlencoded" },
      form,
    ),
    form,
  );
}

test("an answer has AWS's content type, a request id and the stand-in's date", async () => {
  const { status, headers, text } = await ecs("ListTasks", "{}");
  expect([status, JSON.parse(text)]).toEqual([200, { taskArns: [] }]);
  expect(headers["content-type"]).toBe("application/x-amz-json-1.1");
  expect(headers["x-amzn-requestid"]).toMatch(/^[0-9a-f-]{36}$/);
  expect(
    Math.abs(Date.parse(String(headers["date"])) - Date.now()),
  ).toBeLessThan(5_000);
});

test("an unsigned request is refused by both services, each in its own words", async () => {
  const json = {
    "content-type": "application/x-amz-json-1.1",
    "x-amz-target": `${target}.ListTasks`,
  };
  const one = await send(stack.endpoint, "POST", json, "{}");
  expect([one.status, JSON.parse(one.text)]).toEqual([
    400,
    {
      __type: "MissingAuthenticationTokenException",
      message: "Missing Authentication Token",
    },
  ]);
  const other = await send(
    stack.endpoint,
    "POST",
    { "content-type": "application/x-www-form-urlencoded" },
    "Action=DescribeInstances",
  );
  expect(other.status).toBe(403);
  expect(other.text).toContain("<Code>MissingAuthenticationToken</Code>");
});

test("a body that was changed on the way is refused", async () => {
  const headers = {
    "content-type": "application/x-amz-json-1.1",
    "x-amz-target": `${target}.ListTasks`,
  };
  const { text } = await send(
    stack.endpoint,
    "POST",
    signed("ecs", headers, "{}"),
    '{"cluster":"x"}',
  );
  expect(JSON.parse(text)).toMatchObject({
    __type: "InvalidSignatureException",
  });
});

test.each([
  ["no JSON", "{", "SerializationException"],
  ["JSON that is no object", "[]", "SerializationException"],
  ["a member of the wrong type", '{"cluster":7}', "SerializationException"],
  ["a list with a wrong member", '{"tasks":[1]}', "SerializationException"],
])("%s is refused", async (_, body, code) => {
  const { status, text } = await ecs("DescribeTasks", body);
  expect([status, JSON.parse(text)]).toMatchObject([400, { __type: code }]);
});

test("unknown actions, versions and paths are refused in the service's own shape", async () => {
  expect(JSON.parse((await ecs("DeleteEverything", "{}")).text)).toMatchObject({
    __type: "UnknownOperationException",
  });
  expect(
    (await ec2("Action=TerminateInstances&Version=2016-11-15")).text,
  ).toContain("<Code>InvalidAction</Code>");
  expect(
    (await ec2("Action=DescribeInstances&Version=2006-01-01")).text,
  ).toContain("<Code>NoSuchVersion</Code>");
  expect((await send(stack.endpoint, "GET", {}, "")).status).toBe(404);
});

test("a body over a mebibyte is refused without being kept", async () => {
  expect((await ecs("ListTasks", " ".repeat(1_100_000))).status).toBe(413);
});

test("EC2 answers XML with every value escaped", async () => {
  const { status, headers, text } = await ec2(
    "Action=DescribeInstances&Version=2016-11-15",
  );
  expect(status).toBe(200);
  expect(headers["content-type"]).toContain("text/xml");
  expect(text).toContain("<privateIpAddress>127.0.0.1</privateIpAddress>");
  const refused = await ec2(
    `Action=DescribeInstances&Version=2016-11-15&Filter.1.Name=${encodeURIComponent("<a&b>")}`,
  );
  expect(refused.text).toContain("&lt;a&amp;b&gt;");
});

test("EC2's throttling is a RequestLimitExceeded", async () => {
  stack.buckets.ec2Describe.reset({ burst: 0, refill: 0 });
  const { status, text } = await ec2(
    "Action=DescribeInstances&Version=2016-11-15",
  );
  expect(status).toBe(503);
  expect(text).toContain("<Code>RequestLimitExceeded</Code>");
});

test("faults look as they are named", async () => {
  const strike = async (
    kind: "html" | "truncated" | "huge",
  ): Promise<Answer> => {
    stack.faults.add({ action: "*", fault: { kind }, times: 1 });
    return ecs("ListTasks", "{}");
  };
  expect((await strike("html")).headers["content-type"]).toBe("text/html");
  const { text } = await strike("truncated");
  expect(() => JSON.parse(text) as unknown).toThrow();
  expect((await strike("huge")).text.length).toBeGreaterThan(64 * 1_048_576);
  expect((await ecs("ListTasks", "{}")).status).toBe(200);
  expect(stack.audit.list("ListTasks").map(({ status }) => status)).toEqual([
    200, 200, 200, 200,
  ]);
});

test("a hanging request is noted with status 0 and ended by closing the stack", async () => {
  stack.faults.add({ action: "ListTasks", fault: { kind: "hang" } });
  const hanging = ecs("ListTasks", "{}").then(
    () => "answered",
    () => "cut",
  );
  while (stack.audit.list().length === 0)
    await new Promise((resolve) => setImmediate(resolve));
  expect(stack.audit.list()[0]).toMatchObject({
    action: "ListTasks",
    status: 0,
  });
  await stack.close();
  expect(await hanging).toBe("cut");
});

test("a server whose clock is ahead says so in its Date, and refuses the signatures of those who are not", async () => {
  await stack.close();
  stack = await startAws({
    control: "127.0.0.1:0",
    clock: systemClock(600_000),
  });
  const late = await ecs("ListTasks", "{}");
  expect(JSON.parse(late.text)).toMatchObject({
    __type: "InvalidSignatureException",
  });
  const serverTime = Date.parse(String(late.headers["date"]));
  expect((await ecs("ListTasks", "{}", serverTime)).status).toBe(200);
});

test("an internal failure is a ServerException that tells nothing", async () => {
  const register = {
    family: "web",
    containerDefinitions: [{ name: "app", image: "a", memory: 64 }],
  };
  await ecs("RegisterTaskDefinition", JSON.stringify(register));
  // There is no engine behind this stack.
  const { status, text } = await ecs("RunTask", '{"taskDefinition":"web"}');
  expect([status, JSON.parse(text)]).toEqual([
    500,
    {
      __type: "ServerException",
      message: "Service Unavailable. Please try again later.",
    },
  ]);
});

test("the control port sets faults, delays, buckets, secrets and tasks, and shows the audit", async () => {
  const control = async (
    method: string,
    path: string,
    body: unknown = {},
  ): Promise<unknown> => {
    const { status, text } = await send(
      `${stack.controlUrl}${path}`,
      method,
      {},
      JSON.stringify(body),
    );
    if (status !== 200) throw new Error(`${status} ${text}`);
    return JSON.parse(text);
  };
  await control("POST", "/faults", {
    action: "ListTasks",
    fault: { kind: "throttled" },
    times: 1,
  });
  expect(JSON.parse((await ecs("ListTasks", "{}")).text)).toMatchObject({
    __type: "ThrottlingException",
  });
  expect(await control("PATCH", "/delays", { batchMs: 12_000 })).toMatchObject({
    batchMs: 12_000,
  });
  expect(stack.delays.batchMs).toBe(12_000);
  await control("PUT", "/secrets", { "/a": "b" });
  expect(stack.secrets.get("/a")).toBe("b");
  await control("PUT", "/buckets", { resourceRead: { burst: 7, refill: 0 } });
  expect(stack.buckets.resourceRead.level).toBe(7);
  const task = {
    containers: [
      {
        name: "web",
        networkBindings: [{ containerPort: 80, hostPort: 32_768 }],
      },
    ],
    startedAt: 1.5,
  };
  expect(await control("POST", "/tasks", task)).toMatchObject({
    startedAt: 1.5,
    containers: [
      {
        name: "web",
        lastStatus: "RUNNING",
        networkBindings: [{ bindIP: "0.0.0.0", hostPort: 32_768 }],
      },
    ],
  });
  const [taskArn = ""] = (
    JSON.parse((await ecs("ListTasks", "{}")).text) as { taskArns: string[] }
  ).taskArns;
  expect(
    await control("PATCH", "/tasks", { taskArn, lastStatus: "PENDING" }),
  ).toMatchObject({ lastStatus: "PENDING" });
  await control("DELETE", `/tasks?taskArn=${encodeURIComponent(taskArn)}`);
  expect(JSON.parse((await ecs("ListTasks", "{}")).text)).toEqual({
    taskArns: [],
  });
  expect(await control("GET", "/audit?action=ListTasks")).toHaveLength(3);
});

test.each([
  ["POST", "/faults", { fault: { kind: "fire" } }, 400],
  ["PATCH", "/delays", { nosuchMs: 1 }, 400],
  ["PUT", "/buckets", { resourceRead: 7 }, 400],
  ["PATCH", "/tasks", {}, 400],
  ["PATCH", "/tasks", { taskArn: "unknown" }, 404],
  ["GET", "/nothing", {}, 404],
])(
  "the control port refuses %s %s with %j",
  async (method, path, body, status) => {
    expect(
      (
        await send(
          `${stack.controlUrl}${path}`,
          method,
          {},
          JSON.stringify(body),
        )
      ).status,
    ).toBe(status);
  },
);

test("the control port listens on loopback only", async () => {
  await expect(startAws({ control: "0.0.0.0:0" })).rejects.toThrow(/loopback/);
});
