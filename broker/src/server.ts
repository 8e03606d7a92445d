// The broker's HTTP door: a notice comes in, the flow is asked, and what it says becomes a status. Nothing an upstream
// said ever leaves through here.

import {
  noticeCodes,
  NOTICE_BYTES,
  noticeProblem,
  parseNotice,
  PROBLEM_TYPE,
  Refusal,
  ShapeError,
} from "@vaultbuddy/common";
import type { Delivered, Notice, NoticeCode } from "@vaultbuddy/common";
import type { Gauge, Log } from "@vaultbuddy/common/daemon";
import fastify from "fastify";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { TlsPair } from "./certificate.ts";
import type { Meters } from "./meters.ts";

export interface ServerDeps {
  readonly log: Log;
  readonly meters: Meters;
  /** What goes up and down, for /metrics. */
  readonly gauges: readonly Gauge[];
  /** The flow. Throws Refusal. */
  readonly handOff: (notice: Notice, source: string) => Promise<Delivered>;
  /** Takes a hint that a container has stopped. Throws Refusal `cluster_not_allowed`. */
  readonly stopped: (notice: Notice) => void;
  /** Throws Refusal `rate_limited` when this source has sent too many. */
  readonly admit: (source: string) => void;
  /** What keeps the broker from serving now; empty when nothing does. */
  readonly notReady: () => readonly string[];
  /** What the operator should look at although the broker serves. */
  readonly warnings: () => readonly string[];
  /** With it the door speaks https only. */
  readonly tls?: TlsPair | undefined;
}

/** How long a caller may take to send its request, in milliseconds. */
const RECEIVE_MS = 5000;
/** Seconds after which a retryable failure is worth another try. */
const RETRY_AFTER: Partial<Record<NoticeCode, number>> = {
  delivery_timeout: 1,
  rate_limited: 1,
};
const RETRY_AFTER_OTHER = 2;

/** Builds the server; the caller makes it listen. */
export function buildServer(deps: ServerDeps): FastifyInstance {
  const limits = {
    maxHeaderSize: 8 * 1024,
    headersTimeout: RECEIVE_MS,
    connectionsCheckingInterval: 1000,
  };
  const { tls } = deps;
  const server: FastifyInstance = fastify({
    logger: false,
    bodyLimit: NOTICE_BYTES,
    requestTimeout: RECEIVE_MS,
    forceCloseConnections: "idle",
    ...(tls === undefined
      ? { http: limits }
      : {
          https: {
            ...limits,
            ...tls,
            minVersion: "TLSv1.2",
            handshakeTimeout: RECEIVE_MS,
          },
        }),
    // What the parser of Node refuses gets a bare status: there is no request to answer with a problem.
    clientErrorHandler: (_error, socket) => {
      socket.end(
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
      );
    },
  });
  // The body is taken as bytes, whatever its declared type: parseNotice() is the only judge of its shape.
  server.removeAllContentTypeParsers();
  server.addContentTypeParser(
    "*",
    { parseAs: "buffer" },
    (_request, body, done) => {
      done(null, body);
    },
  );
  // A notice that begins no handoff is counted here; the others are when they end.
  const admitted = (request: FastifyRequest): Notice => {
    try {
      deps.admit(request.ip);
      return readNotice(request.body);
    } catch (error) {
      if (error instanceof Refusal) {
        deps.meters.count("turned_away", error.code);
      }
      throw error;
    }
  };
  server.post("/v1/notify", async (request, reply) => {
    const notice = admitted(request);
    return await reply.send(await deps.handOff(notice, request.ip));
  });
  server.post("/v1/stopped", (request, reply) => {
    deps.stopped(admitted(request));
    deps.meters.count("stops");
    return reply.code(202).send({ outcome: "noted" });
  });
  server.get("/healthz", () => ({ ok: true }));
  server.get("/metrics", (_request, reply) =>
    reply
      .type("text/plain; version=0.0.4; charset=utf-8")
      .send(deps.meters.text(deps.gauges)),
  );
  server.get("/readyz", (_request, reply) => {
    const reasons = deps.notReady();
    return reply.code(reasons.length === 0 ? 200 : 503).send({
      ready: reasons.length === 0,
      reasons,
      warnings: deps.warnings(),
    });
  });
  server.setErrorHandler((error, _request, reply) =>
    answerFailure(error, reply, deps.log),
  );
  server.setNotFoundHandler((_request, reply) =>
    reply.code(404).type(PROBLEM_TYPE).send({
      status: 404,
      title: "no such resource",
      detail:
        "POST /v1/notify, POST /v1/stopped, GET /healthz, GET /readyz, GET /metrics",
    }),
  );
  return server;
}

function readNotice(body: unknown): Notice {
  try {
    return parseNotice(Buffer.isBuffer(body) ? body : Buffer.alloc(0));
  } catch (error) {
    throw new Refusal(
      "bad_request",
      error instanceof ShapeError ? error.message : "the notice cannot be read",
    );
  }
}

function answerFailure(
  error: unknown,
  reply: FastifyReply,
  log: Log,
): FastifyReply {
  const refusal = toRefusal(error, log);
  const code = refusal.code;
  const treatment = noticeCodes[code];
  if (treatment.retry) {
    reply.header("Retry-After", RETRY_AFTER[code] ?? RETRY_AFTER_OTHER);
  }
  return reply
    .code(treatment.status)
    .type(PROBLEM_TYPE)
    .send(noticeProblem(code, refusal.message));
}

function toRefusal(error: unknown, log: Log): Refusal<NoticeCode> {
  if (error instanceof Refusal) {
    return error as Refusal<NoticeCode>;
  }
  const status: unknown =
    error instanceof Error ? Reflect.get(error, "statusCode") : undefined;
  if (typeof status === "number" && status >= 400 && status < 500) {
    return new Refusal(
      "bad_request",
      `the notice must be at most ${NOTICE_BYTES} bytes of JSON, sent whole`,
    );
  }
  // A fault of ours: nothing is known about what was consumed, so the caller may ask again and find out.
  log.fatal({ err: error }, "the broker failed in a way it does not know");
  return new Refusal(
    "ledger_unavailable",
    "the broker failed in a way it does not know: see its log",
  );
}
