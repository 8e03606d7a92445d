// The health check of the broker's and the agent's images, which have neither a shell nor curl: asks the daemon in this
// container for /healthz and ends with 0 when the answer is 200. `node /app/health.cjs broker|agent`.

import { get as getPlain } from "node:http";
import { get as getSecure } from "node:https";

/** Where each daemon listens when its own setting says nothing. */
const daemons = {
  broker: { setting: "LISTEN_ADDR", usual: ":9201" },
  agent: { setting: "AGENT_LISTEN", usual: "127.0.0.1:9203" },
} as const;
/** Less than any health check's own timeout. */
const TIMEOUT = 4000;

/** The address to ask: what the daemon was told to listen on, and loopback for "everywhere". */
export function healthUrl(
  daemon: keyof typeof daemons,
  env: Readonly<Record<string, string | undefined>>,
): string {
  const { setting, usual } = daemons[daemon];
  const listen = env[setting] ?? usual;
  const at = listen.lastIndexOf(":");
  const host = listen.slice(0, at);
  const everywhere = ["", "0.0.0.0", "[::]"].includes(host);
  const secure = daemon === "broker" && env["TLS_CERT"] !== undefined;
  return `${secure ? "https" : "http"}://${everywhere ? "127.0.0.1" : host}:${listen.slice(at + 1)}/healthz`;
}

/** The status of the answer. Rejects when there is none within four seconds. */
export function ask(url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(TIMEOUT);
    // Only loopback is asked, and only whether somebody answers: whose certificate it is proves nothing here.
    const asking = url.startsWith("https:")
      ? getSecure(url, { signal, rejectUnauthorized: false, agent: false })
      : getPlain(url, { signal, agent: false });
    asking.on("response", (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    asking.on("error", reject);
  });
}

/** The names {@link healthUrl} knows. */
export function isDaemon(
  name: string | undefined,
): name is keyof typeof daemons {
  return name !== undefined && Object.hasOwn(daemons, name);
}
