// One region: its buckets, its batchers and its caches. AWS counts calls per account and region, and the calls that
// describe tasks and container instances are paid from one bucket.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html

import { ShapeError } from "@vaultbuddy/common";
import type { ClusterArn, Clock, TaskArn } from "@vaultbuddy/common";
import type { Lookup, TaskAnswer, TaskLookup } from "../ecs.ts";
import type { AwsCalls } from "./aws.ts";
import { Batcher } from "./batcher.ts";
import { Bucket } from "./bucket.ts";
import { Cache } from "./cache.ts";
import { parseDefinition } from "./definition.ts";
import type { DefinitionFacts } from "./definition.ts";
import { AwsFault } from "./fault.ts";
import { instanceAddresses, instanceIds } from "./instances.ts";
import { taskAnswers } from "./tasks.ts";

/** 32 hexadecimal digits, or the UUID of the old format. */
const TASK_ID =
  /^(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;
const WINDOW = 25;
const FLIGHTS = 8;
/** How long "unknown" answers further first questions for the same ARN, in milliseconds. */
const UNKNOWN_FOR = 1000;
/** A host keeps its private address as long as it lives, and a new host has a new ARN. */
const ADDRESS_FOR = 10 * 60_000;

/** The lookups of one region. Methods throw AwsFault, Refusal `rate_limited`, or the signal's reason. */
export class Region {
  readonly #calls: AwsCalls;
  readonly #tasks: Batcher<TaskAnswer>;
  readonly #definitions: Batcher<DefinitionFacts>;
  readonly #instances: Batcher<string | false>;
  readonly #addresses: Batcher<string | false>;
  readonly #unknown: Cache<TaskAnswer>;
  readonly #knownDefinitions: Cache<DefinitionFacts>;
  /** EC2's ids of container instances: known before their addresses are, for whoever asks meanwhile. */
  readonly #knownIds: Cache<string>;
  readonly #knownAddresses: Cache<string>;

  constructor(calls: AwsCalls, clock: Clock) {
    this.#calls = calls;
    const resources = new Bucket(100, 20, clock);
    const common = { clock, window: WINDOW, flights: FLIGHTS };
    this.#tasks = new Batcher({
      ...common,
      bucket: resources,
      scarceBucket: new Bucket(25, 5, clock),
      most: 100,
      call: async (cluster, arns) =>
        await taskAnswers(cluster, arns, this.#calls),
    });
    this.#definitions = new Batcher({
      ...common,
      window: 0,
      bucket: new Bucket(50, 20, clock),
      most: 1,
      call: async (_, arns) => await this.#describeDefinitions(arns),
    });
    this.#instances = new Batcher({
      ...common,
      bucket: resources,
      most: 100,
      call: async (cluster, arns) =>
        await instanceIds(cluster, arns, this.#calls),
    });
    this.#addresses = new Batcher({
      ...common,
      bucket: new Bucket(100, 20, clock),
      most: 100,
      call: async (_, ids) => await instanceAddresses(ids, this.#calls),
    });
    this.#unknown = new Cache(10_000, UNKNOWN_FOR, clock);
    this.#knownDefinitions = new Cache(500, Infinity, clock);
    this.#knownIds = new Cache(10_000, ADDRESS_FOR, clock);
    this.#knownAddresses = new Cache(10_000, ADDRESS_FOR, clock);
  }

  async task(
    cluster: ClusterArn,
    task: TaskArn,
    lookup: TaskLookup,
  ): Promise<TaskAnswer> {
    if (!TASK_ID.test(task.id)) {
      // ECS would refuse the whole call, and with it the questions of everyone who shares it.
      return { kind: "missing" };
    }
    const id = `${cluster.arn} ${task.arn}`;
    const unknown = this.#unknown.get(id);
    if (unknown !== undefined && !lookup.missing) {
      return unknown;
    }
    const answer = await this.#tasks.ask({
      group: cluster.arn,
      key: task.arn,
      source: lookup.source,
      patience: lookup.patience,
      scarce: lookup.missing,
      signal: lookup.signal,
    });
    if (answer.kind === "missing") {
      this.#unknown.set(id, answer);
    } else {
      this.#unknown.delete(id);
    }
    return answer;
  }

  async definition(arn: string, lookup: Lookup): Promise<DefinitionFacts> {
    return (
      this.#knownDefinitions.get(arn) ??
      (await this.#definitions.ask({
        group: "",
        key: arn,
        patience: 0,
        ...lookup,
      }))
    );
  }

  async instanceAddress(
    cluster: ClusterArn,
    arn: string,
    lookup: Lookup,
  ): Promise<string | undefined> {
    const known = this.#knownAddresses.get(arn);
    if (known !== undefined) {
      return known;
    }
    const { source, signal } = lookup;
    const question = { source, signal, patience: 0 };
    const id =
      this.#knownIds.get(arn) ??
      (await this.#instances.ask({
        ...question,
        group: cluster.arn,
        key: arn,
      }));
    if (id !== false) {
      this.#knownIds.set(arn, id);
    }
    const address =
      id !== false &&
      (await this.#addresses.ask({ ...question, group: "", key: id }));
    if (address === false) {
      return undefined;
    }
    this.#knownAddresses.set(arn, address);
    return address;
  }

  async close(): Promise<void> {
    this.#tasks.close();
    this.#definitions.close();
    this.#instances.close();
    this.#addresses.close();
    await this.#calls.close();
  }

  async #describeDefinitions(
    arns: readonly string[],
  ): Promise<Map<string, DefinitionFacts>> {
    const answers = new Map<string, DefinitionFacts>();
    for (const arn of arns) {
      const { body } = await this.#calls.describeTaskDefinition(arn);
      const definition = parseDefinitionOf(arn, body);
      this.#knownDefinitions.set(arn, definition);
      answers.set(arn, definition);
    }
    return answers;
  }
}

function parseDefinitionOf(arn: string, body: unknown): DefinitionFacts {
  try {
    const definition = parseDefinition(body);
    if (definition.arn === arn) {
      return definition;
    }
  } catch (error) {
    if (!(error instanceof ShapeError)) {
      throw error;
    }
  }
  throw new AwsFault("DescribeTaskDefinition", "malformed");
}
