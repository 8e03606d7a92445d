// Step 4 of the broker: a claim becomes a response-wrapped token, under the policies of the task's family. The broker
// never sees the token itself. It is asked for once: an answer that got lost leaves a token nobody can name, so every
// token is made to die by itself soon after its wrapping, and the entrypoint renews it to its full life.
// https://developer.hashicorp.com/vault/api-docs/auth/token#create-token

import { Fields, Refusal, Secret } from "@vaultbuddy/common";
import type { Claim } from "./claim.ts";
import { VaultAway } from "./vault/transport.ts";
import type { VaultAnswer, VaultAsk } from "./vault/transport.ts";

/** How long a token outlives its wrapping when nobody renews it, in seconds. */
const GRACE = 30;

/** A wrapped token and what is known of it. Times in seconds. */
export interface Wrapped {
  readonly token: Secret;
  /** The wrapping token's accessor. */
  readonly wrapAccessor: string;
  /** The accessor of the token inside. */
  readonly accessor: string;
  readonly creationPath: string;
  readonly wrapTtl: number;
  /** The life the entrypoint renews it to. */
  readonly tokenTtl: number;
  /** The life it has unless renewed. */
  readonly firstTtl: number;
}

/** What minting needs of Vault. */
export interface MintDeps {
  readonly vault: { ask(ask: VaultAsk): Promise<VaultAnswer> };
  /** The broker's own token. Throws Refusal `sealed` when there is none. */
  readonly token: () => Secret;
  readonly tokenRole: string;
  /** Seconds. */
  readonly wrapTtl: number;
  /** Told when Vault refuses: the broker's token or the role wants looking at. */
  readonly refused: (
    status: number,
    what: { role: string; policies: readonly string[] },
  ) => void;
}

/** Vault answered that it makes no such token: the role, its policies or the broker's own policy want mending. */
class MintRefused extends Refusal<"vault_unavailable"> {}

/** Whether a failed mint certainly made nothing, so that it need not count against the container. */
export function madeNothing(error: unknown): boolean {
  return (
    error instanceof MintRefused ||
    (error instanceof VaultAway && error.didNothing) ||
    (error instanceof Refusal && error.code === "sealed")
  );
}

/** Has Vault make the token. Throws Refusal `vault_unavailable` or `sealed`. */
export async function mint(claim: Claim, deps: MintDeps): Promise<Wrapped> {
  const { rule } = claim.task;
  const role = rule.role ?? deps.tokenRole;
  const wrapTtl = rule.wrapTtl ?? deps.wrapTtl;
  const tokenTtl = rule.ttl;
  const firstTtl = Math.min(tokenTtl, wrapTtl + GRACE);
  const path = `auth/token/create/${role}`;
  const answer = await deps.vault.ask({
    method: "POST",
    path,
    token: deps.token(),
    wrapTtl,
    body: {
      policies: rule.policies,
      ttl: `${firstTtl}s`,
      explicit_max_ttl: `${tokenTtl}s`,
      renewable: true,
      num_uses: rule.numUses,
      display_name: claim.task.family,
      meta: {
        ...Object.fromEntries(rule.meta),
        task_arn: claim.task.taskArn,
        family: claim.task.family,
        container: claim.task.containerName,
      },
    },
  });
  if (answer.status !== 200) {
    deps.refused(answer.status, { role, policies: rule.policies });
    throw new MintRefused(
      "vault_unavailable",
      `Vault refused to make a token through the role ${role} (${answer.status}): check that the role exists, allows ` +
        "the rule's policies, and that the broker's own policy covers it",
    );
  }
  return readWrapped(answer.body, { path, wrapTtl, tokenTtl, firstTtl });
}

function readWrapped(
  body: unknown,
  asked: { path: string; wrapTtl: number; tokenTtl: number; firstTtl: number },
): Wrapped {
  try {
    const info = new Fields(body).object("wrap_info");
    const wrapped = {
      token: new Secret(info.text("token", { max: 1024 })),
      wrapAccessor: info.text("accessor", { max: 256 }),
      accessor: info.text("wrapped_accessor", { max: 256 }),
      creationPath: info.text("creation_path", { max: 512 }),
      wrapTtl: info.integer("ttl", 1, 3600),
      tokenTtl: asked.tokenTtl,
      firstTtl: asked.firstTtl,
    };
    if (
      wrapped.creationPath === asked.path &&
      wrapped.wrapTtl === asked.wrapTtl
    ) {
      return wrapped;
    }
  } catch {
    // Not the documented shape; refused below like one that is not what was asked for.
  }
  throw new Refusal(
    "vault_unavailable",
    "Vault's answer is not the wrapped token that was asked for; it ends by itself within " +
      `${asked.firstTtl} s: check what stands between the broker and Vault`,
  );
}
