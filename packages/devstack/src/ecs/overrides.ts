// The overrides of RunTask: read, checked against the definition, and completed with the bare name of every container
// that nothing is overridden for, as ECS lists them.

import { invalidParameter } from "./aws-error.ts";
import { Input } from "./input.ts";
import type {
  ContainerOverride,
  TaskDefinition,
  TaskOverride,
} from "./records.ts";

const taskMembers = [
  "cpu",
  "memory",
  "taskRoleArn",
  "executionRoleArn",
  "ephemeralStorage",
];

export function readOverrides(
  given: Input | undefined,
  definition: TaskDefinition,
): TaskOverride {
  const input = given ?? new Input({});
  const names = definition.containerDefinitions.map(({ name }) => name);
  const overridden = input.objects("containerOverrides").map(readOne);
  for (const { name } of overridden) {
    if (!names.includes(name)) {
      throw invalidParameter(
        `Override for container named ${name} is not a container in the TaskDefinition.`,
      );
    }
  }
  const kept = Object.entries(input.raw).filter(
    ([member, value]) => taskMembers.includes(member) && value !== null,
  );
  return {
    ...Object.fromEntries(kept),
    containerOverrides: names.map(
      (name) => overridden.find((one) => one.name === name) ?? { name },
    ),
    inferenceAcceleratorOverrides: [],
  };
}

function readOne(input: Input): ContainerOverride {
  const name = input.requiredString(
    "name",
    "Container overrides must name a container.",
  );
  for (const member of ["cpu", "memory", "memoryReservation"])
    input.integer(member);
  return {
    ...Object.fromEntries(
      Object.entries(input.raw).filter(([, value]) => value !== null),
    ),
    name,
    ...(input.has("command") && { command: input.strings("command") }),
    ...(input.has("environment") && {
      environment: input.pairs("environment"),
    }),
  };
}
