// The part of the `vault` command that deploy/vault/setup.sh uses, read as Vault's own CLI reads it. So the same script
// runs where Vault's image, which brings the command, cannot be had.

/** What is asked of Vault, and what of the answer is printed. */
export interface Asked {
  readonly method: "GET" | "POST" | "PUT";
  /** Below /v1/. */
  readonly path: string;
  readonly body?: Readonly<Record<string, unknown>>;
  /** `-field=NAME`: this member of the answer's data. */
  readonly field?: string;
  /** What the CLI prints when it is done and was not asked for a field. */
  readonly done?: string;
  /** How the answer tells success: by its status alone, or by whether Vault is unsealed. */
  readonly success: "answered" | "unsealed";
}

/** Where values of the form `@file` and `-` come from. */
export interface Sources {
  readonly readFile: (path: string) => string;
  readonly readStdin: () => string;
}

/** Reads a command line. Throws with a sentence when it is not one of the commands known here. */
export function readCommand(args: readonly string[], from: Sources): Asked {
  const flags = args.filter((arg) => arg.startsWith("-") && arg !== "-");
  const words = args.filter((arg) => !flags.includes(arg));
  const field = flags.find((flag) => flag.startsWith("-field="))?.slice(7);
  const unknown = flags.find((flag) => !/^-field=.|^-f$|^-force$/.test(flag));
  if (unknown !== undefined) {
    throw new Error(`this stand-in for the vault command has no ${unknown}`);
  }
  const [verb = "", first = "", second = "", ...rest] = words;
  const reading = { ...(field !== undefined && { field }) };
  switch (`${verb} ${first}`) {
    case "status ":
      return { method: "GET", path: "sys/seal-status", success: "unsealed" };
    case "policy write":
      return {
        method: "PUT",
        path: `sys/policies/acl/${second}`,
        body: { policy: valueOf(`@${rest[0] ?? ""}`, from) },
        done: `Success! Uploaded policy: ${second}`,
        success: "answered",
      };
    case "auth enable":
      return {
        method: "POST",
        path: `sys/auth/${second}`,
        body: { type: second },
        done: `Success! Enabled ${second} auth method at: ${second}/`,
        success: "answered",
      };
    case "kv put":
      return {
        method: "POST",
        path: second.replace("/", "/data/"),
        body: { data: secretOf(rest, from) },
        success: "answered",
      };
    default:
  }
  if (verb === "read" && first !== "" && second === "") {
    return { method: "GET", path: first, ...reading, success: "answered" };
  }
  if (verb === "write" && first !== "") {
    const given = second === "" ? [] : [second, ...rest];
    if (given.length === 0 && !flags.some((flag) => flag.startsWith("-f")))
      throw new Error("must supply data or use -force");
    return {
      method: "PUT",
      path: first,
      body: pairs(given, from),
      done: `Success! Data written to: ${first}`,
      ...reading,
      success: "answered",
    };
  }
  throw new Error(
    `this stand-in for the vault command has no: vault ${words.join(" ")}`,
  );
}

/** `key=value…`, or `@file` with a JSON object. */
function secretOf(
  words: readonly string[],
  from: Sources,
): Record<string, unknown> {
  const [file] = words;
  if (words.length !== 1 || file === undefined || !file.startsWith("@"))
    return pairs(words, from);
  return JSON.parse(from.readFile(file.slice(1))) as Record<string, unknown>;
}

function pairs(
  words: readonly string[],
  from: Sources,
): Record<string, string> {
  return Object.fromEntries(
    words.map((word) => {
      const at = word.indexOf("=");
      if (at < 1) throw new Error(`${JSON.stringify(word)} is not key=value`);
      return [word.slice(0, at), valueOf(word.slice(at + 1), from)];
    }),
  );
}

function valueOf(value: string, from: Sources): string {
  if (value === "-" || value === "@-") return from.readStdin();
  return value.startsWith("@") ? from.readFile(value.slice(1)) : value;
}
