// What a delivery costs: from the moment its bytes are written until the application's first instruction, against what
// Vault's own answers take a warm client in the same round. With one secret and with ten, for the bundle behind its
// launcher and for the bare one under a Node of the image.

import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { request } from "node:https";
import { join } from "node:path";
import { connect } from "node:tls";
import type { TLSSocket } from "node:tls";
import { fileURLToPath } from "node:url";
import {
  DELIVERY_TYPE,
  derivePsk,
  familyKey,
  parseKey,
  signJws,
  writeDelivery,
} from "@vaultbuddy/common";
import type { Delivery } from "@vaultbuddy/common";
import { bundleEntrypoint } from "../../entrypoint/bundle.ts";
import { must, words } from "../bundle/docker.ts";
import type { Kit } from "../bundle/kit.ts";
import { median } from "./table.ts";
import type { Row } from "./table.ts";
import { CONTAINER, TASK, WarmVault } from "./warm.ts";

const rounds = 25;
/** Rounds at the beginning that only warm the caches. */
const warming = 2;
/** How long a container stands before its delivery, in milliseconds: a broker has to hear of it first. */
const standing = 400;
const keyText = "PPdRfsVlbj5U9fa46RKkketChkYaZ1HsDQnA8dA1ZeQ";
const key = familyKey(parseKey(keyText));

const kinds = ["launcher", "bare"] as const;
type Kind = (typeof kinds)[number];
const counts = [1, 10] as const;
type Count = (typeof counts)[number];

/** Milliseconds of one round. */
type Round = Record<`${Kind} ${"delivery" | "vault"} ${Count}`, number>;

/** The figures of deliveries. `bare` are the arguments of `docker run` that put a Node at /bare/node. */
export async function benchDelivery(
  kit: Kit,
  bare: readonly string[],
): Promise<readonly Row[]> {
  const program = join(kit.out, "first");
  const source = fileURLToPath(new URL("first.c", import.meta.url));
  await must("musl-gcc", ["-std=c11", "-Os", "-static", "-o", program, source]);
  await bundleEntrypoint(join(kit.out, "entrypoint.cjs"));
  const vault = await WarmVault.start();
  try {
    await writeFile(join(kit.out, "ca.pem"), vault.ca);
    const measured: Round[] = [];
    for (let round = 0; round < rounds + warming; round += 1) {
      const figures = await measure(kit, bare, vault, round % 2 === 1);
      if (round >= warming) {
        measured.push(figures);
      }
    }
    return judge(measured);
  } finally {
    await vault.close();
  }
}

async function measure(
  kit: Kit,
  bare: readonly string[],
  vault: WarmVault,
  turned: boolean,
): Promise<Round> {
  const figures: Partial<Round> = {};
  for (const kind of kinds) {
    const command = {
      launcher: "/vaultbuddy/entrypoint /bench/first",
      bare: "/bare/node /bench/entrypoint.cjs /bench/first",
    }[kind];
    const options = [
      // Ahead of whatever else this machine does, as far as it can be.
      ...words(`--cpu-shares 262144 --network host -v ${kit.out}:/bench:ro`),
      ...(kind === "bare" ? bare : kit.mount),
      ...settingsFor(vault.addr),
      kit.image("scratch"),
      ...words(command),
    ];
    // What is compared stands side by side, and in another order each time.
    for (const count of turned ? counts.toReversed() : counts) {
      figures[`${kind} delivery ${count}`] = await deliver(
        options,
        vault,
        count,
      );
      figures[`${kind} vault ${count}`] = await vault.answers(
        await vault.delivery(count),
      );
    }
  }
  return figures as Round;
}

function settingsFor(addr: string): string[] {
  return Object.entries({
    WIS_LISTEN: "127.0.0.1:0",
    WIS_HMAC_KEY: keyText,
    WIS_TASK_ARN: TASK,
    WIS_CONTAINER_NAME: CONTAINER,
    WIS_LOG_LEVEL: "info",
    VAULT_ADDR: addr,
    VAULT_CACERT: "/bench/ca.pem",
  }).flatMap(([name, value]) => ["-e", `${name}=${value}`]);
}

/** Starts a container, delivers to it, and gives the milliseconds between its delivery and its command's first instruction. */
async function deliver(
  options: readonly string[],
  vault: WarmVault,
  count: Count,
): Promise<number> {
  const child = spawn("docker", ["run", "--rm", ...options], {
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 60_000,
  });
  let out = "";
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
  const ended = once(child, "close");
  const socket = await openChannel(await portOf(child));
  await new Promise((resolve) => setTimeout(resolve, standing));
  // As a broker does: minted once the channel stands.
  const sent = await send(socket, await vault.delivery(count));
  await ended;
  const [first, variables] = out.split(" ").map(Number);
  if (first === undefined || variables !== count * 2 + extra) {
    throw new Error(`the command said ${JSON.stringify(out)}`);
  }
  return (first - sent) / 1e6;
}

/** Variables that Docker gives: PATH, HOSTNAME and HOME. */
const extra = 3;

function portOf(child: ChildProcess): Promise<number> {
  let said = "";
  return new Promise((resolve, reject) => {
    child.stderr?.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      const [, port] = /delivery port=(\d+)/.exec(said) ?? [];
      if (port !== undefined) {
        resolve(Number(port));
      }
    });
    child.once("close", () => reject(new Error(`it ended: ${said}`)));
  });
}

async function openChannel(port: number): Promise<TLSSocket> {
  const psk = derivePsk(key.key).expose();
  const socket = connect({
    host: "127.0.0.1",
    port,
    ciphers: "PSK",
    minVersion: "TLSv1.3",
    ecdhCurve: "X25519",
    ca: [],
    checkServerIdentity: () => undefined,
    pskCallback: () => ({ psk, identity: key.kid }),
  });
  socket.setNoDelay(true);
  await once(socket, "secureConnect");
  return socket;
}

/** Sends a delivery; gives the moment before its bytes were written, on the clock that the command looks at. */
async function send(socket: TLSSocket, delivery: Delivery): Promise<number> {
  const body = signJws(writeDelivery(delivery), [key]);
  const asking = request({
    createConnection: () => socket,
    method: "POST",
    path: "/",
    headers: { "content-type": DELIVERY_TYPE, "content-length": body.length },
  });
  const sent = Number(process.hrtime.bigint());
  asking.end(body);
  const [response] = (await once(asking, "response")) as [
    { statusCode?: number; resume(): void },
  ];
  response.resume();
  if (response.statusCode !== 200) {
    throw new Error(`a delivery was answered ${response.statusCode}`);
  }
  return sent;
}

function judge(measured: readonly Round[]): Row[] {
  const of = (name: keyof Round): number[] => measured.map((one) => one[name]);
  return kinds.flatMap((kind): Row[] => {
    const name = kind === "launcher" ? "the bundle" : "the bare script";
    // Neighbours are compared, because whatever else this machine does comes and goes.
    const more = measured.map(
      (one) => one[`${kind} delivery 1`] - one[`${kind} vault 1`],
    );
    const ten = measured.map(
      (one) => one[`${kind} delivery 10`] / one[`${kind} delivery 1`],
    );
    const ms = (what: "delivery" | "vault", count: Count): string =>
      `${median(of(`${kind} ${what} ${count}`)).toFixed(1)} ms`;
    const times = measured.map(
      (one) => one[`${kind} delivery 1`] / one[`${kind} vault 1`],
    );
    return [
      {
        what: `${name}: delivery to the command's first instruction, more than Vault's own answers`,
        values: more,
        unit: "ms",
        bar: 30,
        note: `${ms("delivery", 1)} to Vault's ${ms("vault", 1)}, ${median(times).toFixed(1)} ×`,
      },
      {
        what: `${name}: the same with ten secrets, as a ratio to one`,
        values: ten,
        unit: "×",
        bar: 1.5,
        note: `${ms("delivery", 10)} to ${ms("delivery", 1)}; Vault's own answers ${ms("vault", 10)} to ${ms("vault", 1)}`,
      },
    ];
  });
}
