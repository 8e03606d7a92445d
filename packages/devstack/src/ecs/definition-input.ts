// The container definitions of RegisterTaskDefinition: read, filled with ECS's defaults and checked as ECS checks them.
// Members the stand-in does nothing with are kept and given back as they came.

import { clientException } from "./aws-error.ts";
import { Input, type Json } from "./input.ts";

interface PortMappingDefinition {
  containerPort: number;
  hostPort: number;
  protocol: "tcp" | "udp";
}

export type DependencyCondition = "START" | "HEALTHY" | "COMPLETE" | "SUCCESS";

/** Seconds, as in the API. */
export interface HealthCheckDefinition {
  command: string[];
  interval: number;
  timeout: number;
  retries: number;
  startPeriod?: number;
}

interface RestartPolicyDefinition {
  enabled: boolean;
  ignoredExitCodes: number[];
  restartAttemptPeriod: number;
}

/** `ContainerDefinition` in the API reference: the members the stand-in acts on. */
export interface ContainerDefinition {
  name: string;
  image: string;
  essential: boolean;
  cpu: number;
  memory?: number;
  memoryReservation?: number;
  portMappings: PortMappingDefinition[];
  environment: { name: string; value: string }[];
  secrets?: { name: string; valueFrom: string }[];
  mountPoints: {
    sourceVolume: string;
    containerPath: string;
    readOnly: boolean;
  }[];
  volumesFrom: unknown[];
  dependsOn?: { containerName: string; condition: DependencyCondition }[];
  dockerLabels?: Record<string, string>;
  entryPoint?: string[];
  command?: string[];
  user?: string;
  workingDirectory?: string;
  hostname?: string;
  readonlyRootFilesystem?: boolean;
  privileged?: boolean;
  linuxParameters?: { initProcessEnabled?: boolean };
  ulimits?: { name: string; softLimit: number; hardLimit: number }[];
  healthCheck?: HealthCheckDefinition;
  restartPolicy?: RestartPolicyDefinition;
  startTimeout?: number;
  stopTimeout?: number;
}

/** ECS's lower bounds that cost a test its time; a stack may lower them. */
export interface DefinitionLimits {
  readonly minHealthIntervalSeconds: number;
  readonly minRestartAttemptPeriodSeconds: number;
}

export const awsDefinitionLimits: DefinitionLimits = {
  minHealthIntervalSeconds: 5,
  minRestartAttemptPeriodSeconds: 60,
};

/** One container definition with its defaults; `raw` is what came, for the answer. Throws {@link AwsError}. */
export function readContainer(
  input: Input,
  networkMode: string,
  limits: DefinitionLimits,
): ContainerDefinition {
  const name = input.string("name") ?? "";
  if (!/^[a-zA-Z0-9_-]{1,255}$/.test(name))
    throw clientException("Container.name contains invalid characters.");
  const image = input.string("image") ?? "";
  if (image === "")
    throw clientException("Container.image should not be null or empty.");
  // Read for its type alone: the member itself is kept below, with the rest of the Linux parameters.
  input.object("linuxParameters")?.boolean("initProcessEnabled");
  const healthCheck = readHealthCheck(input.object("healthCheck"), limits);
  const restartPolicy = readRestartPolicy(
    input.object("restartPolicy"),
    limits,
  );
  const dependsOn = input.objects("dependsOn").map(readDependency);
  const secrets = input.objects("secrets").map((one) => ({
    name: one.string("name") ?? "",
    valueFrom: one.string("valueFrom") ?? "",
  }));
  const read: ContainerDefinition = {
    name,
    image,
    essential: input.boolean("essential") ?? true,
    cpu: input.integer("cpu") ?? 0,
    portMappings: input
      .objects("portMappings")
      .map((one) => readPort(one, networkMode)),
    environment: input.pairs("environment"),
    mountPoints: input.objects("mountPoints").map((one) => ({
      sourceVolume: one.string("sourceVolume") ?? "",
      containerPath: one.string("containerPath") ?? "",
      readOnly: one.boolean("readOnly") ?? false,
    })),
    volumesFrom: [],
    ...(secrets.length > 0 && { secrets }),
    ...(dependsOn.length > 0 && { dependsOn }),
    ...(healthCheck && { healthCheck }),
    ...(restartPolicy && { restartPolicy }),
    ...plainMembers(input),
  };
  checkSecrets(read);
  return { ...kept(input.raw), ...read };
}

/** Members the stand-in doesn't read stay in the answer as they were registered. */
function kept(raw: Json): Json {
  return Object.fromEntries(
    Object.entries(raw).filter(([, value]) => value !== null),
  );
}

function plainMembers(input: Input): Partial<ContainerDefinition> {
  const memory = input.integer("memory");
  const memoryReservation = input.integer("memoryReservation");
  const user = input.string("user");
  const workingDirectory = input.string("workingDirectory");
  const hostname = input.string("hostname");
  const readonlyRootFilesystem = input.boolean("readonlyRootFilesystem");
  const privileged = input.boolean("privileged");
  const startTimeout = input.integer("startTimeout");
  const stopTimeout = input.integer("stopTimeout");
  const ulimits = input.objects("ulimits").map((one) => ({
    name: one.string("name") ?? "",
    softLimit: one.integer("softLimit") ?? 0,
    hardLimit: one.integer("hardLimit") ?? 0,
  }));
  return {
    ...(memory !== undefined && { memory }),
    ...(memoryReservation !== undefined && { memoryReservation }),
    ...(user !== undefined && { user }),
    ...(workingDirectory !== undefined && { workingDirectory }),
    ...(hostname !== undefined && { hostname }),
    ...(readonlyRootFilesystem !== undefined && { readonlyRootFilesystem }),
    ...(privileged !== undefined && { privileged }),
    ...(startTimeout !== undefined && { startTimeout }),
    ...(stopTimeout !== undefined && { stopTimeout }),
    ...(ulimits.length > 0 && { ulimits }),
    ...(input.has("dockerLabels") && {
      dockerLabels: input.map("dockerLabels"),
    }),
    ...(input.has("entryPoint") && { entryPoint: input.strings("entryPoint") }),
    ...(input.has("command") && { command: input.strings("command") }),
  };
}

function readPort(input: Input, networkMode: string): PortMappingDefinition {
  const containerPort = input.integer("containerPort") ?? 0;
  const given = input.integer("hostPort");
  const protocol = input.string("protocol") ?? "tcp";
  if (protocol !== "tcp" && protocol !== "udp") {
    throw clientException("Protocol must be one of 'tcp' or 'udp'.");
  }
  if (!isPort(containerPort) || containerPort === 0)
    throw clientException("Invalid container port specified.");
  if (given !== undefined && !isPort(given))
    throw clientException("Invalid host port specified.");
  const ownPorts = networkMode === "awsvpc" || networkMode === "host";
  if (
    ownPorts &&
    given !== undefined &&
    given !== 0 &&
    given !== containerPort
  ) {
    throw clientException(
      `When networkMode=${networkMode}, the host ports and container ports in port mappings must match.`,
    );
  }
  return {
    containerPort,
    hostPort: ownPorts ? containerPort : (given ?? 0),
    protocol,
  };
}

function isPort(port: number): boolean {
  return port >= 0 && port <= 65_535;
}

function readDependency(input: Input): {
  containerName: string;
  condition: DependencyCondition;
} {
  const condition = input.string("condition");
  if (
    condition !== "START" &&
    condition !== "HEALTHY" &&
    condition !== "COMPLETE" &&
    condition !== "SUCCESS"
  ) {
    throw clientException(
      "A container dependency's condition must be one of START, COMPLETE, SUCCESS, HEALTHY.",
    );
  }
  return { containerName: input.string("containerName") ?? "", condition };
}

function readHealthCheck(
  input: Input | undefined,
  limits: DefinitionLimits,
): HealthCheckDefinition | undefined {
  if (input === undefined) return undefined;
  const command = input.strings("command");
  if (!["CMD", "CMD-SHELL", "NONE"].includes(command[0] ?? "")) {
    throw clientException(
      "Health check command must begin with CMD, CMD-SHELL or NONE.",
    );
  }
  const startPeriod = input.integer("startPeriod");
  return {
    command,
    interval: within(
      input.integer("interval") ?? 30,
      "healthCheck.interval",
      limits.minHealthIntervalSeconds,
      300,
    ),
    timeout: within(
      input.integer("timeout") ?? 5,
      "healthCheck.timeout",
      Math.min(2, limits.minHealthIntervalSeconds),
      60,
    ),
    retries: within(
      input.integer("retries") ?? 3,
      "healthCheck.retries",
      1,
      10,
    ),
    ...(startPeriod !== undefined && {
      startPeriod: within(startPeriod, "healthCheck.startPeriod", 0, 300),
    }),
  };
}

function readRestartPolicy(
  input: Input | undefined,
  limits: DefinitionLimits,
): RestartPolicyDefinition | undefined {
  if (input === undefined) return undefined;
  const period = input.integer("restartAttemptPeriod") ?? 300;
  return {
    enabled: input.boolean("enabled") ?? false,
    ignoredExitCodes: input.integers("ignoredExitCodes"),
    restartAttemptPeriod: within(
      period,
      "restartPolicy.restartAttemptPeriod",
      limits.minRestartAttemptPeriodSeconds,
      1800,
    ),
  };
}

function within(value: number, what: string, min: number, max: number): number {
  if (value < min || value > max)
    throw clientException(`${what} must be between ${min} and ${max}.`);
  return value;
}

function checkSecrets({
  name,
  secrets = [],
  environment,
}: ContainerDefinition): void {
  for (const secret of secrets) {
    if (secret.name === "" || secret.valueFrom === "") {
      throw clientException(
        `Invalid setting for container '${name}'. A secret needs 'name' and 'valueFrom'.`,
      );
    }
    if (environment.some((one) => one.name === secret.name)) {
      throw clientException(
        `The secret name must be unique and not shared with any new or existing environment variables set on the container, such as '${secret.name}'.`,
      );
    }
  }
}
