// The delivery, once for nothing, while it waits for the real one: every function is compiled at its first call, and the
// first calls of a delivery would take half of the time it takes. All of it is made up, key and secrets too, and nothing
// leaves the process: Vault is a few lines at the other end of a pair of streams.

import { createServer } from "node:http";
import type { RequestListener } from "node:http";
import type { Socket } from "node:net";
import { duplexPair } from "node:stream";
import {
  accessorHash,
  familyKey,
  Secret,
  SecretBytes,
  signJws,
  writeDelivery,
} from "@vaultbuddy/common";
import type { Clock, Delivery } from "@vaultbuddy/common";
import { appEnvironment } from "./environ.ts";
import { openLog } from "./log.ts";
import { assemble, needsOf } from "./plan.ts";
import { readAll, renew } from "./read.ts";
import { Reception } from "./receive.ts";
import { unwrap } from "./unwrap.ts";
import { Vault } from "./vault.ts";
import { judge, openDelivery } from "./verify.ts";

const ADDR = "http://rehearsal";
const PATH = "secret/rehearsal";
const ROLE = "auth/token/create/rehearsal";
const TTL = 60;
const self = {
  taskArn:
    "arn:aws:ecs:us-east-1:123456789012:task/rehearsal/00000000000000000000000000000000",
  containerName: "rehearsal",
  containerId: "rehearsal",
};
const own = {
  secrets: [],
  references: new Map(),
  prefix: "",
  uppercase: false,
};
const nothing = { sources: [], ciphertexts: [] };

/** The port is open and the rest of the start comes first, in milliseconds; a delivery takes longer to come. */
const PAUSE = 20;

/** Goes through a delivery up to the command's environment. Rejects where something did not go as in a real one. */
export async function rehearse(clock: Clock): Promise<void> {
  await clock.sleep(PAUSE);
  const log = openLog("error", () => undefined);
  const iat = Math.floor(clock.now() / 1000);
  const seconds = (): number => iat;
  const vault = new Vault({ addr: ADDR }, log, () => openPair(answer(iat)));
  try {
    const key = familyKey(new SecretBytes(Buffer.alloc(32)));
    const { signal } = new AbortController();
    const reception = new Reception({
      open: (bytes) => openDelivery(bytes, key),
      stray: "reject",
      patience: { grant: () => undefined, giveBack: () => undefined },
      log,
      judge: async (delivery) =>
        judge(delivery, { self, vault: { addr: ADDR }, now: iat }),
      unwrap: (verified) => unwrap(verified, vault, seconds, log, signal),
    });
    const bytes = signJws(writeDelivery(madeUp(iat)), [key]);
    const reply = await reception.handle(bytes);
    if (reply.status !== 200) {
      throw new Error(reply.body);
    }
    reply.sent("written");
    const { token, verified } = await reception.taken;
    const plan = verified.delivery.secrets;
    const deps = { vault, clock, signal };
    const [answers] = await Promise.all([
      readAll(token, needsOf(own, plan, nothing), deps),
      renew(token, verified.delivery.wrap.tokenTtl, deps),
    ]);
    const secrets = assemble(own, plan, answers, token.token);
    appEnvironment(new Map(), secrets, new Set());
    await vault.retire(token.token);
  } finally {
    vault.close();
  }
}

function madeUp(iat: number): Delivery {
  return {
    jti: "rehearsal",
    iat,
    exp: iat + TTL,
    aud: self,
    vault: { addr: ADDR },
    wrap: {
      kind: "token",
      token: new Secret("rehearsal"),
      accessorHash: accessorHash("rehearsal"),
      creationPath: ROLE,
      ttl: TTL,
      tokenTtl: 2 * TTL,
    },
    secrets: { paths: [PATH], env: new Map() },
  };
}

/** Vault's answers, by the last word of the question. */
function answer(iat: number): RequestListener {
  const auth = {
    client_token: "rehearsal",
    accessor: "rehearsal",
    renewable: true,
    lease_duration: TTL,
  };
  const answers: Readonly<Record<string, unknown>> = {
    lookup: {
      data: {
        creation_path: ROLE,
        creation_ttl: TTL,
        creation_time: new Date(iat * 1000).toISOString(),
      },
    },
    unwrap: { auth },
    "renew-self": { auth },
    "revoke-self": {},
  };
  const mount = { path: "secret/", type: "kv", options: { version: "2" } };
  return (request, response) => {
    const url = request.url ?? "";
    const said =
      answers[url.replace(/^.*\//, "")] ??
      (url.includes("/mounts/")
        ? { data: mount }
        : { lease_id: "", data: { data: { REHEARSAL: "1" } } });
    request.resume();
    request.once("end", () => {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify(said));
    });
  };
}

/** A connection to a server of this process, as far as Node's client takes it for a socket. */
function openPair(listener: RequestListener): Socket {
  const [near, far] = duplexPair();
  for (const end of [near, far]) {
    end.on("error", () => undefined);
  }
  createServer(listener).emit("connection", far);
  const still = (): void => undefined;
  return Object.assign(near, {
    setKeepAlive: still,
    setNoDelay: still,
    setTimeout: still,
    ref: still,
    unref: still,
  }) as unknown as Socket;
}
