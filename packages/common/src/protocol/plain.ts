// What a developer's own machine sends instead of a delivery, where there is no Vault: the values themselves. It names
// another issuer than a broker's deliveries do, and has a parser of its own, so that neither can ever be read as the
// other: a container takes one kind, the one that its own settings say.

import { Fields, parseJson, ShapeError } from "../parse.ts";
import { Secret } from "../secret.ts";
import { ANSWER_BYTES } from "./answer.ts";
import { DELIVERY_BYTES, DELIVERY_LIFE } from "./delivery.ts";
import type { Audience } from "./delivery.ts";
import { ecsName, parseTaskArn } from "./ecs.ts";

/** The most variables that are sent at once; the size of a signed delivery is reached long before. */
const MOST_PAIRS = 1024;
const ISSUER = "vaultbuddy-send";
/** Whatever `docker run --env-file` takes for a name, which is more than POSIX knows: `spring.datasource.url`, say. */
const NAME = /^[^=\0\s]{1,255}$/;

/** Plain pairs after their signature was checked. Times in seconds since 1970. */
export interface PlainDelivery {
  readonly jti: string;
  readonly iat: number;
  readonly exp: number;
  /** Who it is for; a container on a developer's machine may have none of these names. */
  readonly aud: Partial<Audience>;
  readonly env: ReadonlyMap<string, Secret>;
}

/** Parses a verified payload. Throws {@link ShapeError}; the entrypoint answers it as `bad_delivery`. */
export function parsePlainDelivery(payload: Uint8Array): PlainDelivery {
  const fields = new Fields(parseJson(payload, DELIVERY_BYTES));
  if (fields.take("v") !== 1) {
    throw new ShapeError("v", "must be 1");
  }
  fields.oneOf("iss", [ISSUER]);
  const jti = fields.text("jti", {
    max: 64,
    pattern: /^[\w-]{8,64}$/,
    form: "a delivery id",
  });
  const iat = fields.integer("iat", 0, 2 ** 40);
  const exp = fields.integer("exp", 0, 2 ** 40);
  if (exp <= iat || exp > iat + DELIVERY_LIFE) {
    throw new ShapeError("exp", `must be 1 to ${DELIVERY_LIFE} s after iat`);
  }
  const aud = parseAudience(fields.object("aud"));
  const env = parsePairs(fields.object("plain"));
  fields.done();
  return { jti, iat, exp, aud, env };
}

function parseAudience(fields: Fields): Partial<Audience> {
  const taskArn = fields.has("taskArn")
    ? parseTaskArn(fields.take("taskArn"), fields.place("taskArn")).arn
    : undefined;
  const containerName = fields.optionalText("containerName", ecsName);
  const containerId = fields.optionalText("containerId", { max: 128 });
  fields.done();
  return {
    ...(taskArn === undefined ? {} : { taskArn }),
    ...(containerName === undefined ? {} : { containerName }),
    ...(containerId === undefined ? {} : { containerId }),
  };
}

function parsePairs(fields: Fields): Map<string, Secret> {
  const place = fields.place("env");
  const table = fields.take("env");
  fields.done();
  if (typeof table !== "object" || table === null || Array.isArray(table)) {
    throw new ShapeError(place, "must be an object");
  }
  const entries = Object.entries(table as Record<string, unknown>);
  if (entries.length > MOST_PAIRS) {
    throw new ShapeError(place, `must have at most ${MOST_PAIRS} entries`);
  }
  return new Map(
    entries.map(([name, value]) => {
      // An empty value is one, unlike in the fields of everything else. NUL would end the variable early.
      if (
        !NAME.test(name) ||
        typeof value !== "string" ||
        ![name, value].every((one) => isVariableText(one))
      ) {
        throw new ShapeError(
          place,
          "must be names without = and spaces, and values of text without NUL",
        );
      }
      return [name, new Secret(value)];
    }),
  );
}

function isVariableText(value: string): boolean {
  return !value.includes("\0") && value.isWellFormed();
}

/** Writes the payload to be signed. */
export function writePlainDelivery(delivery: PlainDelivery): Buffer {
  const { env, ...rest } = delivery;
  const pairs = [...env].map(([name, value]) => [name, value.expose()]);
  return Buffer.from(
    JSON.stringify({
      v: 1,
      iss: ISSUER,
      ...rest,
      plain: { env: Object.fromEntries(pairs) },
    }),
  );
}

/** The id of the delivery that a container says it has taken. Throws {@link ShapeError}. */
export function parsePlainReceipt(bytes: Uint8Array): string {
  const fields = new Fields(parseJson(bytes, ANSWER_BYTES));
  const jti = fields.text("jti", { max: 64 });
  fields.done();
  return jti;
}
