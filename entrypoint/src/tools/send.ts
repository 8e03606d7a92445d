// `send`: plain pairs from a file go to a container on a developer's machine, over the channel and under the signature that
// a broker would use. One delivery is signed once and sent, the same bytes, until it is answered: the container joins or
// repeats its first answer.

import { request } from "node:http";
import type { IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import {
  ANSWER_BYTES,
  DELIVERY_BYTES,
  DELIVERY_LIFE,
  DELIVERY_TYPE,
  parseDeliveryProblem,
  parsePlainReceipt,
  pause,
  ShapeError,
  signJws,
  writePlainDelivery,
} from "@vaultbuddy/common";
import type {
  Audience,
  Clock,
  DeliveryCode,
  FamilyKey,
  Secret,
} from "@vaultbuddy/common";
import { reach, Unreached } from "./channel.ts";
import type { Place } from "./channel.ts";
import { ToolFailure } from "./failure.ts";

/** What is sent, to whom. */
export interface Parcel {
  readonly place: Place;
  readonly key: FamilyKey;
  readonly pairs: ReadonlyMap<string, Secret>;
  readonly aud: Partial<Audience>;
  /** How long to wait until the container listens and has answered, in milliseconds. */
  readonly timeout: number;
}

export interface SendDeps {
  readonly clock: Clock;
  readonly newId: () => string;
  /** Takes a line about what is being waited for. */
  readonly note: (line: string) => void;
}

const RESEND = { first: 50, most: 1000 };

/** Returns once the container has taken the pairs. Throws {@link ToolFailure}. */
export async function send(parcel: Parcel, deps: SendDeps): Promise<void> {
  const { place, key, pairs } = parcel;
  const jti = deps.newId();
  const write = (): Buffer => {
    const iat = Math.floor(deps.clock.now() / 1000);
    const exp = iat + DELIVERY_LIFE;
    const { aud } = parcel;
    return sign(writePlainDelivery({ jti, iat, exp, aud, env: pairs }), key);
  };
  // What does not fit is told before anybody is waited for.
  write();
  const signal = AbortSignal.timeout(parcel.timeout);
  const where = `${place.host}:${place.port}`;
  const note = (obstacle: string): void => {
    deps.note(`waiting for ${where}: ${obstacle}`);
  };
  let signed: Buffer | undefined;
  try {
    for (let attempt = 0; ; attempt += 1) {
      const socket = await reach(place, key, deps.clock, note, signal);
      signed ??= write();
      const answer = await post(socket, signed, signal);
      if (answer !== undefined) {
        return judge(answer, jti);
      }
      note("the connection broke before an answer came");
      await deps.clock
        .sleep(pause(RESEND, attempt, deps.clock), signal)
        .catch(() => undefined);
    }
  } catch (error) {
    if (!(error instanceof Unreached)) {
      throw error;
    }
    throw signed === undefined
      ? new ToolFailure(
          "unreached",
          `nobody took the pairs at ${where} in time: ${error.message}. Nothing was sent`,
        )
      : new ToolFailure(
          "refused",
          `the pairs were sent to ${where}, but no answer came: see the container's log`,
        );
  }
}

function sign(payload: Buffer, key: FamilyKey): Buffer {
  try {
    return signJws(payload, [key]);
  } catch (error) {
    if (error instanceof ShapeError) {
      const most = Math.floor((DELIVERY_BYTES - 300) * 0.75);
      throw new ToolFailure(
        "usage",
        `the pairs are too large: as JSON they are ${payload.length} bytes, and a delivery of ${DELIVERY_BYTES} bytes holds about ${most}; mount what is large as a file`,
      );
    }
    throw error;
  }
}

interface Answer {
  readonly status: number;
  /** Absent where it was larger than any entrypoint's answer. */
  readonly body?: Buffer;
}

/** One request on a channel that stands; undefined when no whole answer came. */
async function post(
  socket: TLSSocket,
  signed: Buffer,
  signal: AbortSignal,
): Promise<Answer | undefined> {
  const asked = request({
    method: "POST",
    path: "/",
    headers: {
      host: "container",
      "content-type": DELIVERY_TYPE,
      "content-length": signed.length,
    },
    createConnection: () => socket,
    signal,
  });
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      asked.once("response", resolve);
      asked.on("error", reject);
      asked.end(signed);
    });
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of response as AsyncIterable<Uint8Array>) {
      size += chunk.length;
      if (size > ANSWER_BYTES) {
        return { status: response.statusCode ?? 0 };
      }
      chunks.push(chunk);
    }
    return { status: response.statusCode ?? 0, body: Buffer.concat(chunks) };
  } catch {
    return undefined;
  } finally {
    asked.destroy();
    socket.destroy();
  }
}

const HINTS: Partial<Record<DeliveryCode, string>> = {
  bad_delivery: "a container takes plain pairs only with WIS_MODE=dev",
  not_for_me:
    "name it as it was told itself: --task-arn as WIS_TASK_ARN, --container-name as WIS_CONTAINER_NAME, --container-id as WIS_CONTAINER_ID, and none that it was not told",
  expired: "set the clocks of both machines",
};

function judge({ status, body }: Answer, jti: string): void {
  const problem = body && parseDeliveryProblem(body);
  if (problem !== undefined && problem.status === status) {
    const hint = HINTS[problem.code];
    const said = JSON.stringify(problem.detail.slice(0, 300));
    throw new ToolFailure(
      "refused",
      `the container refused the pairs as ${problem.code}, saying ${said}${hint === undefined ? "" : `: ${hint}`}`,
    );
  }
  if (body === undefined || status !== 200 || !isReceipt(body, jti)) {
    throw new ToolFailure(
      "refused",
      "what answered is no entrypoint that takes plain pairs",
    );
  }
}

function isReceipt(body: Buffer, jti: string): boolean {
  try {
    return parsePlainReceipt(body) === jti;
  } catch {
    return false;
  }
}
