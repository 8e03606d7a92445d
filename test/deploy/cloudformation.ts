// A CloudFormation template, read with its short forms (!Ref and the like), and what is wrong with it by AWS's own resource
// schemas: types, properties, values of the wrong kind, what is required and missing, and references to nothing.

import { loadAwsServiceSpec } from "@aws-cdk/aws-service-spec";
import { parseDocument, visit } from "yaml";
import type { CollectionTag, ScalarTag } from "yaml";

type Json = Readonly<Record<string, unknown>>;

/** A resource of a template. */
interface Resource {
  readonly Type: string;
  readonly Properties?: Json;
  readonly DependsOn?: string | readonly string[];
}

/** A template; each short form is its long one. */
export interface Template {
  readonly Metadata: {
    readonly "AWS::CloudFormation::Interface": {
      readonly ParameterGroups: readonly {
        readonly Parameters: readonly string[];
      }[];
    };
  };
  readonly Parameters: Readonly<Record<string, Json>>;
  readonly Resources: Readonly<Record<string, Resource>>;
  readonly Outputs?: Json;
}

/** The short forms used here, by their long names. */
const long: Readonly<Record<string, string>> = {
  "!Ref": "Ref",
  "!Sub": "Fn::Sub",
  "!GetAtt": "Fn::GetAtt",
  "!Select": "Fn::Select",
};

const tags = Object.entries(long).flatMap(
  ([tag, name]): (ScalarTag | CollectionTag)[] => [
    {
      tag,
      resolve: (value: string) => ({
        [name]: name === "Fn::GetAtt" ? value.split(".") : value,
      }),
    },
    {
      tag,
      collection: "seq",
      resolve: (sequence) => ({
        [name]: (sequence as unknown as { toJSON(): unknown }).toJSON(),
      }),
    },
  ],
);

/** Reads a template. Throws for what YAML or CloudFormation does not take, aliases among it. */
export function parseTemplate(text: string): Template {
  const document = parseDocument(text, { customTags: tags, uniqueKeys: true });
  const [error] = [...document.errors, ...document.warnings];
  if (error) throw error;
  visit(document, {
    Alias: (_key, { source }) => {
      throw new Error(`CloudFormation takes no YAML alias: *${source}`);
    },
  });
  return document.toJS() as Template;
}

type Spec = Awaited<ReturnType<typeof loadAwsServiceSpec>>;

/** Every fault, each as a sentence; empty when there is none. */
export async function faultsIn(template: Template): Promise<string[]> {
  const spec = await loadAwsServiceSpec();
  const faults: string[] = [];
  for (const [name, resource] of Object.entries(template.Resources)) {
    const known = spec.lookup(
      "resource",
      "cloudFormationType",
      "equals",
      resource.Type,
    );
    const [found] = known;
    if (found === undefined) {
      faults.push(`${name}: AWS has no ${resource.Type}`);
      continue;
    }
    const { properties } = found;
    faults.push(
      ...membersFaults(spec, resource.Properties ?? {}, properties, name),
    );
    for (const other of [resource.DependsOn ?? []].flat()) {
      if (!(other in template.Resources))
        faults.push(`${name} depends on ${other}, which is not there`);
    }
  }
  return [...faults, ...referenceFaults(spec, template)];
}

/** A type of the specification, as far as it is looked at. */
type SpecType = {
  readonly type: string;
  readonly element?: SpecType;
  readonly reference?: { readonly $ref: string };
  readonly types?: readonly SpecType[];
};

function membersFaults(
  spec: Spec,
  given: Json,
  known: Readonly<
    Record<string, { type: unknown; required?: boolean | undefined }>
  >,
  where: string,
): string[] {
  const faults = Object.entries(given).flatMap(([name, value]) => {
    const property = known[name];
    return property === undefined
      ? [`${where} has no ${name}`]
      : valueFaults(spec, value, property.type as SpecType, `${where}.${name}`);
  });
  const missing = Object.entries(known)
    .filter(([name, { required }]) => required === true && !(name in given))
    .map(([name]) => `${where} lacks ${name}`);
  return [...faults, ...missing];
}

function valueFaults(
  spec: Spec,
  value: unknown,
  type: SpecType,
  where: string,
): string[] {
  // What a function gives is known to CloudFormation only.
  if (isFunction(value)) return [];
  const wrong = [`${where} is no ${type.type}`];
  switch (type.type) {
    case "string":
    case "date-time":
      return typeof value === "string" ? [] : wrong;
    case "number":
    case "integer":
      return typeof value === "number" ? [] : wrong;
    case "boolean":
      return typeof value === "boolean" ? [] : wrong;
    case "array":
      return Array.isArray(value)
        ? value.flatMap((one, index) =>
            valueFaults(
              spec,
              one,
              type.element ?? { type: "json" },
              `${where}[${index}]`,
            ),
          )
        : wrong;
    case "map":
      return isObject(value)
        ? Object.entries(value).flatMap(([key, one]) =>
            valueFaults(
              spec,
              one,
              type.element ?? { type: "json" },
              `${where}.${key}`,
            ),
          )
        : wrong;
    case "ref":
      return isObject(value)
        ? membersFaults(
            spec,
            value,
            spec.get("typeDefinition", type.reference?.$ref ?? "").properties,
            where,
          )
        : wrong;
    case "union": {
      const each = (type.types ?? []).map((one) =>
        valueFaults(spec, value, one, where),
      );
      return each.find((faults) => faults.length === 0) ?? each[0] ?? wrong;
    }
    case "tag":
      return isObject(value) && "Key" in value && "Value" in value ? [] : wrong;
    case "json":
      return [];
    default:
      return [`${where} is of a type that is not checked here: ${type.type}`];
  }
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isFunction(value: unknown): boolean {
  return (
    isObject(value) &&
    Object.keys(value).length === 1 &&
    Object.values(long).includes(Object.keys(value)[0] ?? "")
  );
}

function referenceFaults(spec: Spec, template: Template): string[] {
  const faults: string[] = [];
  const used = new Set<string>();
  const refer = (name: string): void => {
    used.add(name);
    if (
      !name.startsWith("AWS::") &&
      !(name in template.Parameters) &&
      !(name in template.Resources)
    )
      faults.push(`there is no ${name} to refer to`);
  };
  const look = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      if (key === "Ref") refer(String(inner));
      else if (key === "Fn::Sub")
        for (const [, name = ""] of String(inner).matchAll(/\$\{([^}]+)\}/g))
          refer(name);
      else if (key === "Fn::GetAtt") {
        const [name = "", ...attribute] = inner as string[];
        refer(name);
        faults.push(
          ...attributeFaults(
            spec,
            template.Resources[name],
            `${name}.${attribute.join(".")}`,
          ),
        );
      } else look(inner);
    }
  };
  look(template.Resources);
  look(template.Outputs);
  for (const name of Object.keys(template.Parameters)) {
    if (!used.has(name)) faults.push(`nothing uses the parameter ${name}`);
  }
  return faults;
}

function attributeFaults(
  spec: Spec,
  resource: Resource | undefined,
  what: string,
): string[] {
  if (resource === undefined) return [];
  const known = spec.lookup(
    "resource",
    "cloudFormationType",
    "equals",
    resource.Type,
  );
  const attribute = what.slice(what.indexOf(".") + 1);
  return known.length === 1 && attribute in (known[0]?.attributes ?? {})
    ? []
    : [`${what}: ${resource.Type} has no such attribute`];
}
