// The records ECS answers with, in the shapes of its API reference: optional members are absent, never null, and
// timestamps are epoch seconds with a fraction.

import type { ContainerDefinition } from "./definition-input.ts";

interface NetworkBinding {
  bindIP: string;
  containerPort: number;
  hostPort: number;
  protocol: string;
}

/** `Container` in the API reference. */
export interface ContainerRecord {
  containerArn: string;
  taskArn: string;
  name: string;
  image: string;
  imageDigest?: string;
  /** Docker's container id, once ECS has learnt it. */
  runtimeId?: string;
  lastStatus: string;
  exitCode?: number;
  reason?: string;
  networkBindings: NetworkBinding[];
  networkInterfaces: {
    attachmentId: string;
    privateIpv4Address: string;
    ipv6Address?: string;
  }[];
  healthStatus: string;
  cpu?: string;
  memory?: string;
  memoryReservation?: string;
}

export interface ContainerOverride {
  name: string;
  command?: string[];
  environment?: { name: string; value: string }[];
  [member: string]: unknown;
}

export interface TaskOverride {
  containerOverrides: ContainerOverride[];
  inferenceAcceleratorOverrides?: unknown[];
  [member: string]: unknown;
}

export interface Attachment {
  id: string;
  type: string;
  status: string;
  details: { name: string; value: string }[];
}

/** `Task` in the API reference. */
export interface TaskRecord {
  taskArn: string;
  clusterArn: string;
  taskDefinitionArn: string;
  containerInstanceArn?: string;
  overrides: TaskOverride;
  lastStatus: string;
  desiredStatus: string;
  cpu?: string;
  memory?: string;
  containers: ContainerRecord[];
  startedBy?: string;
  version: number;
  stoppedReason?: string;
  stopCode?: string;
  connectivity?: string;
  connectivityAt?: number;
  pullStartedAt?: number;
  pullStoppedAt?: number;
  executionStoppedAt?: number;
  createdAt: number;
  startedAt?: number;
  stoppingAt?: number;
  stoppedAt?: number;
  group: string;
  launchType: string;
  platformVersion?: string;
  platformFamily?: string;
  attachments: Attachment[];
  healthStatus: string;
  tags: { key: string; value: string }[];
  enableExecuteCommand: boolean;
  availabilityZone: string;
  attributes: { name: string; value: string }[];
}

/** `TaskDefinition` in the API reference, as registered. */
export interface TaskDefinition {
  taskDefinitionArn: string;
  family: string;
  revision: number;
  status: "ACTIVE" | "INACTIVE";
  networkMode: "bridge" | "awsvpc" | "host" | "none";
  containerDefinitions: ContainerDefinition[];
  volumes: { name: string; host?: { sourcePath?: string } }[];
  placementConstraints: unknown[];
  requiresAttributes: unknown[];
  compatibilities: string[];
  registeredAt: number;
  registeredBy: string;
  cpu?: string;
  memory?: string;
  taskRoleArn?: string;
  executionRoleArn?: string;
  requiresCompatibilities?: string[];
  pidMode?: string;
  ipcMode?: string;
}
