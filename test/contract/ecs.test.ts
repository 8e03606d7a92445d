// What ECS and EC2 do that the daemons rely on, asked with AWS's own clients. Runs against the stand-in, or against the
// endpoint that AWS_ENDPOINT_URL names (with AWS_REGION and credentials as usual, and ECS_CONTRACT_CLUSTER for a cluster
// that has a container instance); what needs the stand-in's hands or its containers is left out there, and said.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  DescribeInstancesCommand,
  EC2Client,
  type EC2ServiceException,
} from "@aws-sdk/client-ec2";
import {
  CreateClusterCommand,
  DescribeClustersCommand,
  DescribeContainerInstancesCommand,
  DescribeTaskDefinitionCommand,
  DescribeTasksCommand,
  ECSClient,
  type ECSServiceException,
  ListTasksCommand,
  RegisterTaskDefinitionCommand,
  type RegisterTaskDefinitionCommandInput,
  RunTaskCommand,
  StopTaskCommand,
} from "@aws-sdk/client-ecs";
import type { AwsStack } from "../../packages/devstack/src/ecs/handle.ts";
import { startAws } from "../../packages/devstack/src/ecs/server.ts";

const elsewhere = process.env["AWS_ENDPOINT_URL"];
const unknownId = "0123456789abcdef0123456789abcdef";

let stack: AwsStack | undefined;
let ecs: ECSClient;
let ec2: EC2Client;
let cluster = process.env["ECS_CONTRACT_CLUSTER"] ?? "default";

beforeAll(async () => {
  if (elsewhere === undefined) {
    stack = await startAws({
      clusters: ["contract", "other"],
      rates: { resourceRead: { burst: 10_000, refill: 1 } },
    });
    cluster = "contract";
  }
  ecs = new ECSClient(clientConfig());
  ec2 = new EC2Client(clientConfig());
});

afterAll(async () => {
  ecs.destroy();
  ec2.destroy();
  await stack?.close();
});

/** Nothing for another endpoint: the SDK then reads its own settings. Errors are wanted as they come: one attempt. */
function clientConfig(): {
  maxAttempts: number;
  endpoint?: string;
  region?: string;
  credentials?: { accessKeyId: string; secretAccessKey: string };
} {
  if (stack === undefined) return { maxAttempts: 1 };
  const { endpoint, region, accessKeyId, secretAccessKey } = stack;
  return {
    endpoint,
    region,
    credentials: { accessKeyId, secretAccessKey },
    maxAttempts: 1,
  };
}

function standIn(): AwsStack {
  if (stack === undefined)
    throw new Error("this test is for the stand-in only");
  return stack;
}

/** What a call was refused with. */
async function refusal(
  call: Promise<unknown>,
): Promise<{ name: string; message: string; status: number | undefined }> {
  try {
    await call;
  } catch (error) {
    const { name, message, $metadata } = error as
      ECSServiceException | EC2ServiceException;
    return { name, message, status: $metadata.httpStatusCode };
  }
  throw new Error("the call was not refused");
}

function definition(
  more: Partial<RegisterTaskDefinitionCommandInput> = {},
): RegisterTaskDefinitionCommandInput {
  return {
    family: "contract",
    containerDefinitions: [
      {
        name: "app",
        image: "nothing/there",
        memory: 64,
        dockerLabels: { "vaultbuddy.enable": "true" },
      },
    ],
    ...more,
  };
}

describe("clusters", () => {
  test("a cluster is described by name and by ARN, and one that isn't there is MISSING", async () => {
    const { clusters = [] } = await ecs.send(
      new DescribeClustersCommand({ clusters: [cluster] }),
    );
    expect(clusters[0]).toMatchObject({
      clusterName: cluster,
      status: "ACTIVE",
    });
    const again = await ecs.send(
      new DescribeClustersCommand({
        clusters: [clusters[0]?.clusterArn ?? "", "no-such-cluster"],
      }),
    );
    expect(again.clusters?.[0]?.clusterName).toBe(cluster);
    expect(again.failures).toMatchObject([{ reason: "MISSING" }]);
  });

  test("a task is looked for in an unknown cluster in vain", async () => {
    const call = ecs.send(
      new DescribeTasksCommand({
        cluster: "no-such-cluster",
        tasks: [unknownId],
      }),
    );
    expect(await refusal(call)).toMatchObject({
      name: "ClusterNotFoundException",
      status: 400,
      message: "Cluster not found.",
    });
  });
});

describe("task definitions", () => {
  test("each registration is a new revision, found by family, family:revision and ARN", async () => {
    const first = (
      await ecs.send(new RegisterTaskDefinitionCommand(definition()))
    ).taskDefinition;
    const second = (
      await ecs.send(new RegisterTaskDefinitionCommand(definition()))
    ).taskDefinition;
    expect(second?.revision).toBe((first?.revision ?? 0) + 1);
    const find = async (taskDefinition: string): Promise<number | undefined> =>
      (await ecs.send(new DescribeTaskDefinitionCommand({ taskDefinition })))
        .taskDefinition?.revision;
    expect(await find("contract")).toBe(second?.revision);
    expect(await find(`contract:${first?.revision}`)).toBe(first?.revision);
    expect(await find(first?.taskDefinitionArn ?? "")).toBe(first?.revision);
  });

  test("labels, defaults and members nobody here acts on come back", async () => {
    const containerDefinitions = [
      {
        name: "app",
        image: "a",
        memory: 64,
        dockerLabels: { a: "b" },
        portMappings: [{ containerPort: 80 }],
        dnsServers: ["10.0.0.2"],
      },
    ];
    const { taskDefinition } = await ecs.send(
      new RegisterTaskDefinitionCommand(definition({ containerDefinitions })),
    );
    expect(taskDefinition).toMatchObject({
      status: "ACTIVE",
      networkMode: "bridge",
    });
    expect(taskDefinition?.containerDefinitions?.[0]).toMatchObject({
      essential: true,
      dockerLabels: { a: "b" },
      dnsServers: ["10.0.0.2"],
      portMappings: [{ containerPort: 80, hostPort: 0, protocol: "tcp" }],
    });
  });

  test("an unknown definition can't be described", async () => {
    const call = ecs.send(
      new DescribeTaskDefinitionCommand({ taskDefinition: "no-such-family" }),
    );
    expect(await refusal(call)).toMatchObject({
      name: "ClientException",
      message: "Unable to describe task definition.",
    });
  });

  const app = { name: "app", image: "a", memory: 64 };
  test.each<[string, Partial<RegisterTaskDefinitionCommandInput>]>([
    ["a family with a space", { family: "a b" }],
    ["no container", { containerDefinitions: [] }],
    ["no image", { containerDefinitions: [{ name: "app", memory: 64 }] }],
    ["no memory", { containerDefinitions: [{ name: "app", image: "a" }] }],
    ["two containers of one name", { containerDefinitions: [app, app] }],
    [
      "no essential container",
      { containerDefinitions: [{ ...app, essential: false }] },
    ],
    [
      "a host port of its own under awsvpc",
      {
        networkMode: "awsvpc",
        containerDefinitions: [
          { ...app, portMappings: [{ containerPort: 80, hostPort: 81 }] },
        ],
      },
    ],
    [
      "a dependency on nobody",
      {
        containerDefinitions: [
          { ...app, dependsOn: [{ containerName: "b", condition: "START" }] },
        ],
      },
    ],
    [
      "HEALTHY of a container without health check",
      {
        containerDefinitions: [
          { ...app, dependsOn: [{ containerName: "b", condition: "HEALTHY" }] },
          { ...app, name: "b" },
        ],
      },
    ],
    [
      "a circle of dependencies",
      {
        containerDefinitions: [
          { ...app, dependsOn: [{ containerName: "b", condition: "START" }] },
          {
            ...app,
            name: "b",
            dependsOn: [{ containerName: "app", condition: "START" }],
          },
        ],
      },
    ],
    [
      "an unknown volume",
      {
        containerDefinitions: [
          { ...app, mountPoints: [{ sourceVolume: "v", containerPath: "/v" }] },
        ],
      },
    ],
    [
      "a secret with the name of a variable",
      {
        containerDefinitions: [
          {
            ...app,
            environment: [{ name: "A", value: "1" }],
            secrets: [{ name: "A", valueFrom: "/a" }],
          },
        ],
      },
    ],
  ])("%s is refused", async (_, fault) => {
    const call = ecs.send(new RegisterTaskDefinitionCommand(definition(fault)));
    expect(await refusal(call)).toMatchObject({
      name: "ClientException",
      status: 400,
    });
  });
});

describe("DescribeTasks", () => {
  test("an unknown task is MISSING, by its full ARN, however it was named", async () => {
    const { tasks, failures } = await ecs.send(
      new DescribeTasksCommand({ cluster, tasks: [unknownId] }),
    );
    expect(tasks).toEqual([]);
    expect(failures).toHaveLength(1);
    expect(failures?.[0]?.reason).toBe("MISSING");
    expect(failures?.[0]?.arn).toMatch(
      new RegExp(
        `^arn:aws[^:]*:ecs:[^:]+:\\d{12}:task/(${cluster}/)?${unknownId}$`,
      ),
    );
  });

  test("an ARN that names another cluster than the request is refused", async () => {
    const { failures } = await ecs.send(
      new DescribeTasksCommand({ cluster, tasks: [unknownId] }),
    );
    const arn =
      failures?.[0]?.arn?.replace(
        `${cluster}/${unknownId}`,
        `elsewhere/${unknownId}`,
      ) ?? "";
    expect(
      await refusal(
        ecs.send(new DescribeTasksCommand({ cluster, tasks: [arn] })),
      ),
    ).toEqual({
      name: "InvalidParameterException",
      message: `Invalid identifier: Identifier is for cluster elsewhere. Your cluster is ${cluster}`,
      status: 400,
    });
  });

  test("a hundred and one tasks are one too many", async () => {
    const ids = Array.from({ length: 101 }, (_, index) =>
      index.toString(16).padStart(32, "0"),
    );
    expect(
      await refusal(
        ecs.send(new DescribeTasksCommand({ cluster, tasks: ids })),
      ),
    ).toMatchObject({
      name: "InvalidParameterException",
      message: "taskIds can have at most 100 items.",
    });
    const { failures } = await ecs.send(
      new DescribeTasksCommand({ cluster, tasks: ids.slice(1) }),
    );
    expect(failures).toHaveLength(100);
  });

  test.each([
    ["no task", []],
    ["an id that is none", ["None"]],
    ["an ARN cut off", ["arn:aws:ecs"]],
  ])("%s is refused", async (_, tasks) => {
    const call = ecs.send(new DescribeTasksCommand({ cluster, tasks }));
    expect(await refusal(call)).toMatchObject({
      name: "InvalidParameterException",
      status: 400,
    });
  });
});

describe("instances", () => {
  test("an unknown container instance is MISSING, an unknown EC2 instance is an error", async () => {
    const call = new DescribeContainerInstancesCommand({
      cluster,
      containerInstances: [unknownId],
    });
    expect((await ecs.send(call)).failures).toMatchObject([
      { reason: "MISSING" },
    ]);
    const unknown = ec2.send(
      new DescribeInstancesCommand({ InstanceIds: ["i-0123456789abcdef0"] }),
    );
    expect(await refusal(unknown)).toMatchObject({
      name: "InvalidInstanceID.NotFound",
      status: 400,
    });
    const malformed = ec2.send(
      new DescribeInstancesCommand({ InstanceIds: ["x"] }),
    );
    expect(await refusal(malformed)).toMatchObject({
      name: "InvalidInstanceID.Malformed",
    });
  });
});

describe("RunTask and StopTask refuse", () => {
  test("an unknown definition", async () => {
    const call = ecs.send(
      new RunTaskCommand({ cluster, taskDefinition: "no-such-family" }),
    );
    expect(await refusal(call)).toMatchObject({ name: "ClientException" });
  });

  test("awsvpc without a network configuration, and bridge with one", async () => {
    await ecs.send(
      new RegisterTaskDefinitionCommand(
        definition({ family: "contract-vpc", networkMode: "awsvpc" }),
      ),
    );
    await ecs.send(
      new RegisterTaskDefinitionCommand(
        definition({ family: "contract-bridge" }),
      ),
    );
    const networkConfiguration = {
      awsvpcConfiguration: { subnets: ["subnet-0123456789abcdef0"] },
    };
    const vpc = ecs.send(
      new RunTaskCommand({ cluster, taskDefinition: "contract-vpc" }),
    );
    expect((await refusal(vpc)).message).toBe(
      "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
    );
    const bridge = ecs.send(
      new RunTaskCommand({
        cluster,
        taskDefinition: "contract-bridge",
        networkConfiguration,
      }),
    );
    expect((await refusal(bridge)).message).toBe(
      "Network Configuration is not valid for the given networkMode of this task definition.",
    );
  });

  test("an override for a container that the definition has not", async () => {
    await ecs.send(new RegisterTaskDefinitionCommand(definition()));
    const overrides = {
      containerOverrides: [{ name: "other", command: ["env"] }],
    };
    const call = ecs.send(
      new RunTaskCommand({ cluster, taskDefinition: "contract", overrides }),
    );
    expect(await refusal(call)).toMatchObject({
      name: "InvalidParameterException",
    });
  });

  test("a group that looks like a service's", async () => {
    await ecs.send(new RegisterTaskDefinitionCommand(definition()));
    const call = ecs.send(
      new RunTaskCommand({
        cluster,
        taskDefinition: "contract",
        group: "service:web",
      }),
    );
    expect(await refusal(call)).toMatchObject({
      name: "InvalidParameterException",
    });
  });

  test("an unknown task", async () => {
    const call = ecs.send(new StopTaskCommand({ cluster, task: unknownId }));
    expect(await refusal(call)).toMatchObject({
      name: "InvalidParameterException",
      message: "The referenced task was not found.",
    });
  });
});

describe("credentials", () => {
  test("a request signed with another secret is refused by both services", async () => {
    const credentials = {
      accessKeyId: stack?.accessKeyId ?? "AKIAIOSFODNN7EXAMPLE",
      secretAccessKey: "x".repeat(40),
    };
    const config = { ...clientConfig(), credentials };
    const otherEcs = new ECSClient(config);
    const otherEc2 = new EC2Client(config);
    const names = ["InvalidSignatureException", "UnrecognizedClientException"];
    expect(names).toContain(
      (await refusal(otherEcs.send(new ListTasksCommand({ cluster })))).name,
    );
    expect(["SignatureDoesNotMatch", "AuthFailure"]).toContain(
      (await refusal(otherEc2.send(new DescribeInstancesCommand({})))).name,
    );
  });
});

// Made-up tasks, faults and rates are the stand-in's alone.
describe.skipIf(elsewhere !== undefined)("the stand-in", () => {
  test("answers a made-up task as ECS would", async () => {
    const { taskArn } = standIn().putTask({
      cluster,
      startedAt: 1_700_000_000.25,
      family: "web",
      containers: [{ name: "app" }],
    });
    const { tasks } = await ecs.send(
      new DescribeTasksCommand({ cluster, tasks: [taskArn] }),
    );
    expect(tasks?.[0]).toMatchObject({
      taskArn,
      lastStatus: "RUNNING",
      group: "family:web",
      launchType: "EC2",
    });
    expect(tasks?.[0]?.startedAt?.getTime()).toBe(1_700_000_000_250);
    expect(tasks?.[0]?.overrides?.containerOverrides).toEqual([
      { name: "app" },
    ]);
  });

  test("keeps a task to its own cluster", async () => {
    const { taskArn } = standIn().putTask({ cluster });
    const id = taskArn.split("/").at(-1) ?? "";
    const { failures } = await ecs.send(
      new DescribeTasksCommand({ cluster: "other", tasks: [id] }),
    );
    expect(failures?.[0]?.reason).toBe("MISSING");
  });

  test("lists tasks by family, starter and state, in pages", async () => {
    for (let count = 0; count < 5; count += 1)
      standIn().putTask({ cluster, family: "paged", startedBy: "pager" });
    standIn().putTask({
      cluster,
      family: "paged",
      desiredStatus: "STOPPED",
      lastStatus: "STOPPED",
    });
    const first = await ecs.send(
      new ListTasksCommand({ cluster, family: "paged", maxResults: 3 }),
    );
    expect(first.taskArns).toHaveLength(3);
    const rest = await ecs.send(
      new ListTasksCommand({
        cluster,
        family: "paged",
        maxResults: 3,
        nextToken: first.nextToken,
      }),
    );
    expect(rest.taskArns).toHaveLength(2);
    expect(rest.nextToken).toBeUndefined();
    expect(
      (await ecs.send(new ListTasksCommand({ cluster, startedBy: "pager" })))
        .taskArns,
    ).toHaveLength(5);
    expect(
      (
        await ecs.send(
          new ListTasksCommand({
            cluster,
            family: "paged",
            desiredStatus: "STOPPED",
          }),
        )
      ).taskArns,
    ).toHaveLength(1);
  });

  test("leads from a task to its machine's address", async () => {
    const { containerInstanceArn = "" } = standIn().putTask({ cluster });
    const call = new DescribeContainerInstancesCommand({
      cluster,
      containerInstances: [containerInstanceArn],
    });
    const { containerInstances = [] } = await ecs.send(call);
    const { Reservations = [] } = await ec2.send(
      new DescribeInstancesCommand({
        InstanceIds: [containerInstances[0]?.ec2InstanceId ?? ""],
      }),
    );
    expect(Reservations[0]?.Instances?.[0]).toMatchObject({
      PrivateIpAddress: standIn().hostAddress,
      State: { Name: "running" },
    });
  });

  test("throttles at the bucket's burst, and says so as AWS does", async () => {
    standIn().buckets.resourceRead.reset({ burst: 2, refill: 0 });
    const call = (): Promise<unknown> =>
      ecs.send(new ListTasksCommand({ cluster }));
    await call();
    await call();
    expect(await refusal(call())).toEqual({
      name: "ThrottlingException",
      message: "Rate exceeded",
      status: 400,
    });
    standIn().buckets.resourceRead.reset({ burst: 10_000, refill: 1 });
  });

  test("makes a cluster that is asked for, once", async () => {
    const create = new CreateClusterCommand({ clusterName: "made" });
    const [first, second] = [await ecs.send(create), await ecs.send(create)];
    expect(first.cluster?.clusterArn).toBe(second.cluster?.clusterArn);
  });

  test.each(["throttled", "error500", "html", "truncated", "reset"] as const)(
    "does the fault %s once and is well again",
    async (kind) => {
      standIn().faults.add({ action: "ListTasks", fault: { kind }, times: 1 });
      await refusal(ecs.send(new ListTasksCommand({ cluster })));
      expect(
        (await ecs.send(new ListTasksCommand({ cluster }))).taskArns,
      ).toBeDefined();
    },
  );

  test("hangs when it is told to, until the client gives up", async () => {
    standIn().faults.add({
      action: "ListTasks",
      fault: { kind: "hang" },
      times: 1,
    });
    const gaveUp = ecs.send(new ListTasksCommand({ cluster }), {
      abortSignal: AbortSignal.timeout(100),
    });
    await expect(gaveUp).rejects.toThrow();
  });

  test("refuses an action to whom it is told to refuse it", async () => {
    const fault = {
      kind: "error",
      code: "AccessDeniedException",
      message: "not authorized",
    } as const;
    standIn().faults.add({ action: "DescribeInstances", fault, times: 1 });
    expect(
      (await refusal(ec2.send(new DescribeInstancesCommand({})))).name,
    ).toBe("UnauthorizedOperation");
  });

  test("notes what it was asked", async () => {
    standIn().audit.clear();
    await ecs.send(new DescribeTasksCommand({ cluster, tasks: [unknownId] }));
    await ec2.send(new DescribeInstancesCommand({}));
    expect(standIn().audit.list()).toMatchObject([
      { action: "DescribeTasks", arns: 1, status: 200 },
      { action: "DescribeInstances", arns: 0, status: 200 },
    ]);
  });
});
