// StopTask: sets a task on its way down; the answer is the task as it is at that moment.

import { taskArnOf } from "./arn.ts";
import { invalidParameter } from "./aws-error.ts";
import { epochSeconds } from "./clock.ts";
import { clusterOf } from "./clusters.ts";
import type { Input } from "./input.ts";
import type { TaskRecord } from "./records.ts";
import type { RunContext } from "./run-task.ts";
import type { Store, TaskEntry } from "./store.ts";

export function stopTask(
  { store, runner }: RunContext,
  input: Input,
): { task: TaskRecord } {
  const cluster = clusterOf(store, input);
  const identifier = input.requiredString("task", "Task cannot be empty.");
  const entry = store.visibleTask(
    taskArnOf(store.place, cluster.name, identifier),
  );
  if (entry === undefined)
    throw invalidParameter("The referenced task was not found.");
  const reason = input.string("reason") ?? "Task stopped by user";
  if (reason.length > 1024)
    throw invalidParameter("reason can have at most 1024 characters.");
  const run = runner.run(entry.record.taskArn);
  if (run === undefined)
    stopMadeUp(store, entry, reason, runner.options.delays.stoppedKeepMs);
  else run.stop("UserInitiated", reason);
  return { task: entry.record };
}

/** A made-up task has no containers to wait for. */
function stopMadeUp(
  store: Store,
  entry: TaskEntry,
  reason: string,
  keepMs: number,
): void {
  const { record } = entry;
  if (record.stoppedAt !== undefined) return;
  const now = epochSeconds(store.clock.now());
  const end = {
    desiredStatus: "STOPPED",
    lastStatus: "STOPPED",
    stopCode: "UserInitiated",
    stoppedReason: reason,
  };
  Object.assign(record, {
    ...end,
    stoppingAt: now,
    executionStoppedAt: now,
    stoppedAt: now,
    version: record.version + 1,
  });
  for (const container of record.containers) container.lastStatus = "STOPPED";
  entry.visibleUntil = store.clock.now() + keepMs;
}
