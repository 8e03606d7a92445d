// The deployment's files say what their tools take and what the product is: CloudFormation against AWS's resource schemas,
// Terraform against the providers', task definitions against ECS's own shapes, policies against AWS's list of actions; and
// what stands in several places is the same in all of them. That containers really start from them is in
// deploy-installed.test.ts.

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { settings as agentSettings } from "../agent/src/config.ts";
import { serveSettings } from "../broker/src/settings.ts";
import { brokerPolicy } from "../packages/devstack/src/stack/vault-setup.ts";
import * as cloudFormation from "./deploy/cloudformation.ts";
import * as ecs from "./deploy/ecs-schema.ts";
import {
  statementsIn,
  templateStatements,
  terraformStatements,
} from "./deploy/iam.ts";
import type { Statement } from "./deploy/iam.ts";
import * as terraform from "./deploy/terraform.ts";
import type { TerraformSchema } from "./deploy/terraform-schema.ts";

const root = fileURLToPath(new URL("../", import.meta.url));
const text = (path: string): string => readFileSync(root + path, "utf8");
const json = (path: string): unknown => JSON.parse(text(path));
const template = text("deploy/cloudformation/vaultbuddy.yaml");

describe("CloudFormation", () => {
  test("the template is what AWS's resource schemas take", async () => {
    expect(
      await cloudFormation.faultsIn(cloudFormation.parseTemplate(template)),
    ).toEqual([]);
  });

  test("its parameters are shown in groups, each once", () => {
    const { Metadata, Parameters } = cloudFormation.parseTemplate(template);
    const { ParameterGroups } = Metadata["AWS::CloudFormation::Interface"];
    expect(
      ParameterGroups.flatMap((group) => group.Parameters).toSorted(),
    ).toEqual(Object.keys(Parameters).toSorted());
  });

  test("the check finds what is wrong", async () => {
    const wrong = template
      .replace("DesiredCount: !Ref BrokerCount", "DesiredCount: one")
      .replace("RetentionInDays", "RetentionInMonths")
      .replace("AWS::EFS::AccessPoint", "AWS::EFS::AccessPoints")
      .replace("!GetAtt BrokerName.Arn", "!GetAtt BrokerName.Address")
      .replace("!Ref VaultCidr", "!Ref VaultNetwork")
      .replace("      GroupDescription: VaultBuddy ledger\n", "");
    expect(
      await cloudFormation.faultsIn(cloudFormation.parseTemplate(wrong)),
    ).toEqual(
      expect.arrayContaining([
        "BrokerService.DesiredCount is no integer",
        "BrokerLogs has no RetentionInMonths",
        "LedgerAccessPoint: AWS has no AWS::EFS::AccessPoints",
        "BrokerName.Address: AWS::ServiceDiscovery::Service has no such attribute",
        "there is no VaultNetwork to refer to",
        "LedgerSecurityGroup lacks GroupDescription",
      ]),
    );
  });

  test("a YAML alias, which CloudFormation does not take, is refused", () => {
    expect(() =>
      cloudFormation.parseTemplate("Resources: { A: &a {}, B: *a }"),
    ).toThrow("no YAML alias");
  });
});

describe("Terraform", () => {
  const schema = json("test/deploy/schema/terraform.json") as TerraformSchema;

  test.each(["deploy/terraform", "deploy/vault/terraform"])(
    "%s is what the providers take",
    async (folder) => {
      expect(
        terraform.faultsIn(
          await terraform.readTerraform(root + folder),
          schema,
        ),
      ).toEqual([]);
    },
  );

  test("the check finds what is wrong", () => {
    const faults = terraform.faultsIn(
      {
        resource: {
          aws_efs_access_point: {
            ledger: [
              {
                posix_user: [{ uid: "nobody", group: 1 }],
                tags: "${var.tags}",
              },
            ],
          },
          aws_security_group: {
            one: [
              {
                vpc: "${aws_vpc.main.id}",
                name: "${aws_efs_access_point.ledger.address}",
              },
            ],
          },
          aws_toaster: { one: [{}] },
        },
        data: {},
        variable: { unused: [{}] },
        output: {},
        locals: [{}],
      },
      schema,
    );
    expect(faults).toEqual([
      "aws_efs_access_point.ledger.posix_user.uid is no number",
      "aws_efs_access_point.ledger.posix_user has no group",
      "aws_efs_access_point.ledger.posix_user lacks gid",
      "aws_efs_access_point.ledger lacks file_system_id",
      "aws_security_group.one has no vpc",
      "no schema of resource aws_toaster: cut it anew",
      "there is no variable tags",
      "there is no resource aws_vpc.main",
      "aws_efs_access_point.ledger has no address",
      "nothing uses the variable unused",
    ]);
  });
});

describe("ECS", () => {
  const files = readdirSync(`${root}deploy/ecs`);

  test.each(files)("%s has the shape that ECS's API takes", (file) => {
    const shape = file.endsWith("-service.json")
      ? "CreateServiceRequest"
      : "RegisterTaskDefinitionRequest";
    expect(ecs.faultsIn(json(`deploy/ecs/${file}`), shape)).toEqual([]);
  });

  test("the check finds what is wrong", () => {
    expect(
      ecs.faultsIn(
        {
          family: 1,
          networkmode: "awsvpc",
          containerDefinitions: [
            {
              name: "app",
              command: "node",
              portMappings: [{ containerPort: "80" }],
            },
          ],
        },
        "RegisterTaskDefinitionRequest",
      ),
    ).toEqual([
      "RegisterTaskDefinitionRequest.family is no string",
      "RegisterTaskDefinitionRequest has no networkmode",
      "RegisterTaskDefinitionRequest.containerDefinitions[0].command is no list",
      "RegisterTaskDefinitionRequest.containerDefinitions[0].portMappings[0].containerPort is no number",
    ]);
  });
});

describe("policies for AWS", () => {
  const known = json("test/deploy/schema/iam.json") as {
    actions: Record<string, { resources: string[]; conditions: string[] }>;
  };

  async function all(): Promise<[string, Statement][]> {
    const found = {
      ...(await terraformStatements(`${root}deploy/terraform`)),
      ...templateStatements(template),
      ...statementsIn(
        Object.fromEntries(
          readdirSync(`${root}deploy/iam`).map((file) => [
            file,
            json(`deploy/iam/${file}`),
          ]),
        ),
      ),
    };
    return Object.entries(found).flatMap(([name, statements]) =>
      statements.map((one): [string, Statement] => [name, one]),
    );
  }

  test("allow only actions that AWS has, on named resources wherever AWS lets them be named", async () => {
    for (const [name, { effect, actions, resources }] of await all()) {
      if (effect === "Deny") continue;
      for (const action of actions) {
        const about = known.actions[action];
        expect(about, `${name}: ${action}`).toBeDefined();
        if (action !== "sts:AssumeRole" && resources.includes("*"))
          expect(about?.resources, `${name}: ${action} on *`).toEqual([]);
      }
    }
  });

  test("ask for conditions that AWS knows for their actions", async () => {
    for (const [name, { effect, actions, conditions }] of await all()) {
      for (const condition of conditions.filter(
        (key) => !key.startsWith("aws:"),
      )) {
        for (const action of actions)
          expect(
            known.actions[action]?.conditions,
            `${name}: ${action} ${effect}`,
          ).toContain(condition);
      }
    }
  });

  test("are the same in CloudFormation and in Terraform, and for the broker what the README says", async () => {
    const ofTerraform = await terraformStatements(`${root}deploy/terraform`);
    const ofTemplate = templateStatements(template);
    const actions = (
      ...statements: readonly (Statement[] | undefined)[]
    ): string[] =>
      [...new Set(statements.flat().flatMap((one) => one?.actions ?? []))]
        .filter((one) => one !== "sts:AssumeRole")
        .toSorted();
    const broker = actions(ofTemplate["BrokerTaskRole"]);
    expect(broker).toEqual(actions(ofTerraform["broker"]));
    expect(actions(ofTemplate["BrokerExecutionRole"])).toEqual(
      actions(ofTerraform["start"]),
    );
    const readme = [
      ...new Set(text("README.md").match(/\b(ecs|ec2):Describe\w+/g)),
    ].toSorted();
    expect(broker.filter((one) => /^(ecs|ec2):/.test(one))).toEqual(readme);
  });

  test("let the agent do nothing but start", () => {
    const { AgentTask } = cloudFormation.parseTemplate(template).Resources;
    expect(AgentTask?.Properties).not.toHaveProperty("TaskRoleArn");
    expect(json("deploy/ecs/agent.json")).not.toHaveProperty("taskRoleArn");
    const statements = templateStatements(template)["AgentExecutionRole"] ?? [];
    expect(statements.flatMap((one) => one.actions)).not.toContain(
      "secretsmanager:GetSecretValue",
    );
  });
});

describe("the network", () => {
  const rules = Object.entries(
    cloudFormation.parseTemplate(template).Resources,
  ).flatMap(([name, { Type, Properties = {} }]) => {
    if (Type === "AWS::EC2::SecurityGroup")
      return (["SecurityGroupIngress", "SecurityGroupEgress"] as const).flatMap(
        (way) =>
          ((Properties[way] ?? []) as Record<string, unknown>[]).map(
            (rule) => ({ name, way, rule }),
          ),
      );
    return Type.startsWith("AWS::EC2::SecurityGroup")
      ? [{ name, way: Type.slice("AWS::EC2::".length), rule: Properties }]
      : [];
  });

  test("is open to everywhere on no way in, and out to AWS alone", () => {
    const everywhere = rules.filter(
      ({ rule }) => rule["CidrIp"] === "0.0.0.0/0",
    );
    expect(
      everywhere.map(({ name, way, rule }) => [name, way, rule["FromPort"]]),
    ).toEqual([["BrokerSecurityGroup", "SecurityGroupEgress", 443]]);
  });

  test("has a way out for each way in among its own", () => {
    const ends = (wanted: string): unknown[] =>
      rules
        .filter(({ way, rule }) => way === wanted && !("CidrIp" in rule))
        .map(({ name, rule }) => {
          const own = rule["GroupId"] ?? { Ref: name };
          const other =
            rule["SourceSecurityGroupId"] ?? rule["DestinationSecurityGroupId"];
          const [from, to] =
            wanted === "SecurityGroupIngress" ? [other, own] : [own, other];
          return JSON.stringify([from, to, rule["FromPort"], rule["ToPort"]]);
        })
        .toSorted();
    expect(ends("SecurityGroupEgress")).toEqual(ends("SecurityGroupIngress"));
    expect(ends("SecurityGroupEgress")).toHaveLength(6);
  });
});

describe("Vault", () => {
  const policy = text("deploy/vault/broker-policy.hcl");

  test("the broker's policy is the same in its file, in the README and in the stand-ins' set-up", () => {
    const [, readme] =
      /vault policy write vaultbuddy-broker - <<'EOF'\n([\s\S]*?)\n *EOF/.exec(
        text("README.md"),
      ) ?? [];
    expect(readme?.replaceAll(/^ +/gm, "")).toBe(policy.trim());
    expect(brokerPolicy.trim()).toBe(policy.trim());
  });

  test("setup.sh and Terraform take it from its file", () => {
    expect(text("deploy/vault/setup.sh")).toContain("broker-policy.hcl");
    expect(text("deploy/vault/terraform/main.tf")).toContain(
      'file("${path.module}/../broker-policy.hcl")',
    );
  });

  test("the token role is the same in setup.sh and in the README", () => {
    const role = (source: string): string[] => {
      const [, words = ""] =
        /vault write "?auth\/token\/roles\/\S+ ((?:.*\\\n)*.*)/.exec(source) ??
        [];
      return words
        .split(/[\s\\"]+/)
        .filter(
          (word) =>
            /^[a-z_]+=/.test(word) && !word.startsWith("allowed_policies="),
        )
        .toSorted();
    };
    expect(role(text("deploy/vault/setup.sh"))).toHaveLength(4);
    expect(role(text("deploy/vault/setup.sh"))).toEqual(
      role(text("README.md")),
    );
  });

  test("setup.sh and Terraform set the same", async () => {
    const { resource } = await terraform.readTerraform(
      `${root}deploy/vault/terraform`,
    );
    const [role] =
      resource["vault_token_auth_backend_role"]?.["vaultbuddy"] ?? [];
    expect(role).toMatchObject({
      orphan: true,
      renewable: true,
      token_no_default_policy: false,
      token_explicit_max_ttl: 24 * 3600,
    });
    for (const type of [
      "vault_approle_auth_backend_role",
      "vault_aws_auth_backend_role",
    ]) {
      expect(resource[type]?.["broker"]?.[0], type).toMatchObject({
        token_ttl: 20 * 60,
        token_max_ttl: 24 * 3600,
      });
    }
    expect(
      text("deploy/vault/setup.sh").match(
        /token_policies=vaultbuddy-broker token_ttl=20m token_max_ttl=24h/g,
      ),
    ).toHaveLength(2);
  });
});

interface Service {
  readonly image: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly ports?: readonly string[];
}

describe("docker-compose.yml", () => {
  const { services } = parse(text("docker-compose.yml"), { merge: true }) as {
    services: Record<string, Service>;
  };

  test("every container of ours is read-only and without capabilities", () => {
    for (const [name, service] of Object.entries(services)) {
      if (name !== "vault")
        expect(service, name).toMatchObject({
          read_only: true,
          cap_drop: ["ALL"],
        });
    }
  });

  test("what looks like a secret in it says that it is an example", () => {
    for (const { environment = {} } of Object.values(services)) {
      for (const [name, value] of Object.entries(environment)) {
        if (/TOKEN|SECRET|KEY|PASSWORD/.test(name) && !name.endsWith("_FILE"))
          expect(value, name).toMatch(/compose/i);
      }
    }
  });

  test("nothing is published beyond this machine", () => {
    for (const { ports = [] } of Object.values(services)) {
      for (const port of ports)
        expect(port).toMatch(/^\$\{HOST_ADDRESS:-172\.17\.0\.1\}:/);
    }
  });
});

test("every setting that the deployment gives to a daemon is one that it has", () => {
  const known = {
    broker: Object.values(serveSettings).map((setting) => setting.env),
    agent: Object.values(agentSettings).map((setting) => setting.env),
  };
  const compose = parse(text("docker-compose.yml"), { merge: true }) as {
    services: Record<string, Service>;
  };
  for (const daemon of ["broker", "agent"] as const) {
    const definition = json(`deploy/ecs/${daemon}.json`) as {
      containerDefinitions: {
        name: string;
        environment?: { name: string }[];
      }[];
    };
    const { ContainerDefinitions = [] } = (cloudFormation.parseTemplate(
      template,
    ).Resources[daemon === "broker" ? "BrokerTask" : "AgentTask"]?.Properties ??
      {}) as {
      ContainerDefinitions?: {
        Name: string;
        Environment?: { Name: string }[];
      }[];
    };
    const ofEcs =
      definition.containerDefinitions
        .find(({ name }) => name === daemon)
        ?.environment?.map(({ name }) => name) ?? [];
    const ofTemplate =
      ContainerDefinitions.find(
        ({ Name }) => Name === daemon,
      )?.Environment?.map(({ Name }) => Name) ?? [];
    expect(
      ofTemplate,
      "CloudFormation and the task definition say the same",
    ).toEqual(ofEcs);
    const terraformText = text("deploy/terraform/tasks.tf");
    for (const name of ofEcs)
      expect(terraformText, "Terraform too").toContain(`"${name}"`);
    for (const name of [
      ...ofEcs,
      ...Object.keys(compose.services[daemon]?.environment ?? {}),
    ]) {
      if (!name.startsWith("AWS_")) expect(known[daemon], name).toContain(name);
    }
  }
});

describe("docs/install.md", () => {
  const install = text("docs/install.md");

  test("names no file that is not there", () => {
    const named = [
      ...install.matchAll(
        /(?:deploy|packages|test)\/[\w./-]*\w|docker-compose[\w.]*\.yml/g,
      ),
    ].map(([path]) => path);
    expect(named.length).toBeGreaterThan(15);
    expect(named.filter((path) => !existsSync(root + path))).toEqual([]);
  });

  test("gives CloudFormation every parameter that has no default, and no other than it has", () => {
    const { Parameters } = cloudFormation.parseTemplate(template);
    const [command = ""] =
      /aws cloudformation deploy(?:.*\\\n)*.*/.exec(install) ?? [];
    const given = [...command.matchAll(/ (\w+)=/g)].map(
      ([, name = ""]) => name,
    );
    const needed = Object.keys(Parameters).filter(
      (name) => !("Default" in (Parameters[name] ?? {})),
    );
    expect(given).toEqual(expect.arrayContaining(needed));
    expect(given.filter((name) => !(name in Parameters))).toEqual([]);
  });
});

test("nothing in the deployment names a machine, or a registry of ours", () => {
  const files = [
    "docker-compose.yml",
    "docker-compose.standin.yml",
    "docker-compose.proxy.yml",
    ...readdirSync(`${root}deploy`, { recursive: true, encoding: "utf8" }).map(
      (path) => `deploy/${path}`,
    ),
  ];
  const registries =
    /[\w-]+\.dkr\.ecr|\b(?:ghcr|quay|gcr|docker)\.io\b|\/(?:home|work|Users)\//g;
  const found = files
    .filter((path) => statSync(root + path).isFile())
    .flatMap((path) => text(path).match(registries) ?? []);
  expect([...new Set(found)]).toEqual(["123456789012.dkr.ecr"]);
});
