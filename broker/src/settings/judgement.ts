// The settings that a judgement of a task depends on: the policy document and what the operator demands of every task.
// `serve` and `policy explain` read the same table, so that the one explains what the other does.

import {
  boolean,
  durationWithin,
  listOf,
  plainText,
  wholeNumber,
  word,
} from "@vaultbuddy/common";
import type { SettingTable } from "@vaultbuddy/common/daemon";
import { parseClusterPattern } from "../policy/cluster.ts";
import { label, vaultPath } from "./parsers.ts";

export const policySettings = {
  policies: {
    flag: "policies",
    env: "GATE_POLICIES",
    placeholder: "path",
    describe:
      "the policy document in Vault's KV engine (version 1 or 2), such as secret/vaultbuddy; read again on SIGHUP",
    parse: vaultPath,
  },
  policiesNested: {
    flag: "policies-nested",
    env: "GATE_POLICIES_NESTED",
    placeholder: "bool",
    fallback: "false",
    describe:
      "also read every document below --policies; one rule in two of them is a fault",
    parse: boolean,
  },
  policiesRefresh: {
    flag: "policies-refresh",
    env: "GATE_POLICIES_REFRESH",
    placeholder: "duration",
    fallback: "1m",
    describe: "how often --policies is read again",
    parse: durationWithin("1s", "24h"),
  },
  policiesFile: {
    flag: "policies-file",
    env: "GATE_POLICIES_FILE",
    placeholder: "file",
    describe:
      "the policy document as a file, instead of --policies; read again on SIGHUP",
    parse: plainText,
  },
} as const satisfies SettingTable;

export const clusterSettings = {
  clusters: {
    flag: "clusters",
    env: "ALLOWED_CLUSTERS",
    placeholder: "arns",
    required: true,
    describe:
      "cluster ARNs to serve, separated by commas; * is allowed in the name",
    parse: listOf(parseClusterPattern),
  },
} as const satisfies SettingTable;

export const taskSettings = {
  taskLife: {
    flag: "task-life",
    env: "TASK_LIFE",
    placeholder: "duration",
    fallback: "2m",
    describe: "how old a task may be since its start",
    parse: durationWithin("1s", "24h"),
  },
  pendingLife: {
    flag: "pending-life",
    env: "PENDING_LIFE",
    placeholder: "duration",
    fallback: "10m",
    describe: "how old a task may be that ECS has not called started",
    parse: durationWithin("1s", "24h"),
  },
  requireState: {
    flag: "require-state",
    env: "REQUIRE_STATE",
    placeholder: "what",
    fallback: "container",
    describe: "what must be RUNNING: the container, or the whole task",
    parse: word(["container", "task"]),
  },
  optInLabel: {
    flag: "opt-in-label",
    env: "OPT_IN_LABEL",
    placeholder: "name=value",
    fallback: "vaultbuddy.enable=true",
    describe:
      "dockerLabel of the task definition by which a container asks for a token",
    parse: label,
  },
  entrypointPort: {
    flag: "entrypoint-port",
    env: "ENTRYPOINT_PORT",
    placeholder: "port",
    fallback: "9202",
    describe:
      "where entrypoints listen unless the rule or the task definition says otherwise",
    parse: wholeNumber(1, 65_535),
  },
} as const satisfies SettingTable;
