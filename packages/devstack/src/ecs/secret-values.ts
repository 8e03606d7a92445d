// `secrets` of a container definition: values that ECS fetches from Secrets Manager or Parameter Store at start. Here
// they come from a map that a test fills, looked up as the two services read a `valueFrom`.

import type { TaskDefinition } from "./records.ts";

/**
 * For each container the values of its secrets, by variable. `values` is keyed by the whole `valueFrom`, or by a Secrets
 * Manager ARN without its `:json-key:stage:version`, whose value then is a JSON object. Throws with ECS's sentence, which
 * names what could not be had and never a value.
 */
export function resolveSecrets(
  definition: TaskDefinition,
  values: ReadonlyMap<string, string>,
): Map<string, Record<string, string>> {
  const found = new Map<string, Record<string, string>>();
  for (const { name, secrets = [] } of definition.containerDefinitions) {
    found.set(
      name,
      Object.fromEntries(
        secrets.map((one) => [one.name, valueOf(one.valueFrom, values)]),
      ),
    );
  }
  return found;
}

function valueOf(
  valueFrom: string,
  values: ReadonlyMap<string, string>,
): string {
  const whole = values.get(valueFrom);
  if (whole !== undefined) return whole;
  const parts =
    /^(arn:[^:]+:secretsmanager:[^:]*:[^:]*:secret:[^:]+):([^:]+):[^:]*:[^:]*$/.exec(
      valueFrom,
    );
  const [, secretArn = "", key = ""] = parts ?? [];
  const member = memberOf(values.get(secretArn), key);
  if (member === undefined) {
    throw new Error(
      `ResourceInitializationError: unable to pull secrets or registry auth: unable to retrieve secret ${valueFrom}: ResourceNotFoundException`,
    );
  }
  return member;
}

function memberOf(text: string | undefined, key: string): string | undefined {
  if (text === undefined) return undefined;
  let object: unknown;
  try {
    object = JSON.parse(text);
  } catch {
    return undefined;
  }
  const value: unknown =
    typeof object === "object" && object !== null
      ? Reflect.get(object, key)
      : undefined;
  return typeof value === "string" ? value : undefined;
}
