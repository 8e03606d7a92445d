// The policies of deploy/, as statements, from Terraform and from CloudFormation alike, so that both can be held against
// AWS's own list of actions and against each other.

import { parseTemplate } from "./cloudformation.ts";
import { readTerraform } from "./terraform.ts";

/** One statement, with its conditions' keys. */
export interface Statement {
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  readonly conditions: readonly string[];
  readonly effect: "Allow" | "Deny";
}

const list = (value: unknown): string[] =>
  (Array.isArray(value) ? value : value === undefined ? [] : [value]).map(
    (one) => (typeof one === "string" ? one : JSON.stringify(one)),
  );

/** The statements of the policy documents of a Terraform module, by the document's name. */
export async function terraformStatements(
  folder: string,
): Promise<Record<string, Statement[]>> {
  const { data } = await readTerraform(folder);
  const found: Record<string, Statement[]> = {};
  for (const [name, bodies] of Object.entries(
    data["aws_iam_policy_document"] ?? {},
  )) {
    found[name] = bodies.flatMap((body) => {
      const dynamic = (body["dynamic"] ?? {}) as Record<
        string,
        { content: unknown[] }[]
      >;
      const statements = [
        ...((body["statement"] ?? []) as Record<string, unknown>[]),
        ...Object.values(dynamic)
          .flat()
          .flatMap((one) => one.content as Record<string, unknown>[]),
      ];
      return statements.map((one) => ({
        effect: one["effect"] === "Deny" ? "Deny" : "Allow",
        actions: list(one["actions"]),
        resources: list(one["resources"]),
        conditions: ((one["condition"] ?? []) as { variable: string }[]).map(
          ({ variable }) => variable,
        ),
      }));
    });
  }
  return found;
}

/** The statements of a CloudFormation template's policies, by the resource. */
export function templateStatements(text: string): Record<string, Statement[]> {
  return statementsIn(parseTemplate(text).Resources);
}

/** The statements of policies anywhere in JSON, by the member that they are in. */
export function statementsIn(
  whole: Readonly<Record<string, unknown>>,
): Record<string, Statement[]> {
  const found: Record<string, Statement[]> = {};
  const visit = (value: unknown, name: string): void => {
    if (typeof value !== "object" || value === null) return;
    const { Statement: statements } = value as { Statement?: unknown };
    if (Array.isArray(statements)) {
      (found[name] ??= []).push(
        ...statements.map((one: Record<string, unknown>): Statement => ({
          effect: one["Effect"] === "Deny" ? "Deny" : "Allow",
          actions: list(one["Action"]),
          resources: list(one["Resource"]),
          conditions: Object.values(
            (one["Condition"] ?? {}) as Record<string, object>,
          ).flatMap((test) => Object.keys(test)),
        })),
      );
    }
    for (const inner of Object.values(value)) visit(inner, name);
  };
  for (const [name, part] of Object.entries(whole)) visit(part, name);
  return found;
}

/** All actions of statements. */
export function actionsOf(
  statements: Readonly<Record<string, readonly Statement[]>>,
): string[] {
  return Object.values(statements)
    .flat()
    .flatMap(({ actions }) => actions)
    .filter((action) => action !== "*");
}
