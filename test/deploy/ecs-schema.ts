// What ECS's API takes, by the AWS SDK's own description of its shapes: members and kinds, as the service's model has them.

import * as sdk from "@aws-sdk/client-ecs";

/** A shape as the SDK holds it: `[kind, namespace, name, traits, …]`, or the number of a simple kind. */
type Shape = unknown;

const simple: Readonly<Record<number, string>> = {
  0: "string",
  1: "number",
  2: "boolean",
};
const LIST = 64;
const MAP = 128;

/** Every fault of `value` as the shape `name` of ECS's API, each as a sentence; empty when there is none. */
export function faultsIn(value: unknown, name: string): string[] {
  const shape: unknown = Reflect.get(sdk, `${name}$`);
  if (shape === undefined) throw new Error(`the SDK has no shape ${name}`);
  return look(value, shape, name);
}

function look(value: unknown, given: Shape, where: string): string[] {
  const shape: unknown =
    typeof given === "function" ? (given as () => Shape)() : given;
  if (typeof shape === "number") {
    if (shape >= MAP) return mapOf(value, shape - MAP, where);
    if (shape >= LIST) return listOf(value, shape - LIST, where);
    return typeof value === simple[shape]
      ? []
      : [`${where} is no ${simple[shape] ?? `kind ${shape}`}`];
  }
  if (!Array.isArray(shape))
    throw new Error(
      `${where}: the SDK describes this in a way that is not read here`,
    );
  // A member with traits of its own is wrapped.
  if (typeof shape[0] !== "number" || shape.length === 2)
    return look(value, shape[0], where);
  switch (shape[0]) {
    case 1:
      return listOf(value, shape[4], where);
    case 2:
      return mapOf(value, shape[5], where);
    case 3:
      return members(value, shape[4] as string[], shape[5] as Shape[], where);
    default:
      throw new Error(
        `${where}: a shape of kind ${String(shape[0])} is not read here`,
      );
  }
}

function members(
  value: unknown,
  names: readonly string[],
  shapes: readonly Shape[],
  where: string,
): string[] {
  if (!isObject(value)) return [`${where} is no object`];
  return Object.entries(value).flatMap(([name, one]) => {
    const at = names.indexOf(name);
    return at < 0
      ? [`${where} has no ${name}`]
      : look(one, shapes[at], `${where}.${name}`);
  });
}

function listOf(value: unknown, shape: Shape, where: string): string[] {
  return Array.isArray(value)
    ? value.flatMap((one, index) => look(one, shape, `${where}[${index}]`))
    : [`${where} is no list`];
}

function mapOf(value: unknown, shape: Shape, where: string): string[] {
  return isObject(value)
    ? Object.entries(value).flatMap(([key, one]) =>
        look(one, shape, `${where}.${key}`),
      )
    : [`${where} is no object`];
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
