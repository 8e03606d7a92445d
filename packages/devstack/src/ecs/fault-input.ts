// A planned fault as JSON, for the control port.

import { AwsError } from "../aws/error.ts";
import type { Fault, PlannedFault } from "./fault-plan.ts";
import type { Input } from "./input.ts";

const plain = [
  "throttled",
  "error500",
  "html",
  "truncated",
  "huge",
  "hang",
  "reset",
] as const;

/** `{"action": "DescribeTasks", "fault": {"kind": "delay", "ms": 500}, "times": 3}`. Throws {@link AwsError} (400). */
export function readFault(input: Input): PlannedFault {
  const times = input.integer("times");
  return {
    action: input.string("action") ?? "*",
    fault: readKind(input.object("fault") ?? input),
    ...(times !== undefined && { times }),
  };
}

function readKind(input: Input): Fault {
  const kind = input.string("kind");
  if (kind === "delay") return { kind, ms: input.integer("ms") ?? 0 };
  if (kind === "error") {
    const status = input.integer("status");
    return {
      kind,
      code: input.string("code") ?? "ServerException",
      message: input.string("message") ?? "",
      ...(status !== undefined && { status }),
    };
  }
  const found = plain.find((one) => one === kind);
  if (found === undefined)
    throw new AwsError(
      "BadRequest",
      `a fault's kind is delay, error or one of ${plain.join(", ")}`,
    );
  return { kind: found };
}
