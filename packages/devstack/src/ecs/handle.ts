// What whoever started the stand-in holds in his hand beside the AWS protocols: its addresses, its made-up credentials,
// and everything that can be set or looked at. The control port offers the same to another process.

import type { Audit } from "./audit.ts";
import type { Buckets } from "./bucket.ts";
import type { FaultPlan } from "./fault-plan.ts";
import type { MadeUpTask } from "./put-task.ts";
import type { TaskDefinition, TaskRecord } from "./records.ts";
import type { Delays } from "./runner.ts";

export interface AwsHandle {
  readonly audit: Audit;
  readonly buckets: Buckets;
  readonly faults: FaultPlan;
  /** Change a member and it holds from then on. */
  readonly delays: Delays;
  /** Values of Secrets Manager and Parameter Store by `valueFrom`. */
  readonly secrets: Map<string, string>;
  /** Registers a task definition, given as RegisterTaskDefinition takes it; throws what that refuses with. */
  putDefinition(definition: unknown): TaskDefinition;
  /** Adds a container instance to the first cluster; answers its ARN. DescribeInstances says the address is this. */
  putInstance(privateIpAddress: string): string;
  /** Places a made-up task that has no container. */
  putTask(task: MadeUpTask): TaskRecord;
  /** Changes members of any task's record as the API shows it. Containers are matched by name; one that
   *  is not named goes. */
  updateTask(taskArn: string, change: MadeUpTask): TaskRecord;
  /** From now on the task is MISSING. */
  removeTask(taskArn: string): void;
}

export interface AwsStack extends AwsHandle {
  /** For `AWS_ENDPOINT_URL`: both ECS and EC2. */
  readonly endpoint: string;
  /** For the agent's introspection (`/v1/metadata`); containers get theirs below `/v4/`. */
  readonly metadataUrl: string;
  /** Only with the option `control`. */
  readonly controlUrl: string | undefined;
  readonly account: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** The first cluster, which the introspection names. */
  readonly cluster: string;
  readonly clusterArn: string;
  /** The address of this host as containers reach it, and at which published ports are. */
  readonly hostAddress: string;
  /** Value of the label `vaultbuddy.devstack.stack` on all that this stack makes. */
  readonly stackId: string;
  /** What a process needs to speak to this stack through an AWS SDK. */
  readonly env: Readonly<Record<string, string>>;
  /** What a task's container has written so far (nothing before it is created); rejects for an unknown one. */
  logs(taskArn: string, containerName: string): Promise<string>;
  /** Docker's id of a task's container, from its creation on: also before the API shows it. */
  containerId(taskArn: string, containerName: string): string | undefined;
  /** Stops serving and removes every container, network and volume this stack made. */
  close(): Promise<void>;
}
