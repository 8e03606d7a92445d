// The forms in which a family's key reaches its containers: a file of the host that is mounted, a secret of Compose, or a
// secret in Secrets Manager that ECS puts into the environment. Pure: names and texts in, files and advice out.

import { join, resolve } from "node:path";
import type { KeyFile } from "./write.ts";

export type Form = "host" | "compose" | "ecs";

/** A family and its key as text. */
export interface FamilyText {
  readonly family: string;
  readonly kid: string;
  readonly key: string;
}

/** What to write, and what to do with it. */
export interface Written {
  readonly files: readonly KeyFile[];
  /** Lines without a key. */
  readonly advice: readonly string[];
}

/** Where and for whom. */
export interface Target {
  /** The directory. */
  readonly out: string;
  readonly account: string;
}

/** The files of a form. */
export function filesFor(
  form: Form,
  families: readonly FamilyText[],
  target: Target,
): Written {
  return forms[form](families, target);
}

const forms: Readonly<
  Record<Form, (families: readonly FamilyText[], target: Target) => Written>
> = { host: onHost, compose: forCompose, ecs: forEcs };

function onHost(families: readonly FamilyText[], { out }: Target): Written {
  return {
    files: families.map(({ family, key }) => ({
      path: keyPath(out, family),
      mode: 0o400,
      text: `${key}\n`,
    })),
    advice: [
      `mount ${join(out, "FAMILY.key")} read-only and name it in WIS_HMAC_KEY_FILE; only its owner can read it, so that it must belong to the user the container runs as`,
    ],
  };
}

function forCompose(families: readonly FamilyText[], target: Target): Written {
  const name = (family: string): string => JSON.stringify(`wis-key-${family}`);
  const lines = [
    "# Each service gets the key of the family of its name: rename the services to yours, and use it beside your own",
    "# file: docker-compose -f docker-compose.yml -f compose.keys.yml up. There is no key in here.",
    "services:",
    ...families.flatMap(({ family }) => [
      `  ${JSON.stringify(family)}:`,
      "    environment:",
      `      WIS_HMAC_KEY_FILE: ${JSON.stringify(`/run/secrets/wis-key-${family}`)}`,
      "    secrets:",
      `      - ${name(family)}`,
    ]),
    "secrets:",
    ...families.flatMap(({ family }) => [
      `  ${name(family)}:`,
      // Compose takes a relative one to be beside the first file of its command line.
      `    file: ${JSON.stringify(resolve(keyPath(target.out, family)))}`,
    ]),
  ];
  const path = join(target.out, "compose.keys.yml");
  return {
    files: [
      ...onHost(families, target).files,
      { path, mode: 0o600, text: `${lines.join("\n")}\n` },
    ],
    advice: [
      `add ${path} to your Compose files; Compose mounts each key as it is, so that it must belong to the user the container runs as`,
    ],
  };
}

/** Inputs of `aws secretsmanager create-secret` and, when a key is exchanged, `put-secret-value`. */
function forEcs(
  families: readonly FamilyText[],
  { out, account }: Target,
): Written {
  const files = families.flatMap(({ family, kid, key }) => {
    const name = `${family}-wis-key`;
    const create = {
      Name: name,
      Description: `VaultBuddy: key of the task definition family ${family} in account ${account}`,
      SecretString: key,
      Tags: [{ Key: "vaultbuddy-kid", Value: kid }],
    };
    const put = { SecretId: name, SecretString: key };
    return [
      file(join(out, `${family}.create-secret.json`), create),
      file(join(out, `${family}.put-secret-value.json`), put),
    ];
  });
  const input = (action: string): string =>
    `aws secretsmanager ${action} --cli-input-json file://${join(out, `FAMILY.${action}.json`)}`;
  return {
    files,
    advice: [
      `first: ${input("create-secret")}; the ARN it answers is the valueFrom of WIS_HMAC_KEY in the task definition's secrets`,
      `to exchange a key: ${input("put-secret-value")}; tasks that start from then on get it`,
      `then remove ${out}: whoever reads it holds the keys`,
    ],
  };
}

function file(path: string, value: unknown): KeyFile {
  return {
    path,
    mode: 0o600,
    text: `${JSON.stringify(value, undefined, 2)}\n`,
  };
}

function keyPath(out: string, family: string): string {
  return join(out, `${family}.key`);
}
