// DescribeContainerInstances (ECS) and DescribeInstances (EC2): which machine a task is on, and the machine's address.

import { AwsError } from "../aws/error.ts";
import { invalidParameter } from "./aws-error.ts";
import { instanceArnOf } from "./arn.ts";
import { epochSeconds } from "./clock.ts";
import { clusterOf } from "./clusters.ts";
import type { Failure } from "./describe-tasks.ts";
import type { Input } from "./input.ts";
import type { Instance, Store } from "./store.ts";
import { element, list, type Xml } from "./xml.ts";

const mostInstances = 100;

export function describeContainerInstances(
  store: Store,
  input: Input,
): { containerInstances: unknown[]; failures: Failure[] } {
  const cluster = clusterOf(store, input);
  const identifiers = input.strings("containerInstances");
  if (identifiers.length === 0)
    throw invalidParameter("Container instances cannot be empty.");
  if (identifiers.length > mostInstances)
    throw invalidParameter(
      `instanceIds can have at most ${mostInstances} items.`,
    );
  const containerInstances: unknown[] = [];
  const failures: Failure[] = [];
  for (const arn of new Set(
    identifiers.map((one) => instanceArnOf(store.place, cluster.name, one)),
  )) {
    const instance = store.instances.get(arn);
    if (instance === undefined) failures.push({ arn, reason: "MISSING" });
    else containerInstances.push(describe(store, instance));
  }
  return { containerInstances, failures };
}

function describe(store: Store, instance: Instance): unknown {
  const states = store
    .visibleTasks(instance.cluster)
    .filter(({ record }) => record.containerInstanceArn === instance.arn)
    .map(({ record }) => record.lastStatus);
  return {
    containerInstanceArn: instance.arn,
    ec2InstanceId: instance.ec2InstanceId,
    status: "ACTIVE",
    agentConnected: true,
    version: 1,
    versionInfo: {
      agentVersion: "1.90.0",
      agentHash: "00000000",
      dockerVersion: "DockerVersion: 25.0.8",
    },
    runningTasksCount: states.filter((one) => one === "RUNNING").length,
    pendingTasksCount: states.filter(
      (one) => one === "PENDING" || one === "PROVISIONING",
    ).length,
    registeredAt: epochSeconds(instance.registeredAt),
    remainingResources: [],
    registeredResources: [],
    attributes: [
      { name: "ecs.availability-zone", value: `${store.place.region}a` },
    ],
    attachments: [],
    tags: [],
  };
}

/** The body of DescribeInstancesResponse, for the form parameters of the request. */
export function describeInstances(store: Store, form: URLSearchParams): Xml {
  const asked = [...form]
    .filter(([name]) => /^InstanceId\.\d+$/.test(name))
    .map(([, value]) => value);
  const maxResults = form.get("MaxResults");
  if (maxResults !== null && asked.length > 0) {
    throw new AwsError(
      "InvalidParameterCombination",
      "The parameter instancesSet cannot be used with the parameter maxResults",
    );
  }
  const known = [...store.instances.values()];
  const found =
    asked.length === 0 ? known : asked.map((id) => named(known, id));
  const { from, size } = pageOf(form.get("NextToken"), maxResults);
  const shown = found.filter(filterOf(form)).slice(from, from + size);
  const more = from + size < found.length;
  return [
    list(
      "reservationSet",
      shown.map((instance) => reservation(store, instance)),
    ),
    ...(more
      ? [
          element(
            "nextToken",
            Buffer.from(String(from + size)).toString("base64url"),
          ),
        ]
      : []),
  ].join("");
}

function named(known: readonly Instance[], id: string): Instance {
  if (!/^i-([0-9a-f]{8}|[0-9a-f]{17})$/.test(id)) {
    throw new AwsError(
      "InvalidInstanceID.Malformed",
      `Invalid id: "${id.slice(0, 64)}"`,
    );
  }
  const found = known.find(({ ec2InstanceId }) => ec2InstanceId === id);
  if (found === undefined) {
    throw new AwsError(
      "InvalidInstanceID.NotFound",
      `The instance ID '${id}' does not exist`,
    );
  }
  return found;
}

function pageOf(
  token: string | null,
  maxResults: string | null,
): { from: number; size: number } {
  const size = maxResults === null ? 1000 : Number(maxResults);
  if (!Number.isInteger(size) || size < 5 || size > 1000) {
    throw new AwsError(
      "InvalidParameterValue",
      "Value for parameter maxResults is invalid. Expecting a value between 5 and 1000.",
    );
  }
  const from =
    token === null
      ? 0
      : Number(Buffer.from(token, "base64url").toString("latin1"));
  if (!Number.isInteger(from))
    throw new AwsError("InvalidNextToken", "The token is invalid.");
  return { from, size };
}

/** The filters somebody who looks for an address uses; EC2 refuses names it does not know, and so does this. */
function filterOf(form: URLSearchParams): (instance: Instance) => boolean {
  const values = (n: string): string[] =>
    [...form]
      .filter(([name]) => name.startsWith(`Filter.${n}.Value.`))
      .map(([, value]) => value);
  const filters = [...form].flatMap(([key, name]) => {
    const n = /^Filter\.(\d+)\.Name$/.exec(key)?.[1];
    return n === undefined ? [] : [{ name, values: values(n) }];
  });
  return (instance) =>
    filters.every((filter) => {
      switch (filter.name) {
        case "instance-id":
          return filter.values.includes(instance.ec2InstanceId);
        case "private-ip-address":
          return filter.values.includes(instance.privateIpAddress);
        case "instance-state-name":
          return filter.values.includes("running");
        default:
          throw new AwsError(
            "InvalidParameterValue",
            `The filter '${filter.name.slice(0, 64)}' is invalid`,
          );
      }
    });
}

function reservation(store: Store, instance: Instance): Xml {
  const address = instance.privateIpAddress;
  const zone = `${store.place.region}a`;
  const body = [
    element("instanceId", instance.ec2InstanceId),
    element("imageId", "ami-00000000000000000"),
    `<instanceState>${element("code", "16")}${element("name", "running")}</instanceState>`,
    element(
      "privateDnsName",
      `ip-${address.replaceAll(".", "-")}.${store.place.region}.compute.internal`,
    ),
    element("instanceType", "m5.large"),
    element("launchTime", new Date(instance.registeredAt).toISOString()),
    `<placement>${element("availabilityZone", zone)}${element("tenancy", "default")}</placement>`,
    element("privateIpAddress", address),
    element("subnetId", "subnet-00000000000000000"),
    element("vpcId", "vpc-00000000000000000"),
    element("architecture", "x86_64"),
    list("groupSet", []),
    list("tagSet", []),
  ];
  return [
    element("reservationId", `r-${instance.ec2InstanceId.slice(2)}`),
    element("ownerId", store.place.account),
    list("groupSet", []),
    list("instancesSet", [body.join("")]),
  ].join("");
}
