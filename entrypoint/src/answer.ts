// What Vault's answers mean, by status and shape. What no sound Vault would say (a proxy's page, a redirect, half a
// document) is "no usable answer", and none of it is ever repeated in a message.

import { Fields, parseJson, Secret, ShapeError } from "@vaultbuddy/common";
import type { Found } from "./found.ts";
import type { Answer } from "./http.ts";
import type { Content } from "./read.ts";
import { parseSecret } from "./values.ts";

/** Vault takes no request larger than 32 MiB; no environment holds more than two. */
export const MOST = 4 * 1024 * 1024;

/** Vault, and what stands before it, did nothing: sealed, a standby, too busy, or not heard of the token yet. */
const UNDONE = [412, 429, 472, 473, 503];
const REFUSED = [400, 403, 404, 405];

/** What came of a question. `unsent`: it never left; `lost`: Vault may have heard it. */
export type Asked = Answer | "unsent" | "lost";

/** An answer about a wrapping token. Only Vault's own words make it "spent": a proxy answers 400 to many things. */
export function wrapAnswer<Value>(
  answer: Asked,
  read: (body: Fields) => Value,
): Value | "spent" | undefined {
  if (answer === "unsent" || answer === "lost") {
    return undefined;
  }
  if (answer.status === 200) {
    return shaped(() => read(new Fields(parseJson(answer.body, MOST))));
  }
  const refused =
    answer.status === 400
      ? shaped(() =>
          new Fields(parseJson(answer.body, MOST)).list("errors", 16, String),
        )
      : undefined;
  return refused?.some((error) => error.includes("wrapping token"))
    ? "spent"
    : undefined;
}

/** An answer to any other question. */
export function found<Value>(
  answer: Asked,
  read: (body: Fields, bytes: Buffer) => Value,
): Found<Value> {
  if (answer === "unsent" || answer === "lost") {
    return answer === "lost" ? LOST : { kind: "silent" };
  }
  if (answer.status === 200) {
    const value = shaped(() =>
      read(new Fields(parseJson(answer.body, MOST)), answer.body),
    );
    return value === undefined ? LOST : { kind: "found", value };
  }
  if (REFUSED.includes(answer.status) && isVaults(answer)) {
    return { kind: "refused", status: answer.status };
  }
  return UNDONE.includes(answer.status) ? { kind: "silent" } : LOST;
}

const LOST = { kind: "silent", lost: true } as const;

/** An answer to a read or to a write. */
export function contentOf(answer: Asked, versioned: boolean): Found<Content> {
  if (typeof answer === "object" && answer.status === 204) {
    // Done, and nothing to tell.
    return { kind: "found", value: { leased: false, values: new Map() } };
  }
  return found(answer, (body, bytes) => {
    const lease = body.take("lease_id");
    const leased = typeof lease === "string" && lease !== "";
    // A token made by the token dies with it as well.
    const auth = body.take("auth") ?? null;
    const seconds = body.take("lease_duration");
    const renewable = body.take("renewable") === true;
    return {
      leased: leased || auth !== null,
      ...(leased && typeof seconds === "number"
        ? { lease: { id: lease, seconds, renewable } }
        : {}),
      ...(body.take("data") === null && auth !== null
        ? { values: new Map() }
        : parseSecret(bytes, versioned)),
    };
  });
}

/** The texts in an answer of the transit engine to a batch; undefined for one that it did not decrypt to text. */
export function decryptedOf(
  answer: Asked,
  count: number,
): Found<readonly (Secret | undefined)[]> {
  // Vault answers 400 when one of a batch fails, and 200 before 1.12: the batch says which.
  const batch =
    typeof answer === "object" && answer.status === 400
      ? { status: 200, body: answer.body }
      : answer;
  const texts = found(batch, (body) => {
    const results = body.object("data").list("batch_results", count, plaintext);
    if (results.length !== count) {
      throw new ShapeError("batch_results", "must hold every answer");
    }
    return results;
  });
  return batch === answer || texts.kind === "found"
    ? texts
    : found(answer, () => []);
}

function plaintext(value: unknown): Secret | undefined {
  const result = new Fields(value);
  const encoded = result.take("plaintext");
  const error = result.take("error") ?? "";
  if (typeof encoded !== "string" || error !== "") {
    return undefined;
  }
  const bytes = Buffer.from(encoded, "base64");
  const text = bytes.toString("utf8");
  return Buffer.from(text).equals(bytes) ? new Secret(text) : undefined;
}

/** Whether a refusal is in Vault's form: an `errors` list, or the empty answer about a deleted version. */
function isVaults(answer: Answer): boolean {
  return (
    shaped(() => {
      const fields = new Fields(parseJson(answer.body, MOST));
      return (
        fields.has("errors") || fields.has("data") || fields.has("request_id")
      );
    }) ?? false
  );
}

/** What `read` gives; undefined when the document has not the shape it must have. */
function shaped<Value>(read: () => Value): Value | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof ShapeError) {
      return undefined;
    }
    throw error;
  }
}
