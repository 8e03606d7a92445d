// `wrap`: what has to be written so that an image starts behind the entrypoint exactly as it starts without it. The trap
// is everybody's: entryPoint in a task definition drops the image's CMD, and ENTRYPOINT in a derived Dockerfile resets
// it, so both have to be written again. Pure: an image's facts in, texts out.

import { ToolFailure } from "./failure.ts";
import type { ImageFacts } from "./image.ts";
import { notesOn } from "./notes.ts";

/** Where the bundle is in a container; its loader is found by this very path. */
const FOLDER = "/vaultbuddy";
const ENTRYPOINT = `${FOLDER}/entrypoint`;
/** Where the image that carries the folder copies it to: not over itself. */
const TARGET = "/volume";
const VOLUME = "vaultbuddy";
/** How long to wait where another container depends on this one: ECS learns of a task that is still PENDING late. */
const LONG_WAIT = "90s";

/** What is asked for. */
export interface WrapOptions {
  /** What is to run in the place of the image's CMD; empty: the image's own. */
  readonly command: readonly string[];
  /** The image that carries the bundle. */
  readonly carrier: string;
  /** The container's name in the task definition. */
  readonly container: string;
  /** Another container of the task has a dependsOn on this one. */
  readonly dependedOn: boolean;
}

/** A part of a task definition, in the form that RegisterTaskDefinition takes. */
interface TaskDefinition {
  readonly containerDefinitions: readonly object[];
  readonly volumes?: readonly object[];
}

/** Both ways to put the entrypoint in front of an image. */
export interface Wrapped {
  readonly image: string;
  /** What runs, without the entrypoint and behind it. */
  readonly runs: readonly string[];
  readonly user: string;
  readonly workingDirectory: string;
  /** The folder in a volume that the task's containers share: the image stays as it is. */
  readonly volume: { readonly taskDefinition: TaskDefinition };
  /** The folder as a layer of an image made from this one. */
  readonly layer: {
    readonly image: string;
    readonly dockerfile: string;
    readonly taskDefinition: TaskDefinition;
  };
  readonly notes: readonly string[];
}

/** Works both out. Throws {@link ToolFailure} for an image that cannot be wrapped. */
export function wrap(facts: ImageFacts, options: WrapOptions): Wrapped {
  const { entrypoint } = facts;
  const cmd = options.command.length > 0 ? options.command : facts.cmd;
  const runs = [...entrypoint, ...cmd];
  refuseUnusable(facts, runs);
  const environment = options.dependedOn
    ? { environment: [{ name: "WIS_TIMEOUT", value: LONG_WAIT }] }
    : {};
  const container = {
    name: options.container,
    image: facts.name,
    dependsOn: [{ containerName: VOLUME, condition: "SUCCESS" }],
    entryPoint: [ENTRYPOINT, ...entrypoint],
    ...(cmd.length === 0 ? {} : { command: cmd }),
    ...(facts.user === "" ? {} : { user: facts.user }),
    ...(facts.workingDir === "" ? {} : { workingDirectory: facts.workingDir }),
    ...environment,
    mountPoints: [
      { sourceVolume: VOLUME, containerPath: FOLDER, readOnly: true },
    ],
  };
  const installer = {
    name: VOLUME,
    image: options.carrier,
    essential: false,
    memory: 32,
    readonlyRootFilesystem: true,
    mountPoints: [{ sourceVolume: VOLUME, containerPath: TARGET }],
  };
  const image = derivedName(facts.name);
  return {
    image: facts.name,
    runs,
    user: facts.user,
    workingDirectory: facts.workingDir,
    volume: {
      taskDefinition: {
        containerDefinitions: [installer, container],
        volumes: [{ name: VOLUME }],
      },
    },
    layer: {
      image,
      dockerfile: dockerfile(facts, cmd, options.carrier),
      taskDefinition: {
        containerDefinitions: [
          { name: options.container, image, ...environment },
        ],
      },
    },
    notes: notesOn(facts, cmd, options),
  };
}

function refuseUnusable(facts: ImageFacts, runs: readonly string[]): void {
  const { name, os, architecture, workingDir, user } = facts;
  if (os !== "" && os !== "linux") {
    throw new ToolFailure("refused", `${name} is for ${os}, not for Linux`);
  }
  if (!["", "amd64", "arm64"].includes(architecture)) {
    throw new ToolFailure(
      "refused",
      `${name} is for ${architecture}; the entrypoint is made for amd64 and arm64`,
    );
  }
  if (runs.length === 0) {
    throw new ToolFailure(
      "refused",
      `${name} has neither ENTRYPOINT nor CMD, so there is no command to keep: name it, vaultbuddy-entrypoint wrap ${name} COMMAND…`,
    );
  }
  if (runs[0] === ENTRYPOINT) {
    throw new ToolFailure(
      "refused",
      `${name} has ${ENTRYPOINT} in front of its command already`,
    );
  }
  if (/[\r\n]/.test(`${workingDir}${user}`)) {
    throw new ToolFailure(
      "refused",
      `${name} has a USER or WORKDIR with a line break, which no Dockerfile can hold`,
    );
  }
}

/** ENTRYPOINT comes before CMD for the reader; a builder resets only the CMD that was inherited. */
function dockerfile(
  { name, entrypoint, user, workingDir }: ImageFacts,
  cmd: readonly string[],
  carrier: string,
): string {
  return [
    `FROM ${name}`,
    `COPY --from=${carrier} ${FOLDER} ${FOLDER}`,
    ...(user === "" ? [] : [`USER ${literal(user)}`]),
    ...(workingDir === "" ? [] : [`WORKDIR ${literal(workingDir)}`]),
    `ENTRYPOINT ${JSON.stringify([ENTRYPOINT, ...entrypoint])}`,
    ...(cmd.length === 0 ? [] : [`CMD ${JSON.stringify(cmd)}`]),
    "",
  ].join("\n");
}

/** A word of a Dockerfile in which nothing is a variable, a quote or an escape. */
function literal(value: string): string {
  return value.replaceAll(/[\\$"']/g, "\\$&");
}

/** `web:1.4.2` becomes `web-vaultbuddy:1.4.2`; a digest, which is another image's, goes. */
function derivedName(name: string): string {
  const [, base = name, tag = ""] =
    /^(.*?)(:[\w.-]+)?(?:@[\w:]+)?$/.exec(name) ?? [];
  return `${base}-vaultbuddy${tag}`;
}
