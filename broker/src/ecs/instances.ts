// From a container instance to the address of its host: ECS names the EC2 instance, EC2 names the address. A host that
// is not in EC2 (ECS Anywhere, `mi-…`) has no address anybody vouches for.

import { ShapeError, text } from "@vaultbuddy/common";
import type { AwsCalls } from "./aws.ts";
import { AwsFault } from "./fault.ts";
import { openAnswer, optionalList } from "./read.ts";

const INSTANCE_ID = /^i-[0-9a-f]{8,32}$/;

/** ARN to EC2 instance id; false for an instance ECS does not know or that is not in EC2. Throws AwsFault. */
export async function instanceIds(
  cluster: string,
  arns: readonly string[],
  calls: Pick<AwsCalls, "describeContainerInstances">,
): Promise<Map<string, string | false>> {
  const { body } = await calls.describeContainerInstances(cluster, arns);
  return shaped("DescribeContainerInstances", () => {
    const fields = openAnswer(body, "");
    const known = optionalList(
      fields,
      "containerInstances",
      1000,
      (item, at) => {
        const instance = openAnswer(item, at);
        const id = instance.optionalText("ec2InstanceId", { max: 256 }) ?? "";
        return [
          instance.text("containerInstanceArn", { max: 1024 }),
          INSTANCE_ID.test(id) ? id : false,
        ] as const;
      },
    );
    const missing = optionalList(fields, "failures", 1000, (item, at) => {
      const failure = openAnswer(item, at);
      const arn = failure.optionalText("arn", { max: 1024 }) ?? "";
      return failure.take("reason") === "MISSING" ? arn : "";
    });
    return new Map<string, string | false>([
      ...missing.map((arn) => [arn, false] as const),
      ...known,
    ]);
  });
}

/** Instance id to private IPv4 address; false for an instance EC2 does not know. Throws AwsFault. */
export async function instanceAddresses(
  ids: readonly string[],
  calls: Pick<AwsCalls, "describeInstances">,
): Promise<Map<string, string | false>> {
  const output = await describe(ids, calls);
  const found = shaped("DescribeInstances", () =>
    optionalList(openAnswer(output, ""), "Reservations", 1000, readReservation),
  ).flat();
  return new Map<string, string | false>([
    ...ids.map((id) => [id, false] as const),
    ...found,
  ]);
}

/** EC2 refuses the whole call when one instance has just gone: then each is asked for by itself. */
async function describe(
  ids: readonly string[],
  calls: Pick<AwsCalls, "describeInstances">,
): Promise<unknown> {
  try {
    return await calls.describeInstances(ids);
  } catch (error) {
    const gone =
      error instanceof AwsFault && error.code.startsWith("InvalidInstanceID");
    if (!gone) {
      throw error;
    }
  }
  if (ids.length < 2) {
    return {};
  }
  const middle = Math.ceil(ids.length / 2);
  const halves = [
    await describe(ids.slice(0, middle), calls),
    await describe(ids.slice(middle), calls),
  ];
  return {
    Reservations: halves.flatMap((half) =>
      optionalList(openAnswer(half, ""), "Reservations", 1000, (item) => item),
    ),
  };
}

function readReservation(value: unknown, at: string): [string, string][] {
  return optionalList(
    openAnswer(value, at),
    "Instances",
    1000,
    (item, place) => {
      const instance = openAnswer(item, place);
      const id = text(instance.take("InstanceId"), `${place}.InstanceId`);
      const address = instance.optionalText("PrivateIpAddress", { max: 64 });
      return address === undefined ? undefined : ([id, address] as const);
    },
  ).flatMap((pair) => (pair === undefined ? [] : [[...pair]]));
}

function shaped<Value>(operation: string, read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    if (error instanceof ShapeError) {
      throw new AwsFault(operation, "malformed");
    }
    throw error;
  }
}
