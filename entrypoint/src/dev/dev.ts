// The flow where there is no Vault and a developer sends the values: listen → verify → receipt → become the command. The
// same door, channel, key and rules as for a broker's delivery; what is said there is the pairs themselves.

import { parsePlainDelivery, Refusal } from "@vaultbuddy/common";
import type { DeliveryCode, PlainDelivery } from "@vaultbuddy/common";
import { openDoorway } from "../channel.ts";
import type { KnownSelf } from "../config.ts";
import type { EntrypointDeps } from "../entrypoint.ts";
import { appEnvironment } from "../environ.ts";
import { becomeCommand } from "../exec.ts";
import type { Command } from "../find.ts";
import { Door } from "../listen.ts";
import { Patience } from "../patience.ts";
import { Reception } from "../receive.ts";
import { readReferences } from "../references.ts";
import { serve } from "../serve.ts";
import { openSigned, refuseOtherTime } from "../verify.ts";
import type { DevConfig } from "./config.ts";

/** Waits for the pairs and becomes the command with them. Throws the Failure to end with. */
export async function runDev(
  config: DevConfig,
  command: Command,
  given: ReadonlyMap<string, string>,
  { clock, log, host, listener }: EntrypointDeps,
): Promise<never> {
  log.warn("WIS_MODE=dev: whoever holds the key gives the command its values");
  const door = new Door(config.allowFrom, log);
  try {
    const port = await door.listen(config.listen, listener);
    log.info("waiting for the delivery", { port });
    const patience = new Patience(clock, config.timeout);
    const { key, channel } = openDoorway({
      proof: { kind: "hmac", key: config.key },
      plaintext: false,
    });
    const reception = new Reception<PlainDelivery, PlainDelivery, object>({
      open: (bytes) => openSigned(bytes, key, parsePlainDelivery),
      judge: (said) => {
        judgePlain(said, config.self, clock.now() / 1000);
        return Promise.resolve(said);
      },
      unwrap: () => Promise.resolve({}),
      stray: config.stray,
      patience,
      log,
    });
    serve(door, channel, reception.handle, clock, log);
    const over = Promise.withResolvers<never>();
    patience.signal.addEventListener("abort", () => {
      over.reject(reception.overdue());
    });
    const { verified } = await Promise.race([reception.taken, over.promise]);
    const env = appEnvironment(given, verified.env, config.passthrough);
    const left = unresolved(given, verified, config);
    if (left !== "") {
      log.warn("the command gets references to Vault as they are", {
        variables: left,
      });
    }
    if (given.has("WIS_FILES")) {
      log.warn("the files of WIS_FILES are not written with WIS_MODE=dev");
    }
    log.info("starting the command", {
      variables: [...verified.env.keys()].toSorted().join(","),
    });
    door.close();
    return await becomeCommand(command, env, host);
  } catch (error) {
    door.close();
    throw error;
  }
}

/**
 * Whether the pairs are for this container and of now. Each name that one side has must be the other's, too: a container
 * that was told who it is takes nothing that is addressed to nobody, and the other way round. Throws the refusal that fits.
 */
function judgePlain(
  delivery: PlainDelivery,
  self: KnownSelf,
  now: number,
): void {
  for (const field of ["taskArn", "containerName", "containerId"] as const) {
    if (self[field] !== delivery.aud[field]) {
      throw new Refusal<DeliveryCode>(
        "not_for_me",
        self[field] === undefined
          ? `aud.${field} is named, and this container was not told its own`
          : delivery.aud[field] === undefined
            ? `aud.${field} is missing, and this container was told its own`
            : `aud.${field} is not this container's`,
      );
    }
  }
  refuseOtherTime(delivery, now);
}

/** The names of variables whose references nobody resolves, for the log. */
function unresolved(
  given: ReadonlyMap<string, string>,
  { env }: PlainDelivery,
  { literal, passthrough }: DevConfig,
): string {
  const names = readReferences(given, { literal, passthrough }, []).values;
  return [...names.keys()]
    .filter((name) => !env.has(name))
    .toSorted()
    .join(",");
}
