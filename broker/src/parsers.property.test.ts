// The broker's parsers of what others wrote: records of the ledger, facts of ECS, keys, patterns, targets.

import { isNoticeRefusal, ShapeError } from "@vaultbuddy/common";
import fc from "fast-check";
import { expect, test } from "vitest";
import { readRecord } from "./claim/record.ts";
import { parseDefinition } from "./ecs/definition.ts";
import { parseDefinitionArn, parseTask } from "./ecs/facts.ts";
import { parseMasters, parsePairs } from "./keyring.ts";
import { loadPolicy, PolicyError } from "./policy.ts";
import { parseClusterPattern } from "./policy/cluster.ts";

const task = fc.record(
  {
    taskArn: fc.oneof(
      fc.jsonValue(),
      fc.constant(
        "arn:aws:ecs:eu-west-1:123456789012:task/main/0123456789abcdef0123456789abcdef",
      ),
    ),
    clusterArn: fc.oneof(
      fc.jsonValue(),
      fc.constant("arn:aws:ecs:eu-west-1:123456789012:cluster/main"),
    ),
    taskDefinitionArn: fc.oneof(
      fc.jsonValue(),
      fc.constant("arn:aws:ecs:eu-west-1:123456789012:task-definition/web:1"),
    ),
    lastStatus: fc.oneof(fc.jsonValue(), fc.constant("RUNNING")),
    desiredStatus: fc.oneof(fc.jsonValue(), fc.constant("RUNNING")),
    containers: fc.oneof(
      fc.jsonValue(),
      fc.array(fc.jsonValue(), { maxLength: 3 }),
    ),
    overrides: fc.jsonValue(),
    attachments: fc.jsonValue(),
  },
  { requiredKeys: [] },
);

test("whatever ECS answers is a fact or of a wrong shape", () => {
  for (const parse of [
    parseTask,
    parseDefinition,
    (value: unknown) => parseDefinitionArn(value, "x"),
  ]) {
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), task), (value) => {
        try {
          parse(value);
          return true;
        } catch (error) {
          return error instanceof ShapeError;
        }
      }),
    );
  }
});

test("whatever stands in the ledger is a record or makes it unavailable", () => {
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string()), fc.string(), (value, key) => {
      try {
        readRecord({ key, value, version: "1" });
        return false;
      } catch (error) {
        return isNoticeRefusal(error) && error.code === "ledger_unavailable";
      }
    }),
  );
});

test("no text is half a key, a pattern or a policy, and none is repeated", () => {
  for (const parse of [parseMasters, parsePairs, parseClusterPattern]) {
    fc.assert(
      fc.property(fc.string({ minLength: 12, maxLength: 100 }), (text) => {
        try {
          parse(text);
          return true;
        } catch (error) {
          return error instanceof Error && !error.message.includes(text);
        }
      }),
    );
  }
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
      try {
        expect(loadPolicy(text, "test").rules).toBeDefined();
        return true;
      } catch (error) {
        return error instanceof PolicyError;
      }
    }),
  );
});
