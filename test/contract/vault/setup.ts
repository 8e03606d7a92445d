// Which Vault the contract runs against: the stand-in, or the real one that VAULT_ADDR and VAULT_TOKEN name (a fresh
// dev-mode server). Time passes by itself there, and on command here. AppRole's answers depend on the release, which a
// real one tells.

import { setTimeout as delay } from "node:timers/promises";
import { expect } from "vitest";
import {
  approleReleases,
  approleTraits,
} from "../../../packages/devstack/src/vault/approle-release.ts";
import type {
  AppRoleRelease,
  AppRoleTraits,
} from "../../../packages/devstack/src/vault/approle-release.ts";
import { startVault } from "../../../packages/devstack/src/vault/server.ts";
import { ask, at } from "./client.ts";
import type { Answer, Ask } from "./client.ts";

export interface Subject {
  readonly addr: string;
  readonly root: string;
  /** True against the stand-in, which a test may break. */
  readonly ours: boolean;
  readonly approle: AppRoleTraits;
  pause(ms: number): Promise<void>;
  close(): Promise<void>;
}

/** The releases whose AppRole can be asked: of a real Vault only its own, under whichever name. */
export const knownReleases: readonly AppRoleRelease[] =
  process.env["VAULT_ADDR"] === undefined ? approleReleases : ["1.16"];

/** A real Vault's release is what it says itself; the stand-in is told. */
export async function openSubject(release: AppRoleRelease): Promise<Subject> {
  const { VAULT_ADDR: addr, VAULT_TOKEN: root } = process.env;
  if (addr !== undefined && root !== undefined)
    return {
      addr,
      root,
      ours: false,
      approle: approleTraits(await releaseOf(addr)),
      pause: (ms) => delay(ms),
      close: () => Promise.resolve(),
    };
  const vault = await startVault({ rootToken: "root", approle: release });
  return {
    addr: vault.addr,
    root: "root",
    ours: true,
    approle: approleTraits(release),
    pause: (ms) => {
      vault.advance(ms);
      return Promise.resolve();
    },
    close: () => vault.close(),
  };
}

/** The newest release that the server's version reaches. */
async function releaseOf(addr: string): Promise<AppRoleRelease> {
  const { json } = await ask(addr, { method: "GET", path: "sys/health" });
  const version = numberOf(String(at(json, "version")));
  return (
    approleReleases.findLast((known) => numberOf(known) <= version) ?? "1.8"
  );
}

function numberOf(version: string): number {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major * 1000 + minor;
}

/** What a test asks: `token` is root's unless it is named, null for none. */
export type Question = Omit<Ask, "method" | "path" | "token"> & {
  readonly token?: string | null;
};

export class Asker {
  readonly #subject: Subject;

  constructor(subject: Subject) {
    this.#subject = subject;
  }

  ask(
    method: string,
    path: string,
    { token, ...rest }: Question = {},
  ): Promise<Answer> {
    const sent = token === undefined ? this.#subject.root : token;
    return ask(this.#subject.addr, {
      method,
      path,
      ...rest,
      ...(sent !== null && { token: sent }),
    });
  }

  /** Asks and expects success; gives the parsed body. */
  async done(
    method: string,
    path: string,
    question?: Question,
  ): Promise<unknown> {
    const answer = await this.ask(method, path, question);
    expect(answer.status, `${method} ${path}: ${answer.text}`).toBeLessThan(
      300,
    );
    return answer.json;
  }

  /** Asks and expects this status and exactly this error. */
  async refused(
    method: string,
    path: string,
    status: number,
    error: string | undefined,
    question?: Question,
  ): Promise<void> {
    const answer = await this.ask(method, path, question);
    expect(
      { status: answer.status, body: answer.json },
      `${method} ${path}`,
    ).toEqual({
      status,
      body: { errors: error === undefined ? [] : [error] },
    });
  }

  async policy(name: string, policy: string): Promise<void> {
    await this.done("PUT", `sys/policies/acl/${name}`, { body: { policy } });
  }

  /** A new token by root, with its accessor. */
  async token(
    body: unknown,
    path = "auth/token/create",
    question: Question = {},
  ): Promise<Made> {
    const made = await this.done("POST", path, { ...question, body });
    return {
      id: String(at(made, "auth.client_token")),
      accessor: String(at(made, "auth.accessor")),
      auth: at(made, "auth"),
      warnings: at(made, "warnings"),
    };
  }

  async isAlive(accessor: string): Promise<boolean> {
    const { status } = await this.ask("POST", "auth/token/lookup-accessor", {
      body: { accessor },
    });
    return status === 200;
  }
}

export interface Made {
  readonly id: string;
  readonly accessor: string;
  readonly auth: unknown;
  readonly warnings: unknown;
}

/** How Vault shows an error of the code behind a path. */
export function listed(message: string): string {
  return `1 error occurred:\n\t* ${message}\n\n`;
}

export const denied = listed("permission denied");
