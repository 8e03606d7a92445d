import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { systemClock } from "@vaultbuddy/common";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { openAws } from "./aws.ts";
import type { AwsCalls } from "./aws.ts";
import { AwsFault } from "./fault.ts";

const CLUSTER = "arn:aws:ecs:eu-west-1:123456789012:cluster/prod";
const TASK = `arn:aws:ecs:eu-west-1:123456789012:task/prod/${"a".repeat(32)}`;

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

interface Seen {
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

let server: Server;
let handler: Handler;
let seen: Seen[];
let calls: AwsCalls | undefined;

beforeEach(async () => {
  seen = [];
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks).toString();
      seen.push({ headers: request.headers, body });
      handler(request, response);
    });
  });
  await new Promise<void>((resolve) =>
    server.listen(0, "127.0.0.1", () => resolve()),
  );
  const { port } = server.address() as AddressInfo;
  vi.stubEnv("AWS_ENDPOINT_URL", `http://127.0.0.1:${port}`);
  vi.stubEnv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "marked-secret-key");
  vi.stubEnv("AWS_EC2_METADATA_DISABLED", "true");
  vi.stubEnv("AWS_CONFIG_FILE", "/nonexistent");
  vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent");
  // A proxy that is set must not be used: nothing listens there.
  vi.stubEnv("HTTP_PROXY", "http://127.0.0.1:1");
});

afterEach(async () => {
  await calls?.close();
  calls = undefined;
  vi.unstubAllEnvs();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

function open(timeout = 5000): AwsCalls {
  calls = openAws("eu-west-1", timeout, systemClock);
  return calls;
}

function answer(
  status: number,
  body: string | Buffer,
  headers: Record<string, string> = {},
): Handler {
  return (_, response) => {
    response.writeHead(status, {
      "content-type": "application/x-amz-json-1.1",
      ...headers,
    });
    response.end(body);
  };
}

const json = (value: unknown, status = 200): Handler =>
  answer(status, JSON.stringify(value));

async function faultOf(work: Promise<unknown>): Promise<AwsFault> {
  try {
    await work;
  } catch (error) {
    expect(error).toBeInstanceOf(AwsFault);
    if (error instanceof AwsFault) {
      return error;
    }
  }
  throw new Error("the call succeeded");
}

describe("a good answer", () => {
  test("comes as raw JSON, members the SDK does not know included, with ECS's own time", async () => {
    const body = {
      tasks: [{ taskArn: TASK, overrides: { brandNew: "x" }, createdAt: 1.5 }],
      failures: [],
    };
    handler = answer(200, JSON.stringify(body), {
      date: "Tue, 01 Jan 2030 00:00:07 GMT",
    });
    expect(await open().describeTasks(CLUSTER, [TASK])).toEqual({
      body,
      date: Date.UTC(2030, 0, 1, 0, 0, 7),
    });
    expect(JSON.parse(seen[0]?.body ?? "")).toEqual({
      cluster: CLUSTER,
      tasks: [TASK],
    });
    expect(seen[0]?.headers["x-amz-target"]).toBe(
      "AmazonEC2ContainerServiceV20141113.DescribeTasks",
    );
    expect(seen[0]?.headers.authorization).toMatch(
      /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/\d{8}\/eu-west-1\/ecs\/aws4_request/,
    );
  });

  test("of an endpoint that is named for ECS alone", async () => {
    vi.stubEnv("AWS_ENDPOINT_URL_ECS", process.env["AWS_ENDPOINT_URL"]);
    vi.stubEnv("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    handler = json({ tasks: [] });
    const aws = open();
    const { body } = await aws.describeTasks(CLUSTER, [TASK]);
    expect(body).toEqual({ tasks: [] });
    const fault = await faultOf(aws.describeInstances(["i-00000000"]));
    expect(fault.kind).toBe("unreachable");
  });

  test("of the other calls", async () => {
    handler = json({ taskDefinition: { family: "web" } });
    const aws = open();
    const definition = await aws.describeTaskDefinition("web:1");
    expect(definition.body).toEqual({ taskDefinition: { family: "web" } });
    handler = json({ containerInstances: [] });
    const { body } = await aws.describeContainerInstances(CLUSTER, ["x"]);
    expect(body).toEqual({ containerInstances: [] });
  });

  test("of EC2", async () => {
    handler = answer(
      200,
      `<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r</requestId>
        <reservationSet><item><instancesSet><item><instanceId>i-0123456789abcdef0</instanceId>
        <privateIpAddress>10.0.0.9</privateIpAddress></item></instancesSet></item></reservationSet>
      </DescribeInstancesResponse>`,
      { "content-type": "text/xml" },
    );
    expect(
      await open().describeInstances(["i-0123456789abcdef0"]),
    ).toMatchObject({
      Reservations: [
        {
          Instances: [
            {
              InstanceId: "i-0123456789abcdef0",
              PrivateIpAddress: "10.0.0.9",
            },
          ],
        },
      ],
    });
    expect(seen[0]?.body).toContain("InstanceId.1=i-0123456789abcdef0");
  });
});

describe("a bad answer", () => {
  const html = "<html><title>marked upstream text</title></html>";
  const table: [string, Handler, string][] = [
    ["HTML", answer(200, html), "malformed"],
    ["HTML with a 403", answer(403, html), "malformed"],
    ["HTML with a 502", answer(502, html), "server"],
    ["nothing", answer(200, ""), "malformed"],
    ["half of it", answer(200, '{"tasks":[{"taskArn":'), "malformed"],
    [
      "bytes that are not UTF-8",
      answer(200, Buffer.from([0x22, 0xff, 0x22])),
      "malformed",
    ],
    [
      "a redirect",
      answer(302, "", { location: "http://127.0.0.1:1/" }),
      "malformed",
    ],
    [
      "no Date",
      (_, response) => {
        response.sendDate = false;
        response.end("{}");
      },
      "malformed",
    ],
    [
      "a Date that is none",
      answer(200, "{}", { date: "yesterday" }),
      "malformed",
    ],
    [
      "more than is read",
      (_, response) => {
        response.write('{"tasks":[],"x":"');
        const chunk = Buffer.alloc(1024 * 1024, "x");
        let left = 12;
        const more = (): void => {
          while (left > 0) {
            left -= 1;
            if (!response.write(chunk)) {
              response.once("drain", more);
              return;
            }
          }
          response.end('"}');
        };
        more();
      },
      "malformed",
    ],
    [
      "a broken connection",
      (request) => request.socket.destroy(),
      "unreachable",
    ],
    [
      "a connection broken in the middle",
      (request, response) => {
        response.writeHead(200, { "content-length": "1000" });
        response.write('{"tasks":[');
        setImmediate(() => request.socket.destroy());
      },
      "unreachable",
    ],
    [
      "throttling",
      json({ __type: "ThrottlingException", message: "Rate exceeded" }, 400),
      "throttled",
    ],
    ["throttling by status", json({ message: "slow down" }, 429), "throttled"],
    [
      "a refusal",
      json(
        { __type: "AccessDeniedException", message: "marked upstream text" },
        400,
      ),
      "denied",
    ],
    [
      "bad credentials",
      json({ __type: "UnrecognizedClientException", message: "x" }, 400),
      "credentials",
    ],
    [
      "an expired token",
      json({ __type: "ExpiredTokenException", message: "x" }, 400),
      "credentials",
    ],
    [
      "no such cluster",
      json({ __type: "ClusterNotFoundException", message: "x" }, 400),
      "no_cluster",
    ],
    [
      "an invalid parameter",
      json({ __type: "InvalidParameterException", message: "x" }, 400),
      "invalid",
    ],
    [
      "a failure of the server",
      json({ __type: "ServerException", message: "x" }, 500),
      "server",
    ],
  ];

  test.each(table)("%s", async (_, how, kind) => {
    handler = how;
    const fault = await faultOf(open().describeTasks(CLUSTER, [TASK]));
    expect(fault.kind).toBe(kind);
    const told = `${fault.message} ${fault.code} ${String(fault.stack)}`;
    expect(told).not.toContain("marked");
    expect(seen).toHaveLength(1);
  });

  test("no answer at all ends with the timeout", async () => {
    handler = () => undefined;
    const fault = await faultOf(open(200).describeTasks(CLUSTER, [TASK]));
    expect(fault.kind).toBe("timeout");
  });

  test("an answer that never ends ends with the timeout", async () => {
    handler = (_, response) => {
      response.write("{");
    };
    const fault = await faultOf(open(200).describeTasks(CLUSTER, [TASK]));
    expect(fault.kind).toBe("timeout");
  });

  test("nobody there", async () => {
    vi.stubEnv("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    const fault = await faultOf(open().describeTasks(CLUSTER, [TASK]));
    expect(fault.kind).toBe("unreachable");
  });

  test("no credentials", async () => {
    vi.stubEnv("AWS_ACCESS_KEY_ID", undefined);
    vi.stubEnv("AWS_SECRET_ACCESS_KEY", undefined);
    const fault = await faultOf(open().describeTasks(CLUSTER, [TASK]));
    expect(fault.kind).toBe("credentials");
    expect(seen).toEqual([]);
  });

  test("an instance EC2 does not know", async () => {
    handler = answer(
      400,
      "<Response><Errors><Error><Code>InvalidInstanceID.NotFound</Code><Message>x</Message></Error></Errors><RequestID>r</RequestID></Response>",
      { "content-type": "text/xml" },
    );
    const fault = await faultOf(open().describeInstances(["i-00000000"]));
    expect([fault.kind, fault.code]).toEqual([
      "invalid",
      "InvalidInstanceID.NotFound",
    ]);
  });

  test.each([
    ["throttling of EC2", 503, "RequestLimitExceeded", "throttled"],
    ["a refusal of EC2", 403, "UnauthorizedOperation", "denied"],
  ])("%s", async (_, status, code, kind) => {
    handler = answer(
      status,
      `<Response><Errors><Error><Code>${code}</Code><Message>x</Message></Error></Errors><RequestID>r</RequestID></Response>`,
      { "content-type": "text/xml" },
    );
    const fault = await faultOf(open().describeInstances(["i-00000000"]));
    expect(fault.kind).toBe(kind);
  });

  test("closing gives up what is under way", async () => {
    let arrived = (): void => undefined;
    const started = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    handler = () => arrived();
    const opened = open();
    const failed = faultOf(opened.describeTasks(CLUSTER, [TASK]));
    await started;
    await opened.close();
    expect((await failed).kind).toBe("closed");
  });
});
