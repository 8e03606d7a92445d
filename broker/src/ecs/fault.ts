// How a call to AWS can fail, in our words. AWS's own text stays out: it goes neither into an answer nor into a log.

import { Refusal } from "@vaultbuddy/common";

/** What went wrong, as far as it matters to what happens next. */
export type FaultKind =
  | "throttled"
  | "timeout"
  | "unreachable"
  | "server"
  | "denied"
  | "credentials"
  | "no_cluster"
  | "invalid"
  | "malformed"
  | "closed";

const sentences: Record<FaultKind, string> = {
  throttled: "was throttled: nothing was consumed, try again",
  timeout: "was not answered in time: nothing was consumed, try again",
  unreachable:
    "did not reach AWS: look at the broker's network and AWS_ENDPOINT_URL",
  server: "failed at AWS's side: nothing was consumed, try again",
  denied: "is not allowed: give the broker's role that permission",
  credentials:
    "could not be signed: the broker has no AWS credentials, or none that are valid",
  no_cluster: "named a cluster ECS does not know",
  invalid: "was refused as invalid: see the broker's log for the code",
  malformed:
    "was not answered as AWS answers: look at what stands between the broker and AWS",
  closed: "was given up because the broker is stopping",
};

/** A call that gave no answer one could act on. `code` is AWS's or the system's code when it is a plain word. */
export class AwsFault extends Error {
  override readonly name = "AwsFault";
  readonly ours = true;
  readonly kind: FaultKind;
  readonly code: string;
  readonly operation: string;

  constructor(operation: string, kind: FaultKind, code = "") {
    super(`${operation} ${sentences[kind]}`);
    this.operation = operation;
    this.kind = kind;
    this.code = /^[\w.-]{1,80}$/.test(code) ? code : kind;
  }

  /** Whether the same call may succeed in a moment. */
  get passing(): boolean {
    return ["throttled", "server", "unreachable"].includes(this.kind);
  }
}

/** What a caller of the broker hears of it. A refusal and the reason of an aborted signal are passed on as they are. */
export function unavailable(error: unknown, signal: AbortSignal): unknown {
  if (error instanceof Refusal || (signal.aborted && error === signal.reason)) {
    return error;
  }
  return new Refusal(
    "ecs_unavailable",
    error instanceof AwsFault ? error.message : "the lookup in ECS failed",
    { cause: error },
  );
}
