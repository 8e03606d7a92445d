// How the SDK's requests leave the broker: through the one bounded request() of the product, so that AWS's answers have
// a deadline and a cap like everybody else's, and no redirect is followed and no proxy used. The SDK still signs.

import { request, TransportError } from "@vaultbuddy/common/daemon";
import type { Dispatcher } from "undici";
import { AwsFault } from "./fault.ts";

/** The largest answer that is read, in bytes: 100 tasks of ten containers each are far below. */
const MOST_BYTES = 8 * 1024 * 1024;

/** The SDK's request, as far as we use it. */
interface SdkRequest {
  readonly method: string;
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  readonly query?: Record<string, string | string[] | null>;
  readonly headers: Record<string, string>;
  readonly body?: unknown;
}

/** The SDK's response, with the whole body already read. */
interface SdkResponse {
  readonly statusCode: number;
  readonly headers: Record<string, string>;
  readonly body: Uint8Array;
}

/** A request handler for SDK clients (`requestHandler`). */
export interface SdkHandler {
  handle(
    sent: SdkRequest,
    options?: { abortSignal?: unknown },
  ): Promise<{ response: SdkResponse }>;
  updateHttpClientConfig(): void;
  httpHandlerConfigs(): Record<string, never>;
  destroy(): void;
}

/** Makes the handler. `timeout` in milliseconds is for the whole exchange. */
export function boundedHandler(
  dispatcher: Dispatcher,
  timeout: number,
): SdkHandler {
  return {
    handle: async (sent, options) => ({
      response: await exchange(sent, options?.abortSignal, dispatcher, timeout),
    }),
    updateHttpClientConfig: () => undefined,
    httpHandlerConfigs: () => ({}),
    destroy: () => undefined,
  };
}

async function exchange(
  sent: SdkRequest,
  abort: unknown,
  dispatcher: Dispatcher,
  timeout: number,
): Promise<SdkResponse> {
  const answer = await request({
    method: methodOf(sent.method),
    url: urlOf(sent),
    headers: sent.headers,
    ...bodyOf(sent.body),
    ...(abort instanceof AbortSignal ? { signal: abort } : {}),
    dispatcher,
    timeout,
    maxBytes: MOST_BYTES,
  });
  return {
    statusCode: answer.status,
    headers: Object.fromEntries(
      Object.entries(answer.headers).map(([name, value]) => [
        name.toLowerCase(),
        String(value),
      ]),
    ),
    body: answer.body,
  };
}

function methodOf(method: string): "GET" | "POST" | "PUT" {
  if (method === "GET" || method === "POST" || method === "PUT") {
    return method;
  }
  throw new TransportError("method");
}

function urlOf(sent: SdkRequest): string {
  const port = sent.port === undefined ? "" : `:${sent.port}`;
  const query = Object.entries(sent.query ?? {}).flatMap(([name, value]) =>
    [value ?? ""]
      .flat()
      .map((one) => `${encodeURIComponent(name)}=${encodeURIComponent(one)}`),
  );
  const search = query.length === 0 ? "" : `?${query.join("&")}`;
  return `${sent.protocol}//${sent.hostname}${port}${sent.path}${search}`;
}

function bodyOf(body: unknown): { body?: string | Uint8Array } {
  if (body === undefined || body === null) {
    return {};
  }
  if (typeof body === "string" || body instanceof Uint8Array) {
    return { body };
  }
  throw new TransportError("body");
}

/** What a failed call was about. Only codes are looked at: messages are AWS's own text. */
export function faultOf(operation: string, error: unknown): AwsFault {
  if (error instanceof AwsFault) {
    return error;
  }
  if (error instanceof TransportError) {
    const kind =
      error.code === "timeout"
        ? "timeout"
        : error.code === "too_large"
          ? "malformed"
          : "unreachable";
    return new AwsFault(operation, kind, error.code);
  }
  const name = error instanceof Error ? error.name : "";
  const status = statusOf(error);
  if (/throttl|RequestLimitExceeded|TooManyRequests/i.test(name)) {
    return new AwsFault(operation, "throttled", name);
  }
  if (status === undefined) {
    const unsigned = /Credentials|Token/.test(name);
    return new AwsFault(
      operation,
      unsigned ? "credentials" : "malformed",
      name,
    );
  }
  return new AwsFault(operation, kindOf(name, status), name);
}

function statusOf(error: unknown): number | undefined {
  const metadata: unknown =
    error instanceof Error ? Reflect.get(error, "$metadata") : undefined;
  const status: unknown =
    typeof metadata === "object" && metadata !== null
      ? Reflect.get(metadata, "httpStatusCode")
      : undefined;
  return typeof status === "number" ? status : undefined;
}

function kindOf(name: string, status: number): AwsFault["kind"] {
  if (status === 429) {
    return "throttled";
  }
  if (status >= 500) {
    return "server";
  }
  if (status < 400) {
    return "malformed";
  }
  if (name === "ClusterNotFoundException") {
    return "no_cluster";
  }
  if (/^(AccessDenied|UnauthorizedOperation|OptInRequired)/.test(name)) {
    return "denied";
  }
  if (
    /^(UnrecognizedClient|InvalidClientTokenId|ExpiredToken|InvalidSignature|SignatureDoesNotMatch|MissingAuthentication|IncompleteSignature|AuthFailure)/.test(
      name,
    )
  ) {
    return "credentials";
  }
  return /^(Invalid|Client)/.test(name) ? "invalid" : "malformed";
}
