// What a rule demands of a task beyond its name. Everything here is matched on facts from ECS; `startedBy` and a
// custom `group` are words of whoever called RunTask, so they narrow a rule and never widen one.

import { ShapeError, text } from "@vaultbuddy/common";
import type { TextRule } from "@vaultbuddy/common";
import { parseClusterPattern } from "./cluster.ts";
import type { ClusterPattern } from "./cluster.ts";
import { wordOf } from "./reader.ts";
import type { Reader } from "./reader.ts";

/** The demands of a rule. An absent list demands nothing; of a list one entry has to fit. */
export interface Require {
  /** "deny" refuses a task that was run with any override. */
  readonly overrides: "deny" | "allow";
  /** "deny" refuses a task one may open a shell in (ECS Exec). */
  readonly exec: "deny" | "allow";
  /** Globs over the task's group, such as `service:web`. */
  readonly group?: readonly string[];
  readonly clusters?: readonly ClusterPattern[];
  readonly launchType?: readonly LaunchType[];
  /** Globs over `<image without tag>@<imageDigest>`, registry spelled out. */
  readonly images?: readonly string[];
  /** Globs over startedBy, such as `ecs-svc/*`. */
  readonly startedBy?: readonly string[];
}

const launchTypes = [
  "EC2",
  "FARGATE",
  "EXTERNAL",
  "MANAGED_INSTANCES",
] as const;
type LaunchType = (typeof launchTypes)[number];

const MOST = 100;

const GLOB: TextRule = {
  max: 512,
  pattern: /^[\x21-\x7e]+$/,
  form: "a glob without spaces, in which * stands for anything but /",
};

const IMAGE: TextRule = {
  max: 1024,
  // Registry (a dot, a port, a star or localhost tells it from a name), path, digest.
  pattern:
    /^(?:[\w-]*[.:*][\w.:*-]*|localhost)(?:\/[\w.*-]+)+@(?:\*|[a-z0-9*]+:[0-9a-z*]+)$/,
  form: "a glob such as docker.io/library/nginx@sha256:*, with the registry spelled out and no tag",
};

/** Reads a rule's `require`; an absent one denies overrides and exec. */
export function readRequire(reader: Reader | undefined): Require {
  if (reader === undefined) {
    return { overrides: "deny", exec: "deny" };
  }
  const overrides = reader.oneOf("overrides", ["deny", "allow"]);
  const exec = reader.oneOf("exec", ["deny", "allow"]);
  const group = globs(reader, "group");
  const clusters = reader.list("clusters", MOST, cluster, "single");
  const launchType = reader.list(
    "launchType",
    launchTypes.length,
    (value, at) => wordOf(value, at, launchTypes),
    "single",
  );
  const images = reader.list(
    "images",
    MOST,
    (value, at) => text(value, at, IMAGE),
    "single",
  );
  const startedBy = globs(reader, "startedBy");
  reader.done();
  return {
    overrides: overrides ?? "deny",
    exec: exec ?? "deny",
    ...(group === undefined ? {} : { group }),
    ...(clusters === undefined ? {} : { clusters }),
    ...(launchType === undefined ? {} : { launchType }),
    ...(images === undefined ? {} : { images }),
    ...(startedBy === undefined ? {} : { startedBy }),
  };
}

function globs(reader: Reader, name: string): readonly string[] | undefined {
  return reader.list(
    name,
    MOST,
    (value, at) => text(value, at, GLOB),
    "single",
  );
}

function cluster(value: unknown, at: string): ClusterPattern {
  const written = text(value, at, { max: 512 });
  try {
    return parseClusterPattern(written);
  } catch (error) {
    throw new ShapeError(
      at,
      error instanceof Error ? error.message : "must be a cluster ARN",
    );
  }
}
