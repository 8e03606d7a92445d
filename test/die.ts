// Loaded into a broker before its own code (NODE_OPTIONS=--import): ends the process, as a power failure would, right
// after or right before the write to the ledger that brings a claim into the state named by DIE_AT. A story's tool; the
// broker is the real one and knows nothing of it.

import { existsSync, writeFileSync } from "node:fs";
import { StatementSync } from "node:sqlite";

const [when, state, mark] = (process.env["DIE_AT"] ?? "").split(":");
type Run = StatementSync["run"];
const run = Object.getOwnPropertyDescriptor(StatementSync.prototype, "run")
  ?.value as Run;

const dying = function (
  this: StatementSync,
  ...given: Parameters<Run>
): ReturnType<Run> {
  const hit =
    mark !== undefined &&
    given.some(
      (value) =>
        typeof value === "string" && value.includes(`"state":"${state}"`),
    ) &&
    !existsSync(mark);
  const die = (): void => {
    if (hit) {
      // Once only: the broker that comes after must live.
      writeFileSync(mark, "");
      process.kill(process.pid, "SIGKILL");
    }
  };
  if (when === "before") {
    die();
  }
  const result = run.apply(this, given);
  die();
  return result;
};
StatementSync.prototype.run = dying as Run;
