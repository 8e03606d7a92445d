// Adapter: what an image says about how it is started. One GET to Docker and no other; nothing is pulled, made or run.

import { Fields, parseJson, ShapeError } from "@vaultbuddy/common";
import { ToolFailure } from "./failure.ts";

/** An image's own settings, as far as putting something in front of its command concerns them. */
export interface ImageFacts {
  /** A name that a Dockerfile and a task definition can use. */
  readonly name: string;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  /** Empty: root. */
  readonly user: string;
  /** Empty: the root directory. */
  readonly workingDir: string;
  /** Names of the variables that its ENV sets. */
  readonly variables: readonly string[];
  readonly stopSignal?: string;
  /** Its command; absent where there is none, or it is switched off. */
  readonly healthcheck?: readonly string[];
  readonly onBuild: readonly string[];
  readonly volumes: readonly string[];
  readonly os: string;
  readonly architecture: string;
}

/** What is used of dockerode's transport. */
export interface DockerWire {
  dial(
    ask: {
      readonly path: string;
      readonly method: string;
      readonly isStream: boolean;
      readonly statusCodes: Record<number, string | boolean>;
      readonly abortSignal: AbortSignal;
    },
    done: (error: Error | null, answer: unknown) => void,
  ): void;
}

/** The largest description of an image that is read, in bytes. */
const MOST = 4 * 1024 * 1024;
/** In milliseconds. */
const TIMEOUT = 30_000;
/** A name with a registry, a tag, a digest, or an id: nothing that could lead to another path of Docker's API. */
const NAME = /^(?!.*\.\.)[\w][\w.:/@-]{0,511}$/;

/** Asks Docker about an image. Throws {@link ToolFailure}. */
export async function inspectImage(
  docker: DockerWire,
  name: string,
): Promise<ImageFacts> {
  if (!NAME.test(name)) {
    throw new ToolFailure(
      "usage",
      "IMAGE must be the name of an image, such as web:1.4.2",
    );
  }
  const body = await ask(docker, name);
  try {
    return read(name, new Fields(parseJson(body, MOST)));
  } catch (error) {
    if (error instanceof ShapeError) {
      throw new ToolFailure(
        "unreached",
        `what answers is no Docker: ${error.message}`,
      );
    }
    throw error;
  }
}

async function ask(docker: DockerWire, name: string): Promise<Buffer> {
  const signal = AbortSignal.timeout(TIMEOUT);
  try {
    const stream = await new Promise<unknown>((resolve, reject) => {
      docker.dial(
        {
          path: `/images/${name}/json`,
          method: "GET",
          isStream: true,
          statusCodes: { 200: true },
          abortSignal: signal,
        },
        (error, answer) => (error === null ? resolve(answer) : reject(error)),
      );
    });
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of stream as AsyncIterable<Uint8Array>) {
      size += chunk.length;
      if (size > MOST || signal.aborted) {
        throw new Error("too much");
      }
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } catch (error) {
    throw failureOf(name, error);
  }
}

function failureOf(name: string, error: unknown): ToolFailure {
  const of = (field: string): unknown =>
    error instanceof Error ? Reflect.get(error, field) : undefined;
  const status = of("statusCode");
  if (status === 404) {
    return new ToolFailure(
      "refused",
      `Docker has no image ${name} here: pull or build it first (docker pull ${name})`,
    );
  }
  if (typeof status === "number") {
    return new ToolFailure(
      "unreached",
      `Docker does not describe ${name}: it answered ${status}`,
    );
  }
  const code = of("code");
  const why =
    typeof code === "string" && /^[A-Z][A-Z_]{1,40}$/.test(code)
      ? code
      : "no whole answer";
  return new ToolFailure(
    "unreached",
    `Docker cannot be asked (${why}): start it, or name it by DOCKER_HOST; its socket must be yours to read`,
  );
}

function read(asked: string, fields: Fields): ImageFacts {
  const config = fields.optionalObject("Config") ?? new Fields({});
  const stopSignal = textOf(config, "StopSignal");
  const healthcheck = healthcheckOf(config);
  return {
    name: nameFor(asked, textOf(fields, "Id"), strings(fields, "RepoTags")),
    entrypoint: strings(config, "Entrypoint"),
    cmd: strings(config, "Cmd"),
    user: textOf(config, "User"),
    workingDir: textOf(config, "WorkingDir"),
    variables: strings(config, "Env").map((one) => one.replace(/=.*$/s, "")),
    ...(stopSignal === "" ? {} : { stopSignal }),
    ...(healthcheck === undefined ? {} : { healthcheck }),
    onBuild: strings(config, "OnBuild"),
    volumes: Object.keys(config.take("Volumes") ?? {}),
    os: textOf(fields, "Os"),
    architecture: textOf(fields, "Architecture"),
  };
}

/** An id, or the beginning of one, is good on this machine only: a name of the same image is not. */
function nameFor(asked: string, id: string, tags: readonly string[]): string {
  const [tag] = tags.filter((one) => !one.startsWith("<none>"));
  const isId =
    id.replace(/^sha256:/, "").startsWith(asked.replace(/^sha256:/, "")) &&
    !tags.includes(`${asked}:latest`);
  return isId ? (tag ?? asked) : asked;
}

function healthcheckOf(config: Fields): readonly string[] | undefined {
  const check = config.take("Healthcheck");
  if (check === undefined || check === null) {
    return undefined;
  }
  const test = strings(new Fields(check, "Config.Healthcheck"), "Test");
  return test.length === 0 || test[0] === "NONE" ? undefined : test;
}

/** Docker writes null, an empty list or nothing for what an image does not set. */
function strings(fields: Fields, name: string): string[] {
  const value = fields.take(name) ?? [];
  if (!Array.isArray(value) || !value.every((one) => typeof one === "string")) {
    throw new ShapeError(fields.place(name), "must be a list of texts");
  }
  return value;
}

function textOf(fields: Fields, name: string): string {
  const value = fields.take(name) ?? "";
  if (typeof value !== "string") {
    throw new ShapeError(fields.place(name), "must be text");
  }
  return value;
}
