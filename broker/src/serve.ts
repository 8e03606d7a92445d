// The broker, put together and run until it is stopped: opens what it stands on, answers as soon as it listens, and at
// the end finishes what is in flight.

import type { AddressInfo } from "node:net";
import { Server as TlsServer } from "node:tls";
import { steady } from "@vaultbuddy/common";
import type { Clock, ListenAddress } from "@vaultbuddy/common";
import type { Log } from "@vaultbuddy/common/daemon";
import type { FastifyInstance } from "fastify";
import { Broker } from "./broker.ts";
import { readTlsPair } from "./certificate.ts";
import { Claims } from "./claim.ts";
import type { BrokerConfig } from "./config.ts";
import { channelContexts } from "./connect.ts";
import { openEcs } from "./ecs.ts";
import { KeyRing } from "./keyring.ts";
import { openSqliteLedger } from "./ledger/sqlite.ts";
import { Session } from "./login.ts";
import type { Needs } from "./login.ts";
import { needsAlways, needsOfRules } from "./needs.ts";
import { openPolicies } from "./policies/open.ts";
import type { Policy } from "./policy.ts";
import { gaugesOf, Meters } from "./meters.ts";
import { NoticeLimit } from "./ratelimit.ts";
import { Retirement } from "./retire.ts";
import { buildServer } from "./server.ts";
import { refuseForeignCluster, vouch } from "./validate.ts";
import { openAccessors } from "./vault/accessors.ts";
import { openVaultApi } from "./vault/api.ts";
import { VaultTransport } from "./vault/transport.ts";
import { whereabouts } from "./whereabouts.ts";

/** What the process lends. */
export interface Surroundings {
  readonly clock: Clock;
  readonly log: Log;
  readonly randomBytes: (size: number) => Buffer;
  /** Calls the listener each time the operator asks for files and policies to be read again. */
  readonly onReload: (listener: () => void) => void;
}

/** What is left of the stop for revoking what was cut short, in milliseconds. */
const UNDO_MS = 5000;
/** How long an answer that is under way when nothing else is may still take, in milliseconds. */
const LAST_WORDS_MS = 500;

/**
 * Runs until `stop` aborts, then takes no more notices and finishes what is in flight within `stopMs`; what is still under
 * way then, because Vault does not answer, is left to the end of the process. Rejects when the
 * address cannot be listened on, the ledger cannot be opened, or Vault refuses the login (LoginFault).
 */
export async function serve(
  config: BrokerConfig,
  { clock, log, randomBytes, onReload }: Surroundings,
  stop: AbortSignal,
  stopMs: number,
): Promise<void> {
  const transport = new VaultTransport({
    addr: config.vault,
    namespace: config.namespace,
    ca: config.vaultCa,
    timeout: config.vaultTimeout,
  });
  const api = openVaultApi(transport);
  const session = new Session({
    api,
    method: config.login(clock),
    clock,
    log,
    dev: config.dev,
    needs: () => needsNow(),
  });
  const policies = openPolicies(config, {
    transport,
    api,
    session,
    clock,
    log,
  });
  const needsNow = (): Needs =>
    new Map([
      ...needsAlways(config.tokenRole),
      ...(policies.loaded
        ? needsOfRules(policies.current, config.tokenRole)
        : []),
    ]);
  const revoker = openAccessors(transport, () => session.token());
  const ledger = openSqliteLedger(config.ledger.path, clock);
  const ecs = openEcs({ clock });
  const newId = (): string => randomBytes(18).toString("base64url");
  const meters = new Meters();
  const unset = steady(clock);
  const claims = new Claims({ ledger, revoker, clock: unset, log, newId });
  const retirement = new Retirement({
    ledger,
    revoker,
    clock,
    log,
    askTasks: whereabouts(ecs),
  });
  // Asked anew for each judgement: a rule that was taken back while a task was waited for gives nothing any more.
  const inForce: Pick<Policy, "match"> = {
    match: (family, container) => policies.current.match(family, container),
  };
  const ring = new KeyRing(config.keys);
  log.info(ring.summary, "the keys are read");
  const broker = new Broker({
    clock,
    steady: unset,
    log,
    meters,
    claims,
    restartRule: (family, container) =>
      policies.current.match(family, container)?.restart,
    vouch: (notice, call) =>
      vouch(notice, { ecs, policy: inForce, clock, options: config }, call),
    keysFor: (task) => ring.for(task),
    channel: { clock, contexts: channelContexts() },
    mint: {
      vault: transport,
      token: () => {
        policies.mustBeLoaded();
        return session.token();
      },
      tokenRole: config.tokenRole,
      wrapTtl: Math.floor(config.wrapTtl / 1000),
      refused: (status, what) => {
        log.error({ status, ...what }, "Vault refused to make a token");
        session.doubt();
      },
    },
    delivered: {
      addr: config.deliveredAddr ?? config.vault,
      namespace: config.namespace,
      ca: config.vaultCa,
    },
    deliveryTimeout: config.deliveryTimeout,
  });
  const limit = new NoticeLimit(config.noticeRate, clock);
  const server = buildServer({
    log,
    meters,
    gauges: gaugesOf(session, broker),
    handOff: (notice, source) => broker.handOff(notice, source),
    stopped: (notice) => {
      refuseForeignCluster(notice, config);
      retirement.hint({ taskArn: notice.task.arn, ...notice });
    },
    admit: (source) => limit.admit(source),
    notReady: () => [
      ...(session.sealed ? ["sealed"] : []),
      ...(policies.loaded ? [] : ["no_policy"]),
      ...(claims.alive ? [] : ["ledger"]),
    ],
    warnings: () => (policies.stale && policies.loaded ? ["policy_stale"] : []),
    tls: config.tls?.pair,
  });
  onReload(() => {
    policies.reload();
    ring.reload(config.keyFiles, config.readFile, log);
    reloadCertificate(config, server, log);
  });
  try {
    await claims.start();
    await listen(server, config.listen);
    log.info({ address: addressOf(server.server.address()) }, "listening");
    const work = async (): Promise<void> => {
      const { kept } = await session.start(stop);
      retirement.start();
      await Promise.all([kept, policies.keep(stop)]);
    };
    // A call to Vault that hangs must not keep the broker open for notices.
    await Promise.race([work(), aborted(stop)]);
  } catch (error) {
    if (!stop.aborted) {
      throw error;
    }
  } finally {
    log.info(
      { inFlight: broker.inFlight },
      "stopping: no more notices are taken",
    );
    const wind = async (): Promise<void> => {
      const closed = server.close();
      await broker.drain(stopMs - UNDO_MS);
      await cutLate(server, closed, clock);
      await retirement.stop();
      await claims.stop();
      await Promise.all([ecs.close(), ledger.close(), transport.close()]);
    };
    if (await inTime(wind(), stopMs, clock)) {
      log.info({}, "stopped");
    } else {
      log.warn(
        { inFlight: broker.inFlight },
        "stopped before everything was taken back: the ledger names it, and the next broker ends it",
      );
    }
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
    if (signal.aborted) {
      resolve();
    }
  });
}

/**
 * Cuts who has not sent a whole request, or not taken his answer, a moment after nothing is in flight any more. Node
 * stops looking at its own time limits as soon as a server closes, so nobody else would.
 */
async function cutLate(
  server: FastifyInstance,
  closed: PromiseLike<unknown>,
  clock: Clock,
): Promise<void> {
  await inTime(closed, LAST_WORDS_MS, clock);
  server.server.closeAllConnections();
  await closed;
}

/** Whether work ended within `ms`. What it rejects with is thrown. */
async function inTime(
  work: PromiseLike<unknown>,
  ms: number,
  clock: Clock,
): Promise<boolean> {
  const done = new AbortController();
  const late = clock.sleep(ms, done.signal).then(
    () => false,
    () => true,
  );
  const ended = (async () => {
    await work;
    return true;
  })();
  // Raced away, it is nobody's concern any more.
  ended.catch(() => undefined);
  try {
    return await Promise.race([ended, late]);
  } finally {
    done.abort();
  }
}

/** The address cannot be listened on. */
class ListenFault extends Error {
  override readonly name = "ListenFault";
  readonly ours = true;
}

async function listen(
  server: FastifyInstance,
  { host, port }: ListenAddress,
): Promise<void> {
  try {
    await server.listen({ host, port });
  } catch (error) {
    const code: unknown =
      error instanceof Error ? Reflect.get(error, "code") : undefined;
    throw new ListenFault(
      `cannot listen on ${host}:${port} (${String(code)}): choose another --listen (LISTEN_ADDR), or end what uses that port`,
    );
  }
}

function reloadCertificate(
  { tls, readFile }: BrokerConfig,
  server: FastifyInstance,
  log: Log,
): void {
  const inner = server.server;
  if (tls === undefined || !(inner instanceof TlsServer)) {
    return;
  }
  try {
    inner.setSecureContext(readTlsPair(tls.files, readFile));
    log.info({}, "the certificate was read again");
  } catch (error) {
    log.error(
      { err: error },
      "the certificate could not be read again: the one before it stays in force",
    );
  }
}

function addressOf(address: AddressInfo | string | null): string {
  if (address === null || typeof address === "string") {
    return String(address);
  }
  return address.family === "IPv6"
    ? `[${address.address}]:${address.port}`
    : `${address.address}:${address.port}`;
}
