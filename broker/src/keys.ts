// `vaultbuddy-broker keys`: makes masters and pairs, and derives what containers hold. Keys go into files, or to standard
// output with nothing beside them; what is to be said about them goes to standard error and holds no key.

import {
  deriveFamilyKey,
  generateSigningKey,
  privatePem,
  publicJwk,
  publicPem,
} from "@vaultbuddy/common";
import { readSettings, SettingsError } from "@vaultbuddy/common/daemon";
import type { SettingTable } from "@vaultbuddy/common/daemon";
import type { Command } from "commander";
import { parseMasters, parsePairs } from "./keyring.ts";
import { filesFor } from "./keys/forms.ts";
import type { FamilyText } from "./keys/forms.ts";
import { writeKeyFiles } from "./keys/write.ts";
import {
  deriveSettings,
  generateSettings,
  publicSettings,
} from "./settings/keys.ts";

/** What the process lends. */
export interface KeysDeps {
  readonly env: NodeJS.ProcessEnv;
  readonly read: (path: string) => string;
  /** One line of standard output: keys and nothing else. */
  readonly print: (line: string) => void;
  /** One line of standard error: never a key. */
  readonly note: (line: string) => void;
  readonly randomBytes: (size: number) => Buffer;
}

/** `keys generate`: a new master or pair, printed or written. */
export function runGenerate(command: Command, deps: KeysDeps): void {
  const { ed25519, out, force } = readSettings(
    generateSettings,
    command,
    deps.env,
  );
  if (!ed25519) {
    const master = deps.randomBytes(32).toString("base64url");
    if (out === undefined) {
      deps.print(master);
      return;
    }
    writeKeyFiles([{ path: out, mode: 0o600, text: `${master}\n` }], force);
    deps.note(`${out}: a new master key, for the broker's --hmac-key-file`);
    return;
  }
  const pair = generateSigningKey();
  if (out === undefined) {
    deps.print(privatePem(pair).trimEnd());
    deps.note("its public half: vaultbuddy-broker keys public");
    return;
  }
  writeKeyFiles(
    [
      { path: out, mode: 0o600, text: privatePem(pair) },
      { path: `${out}.pub`, mode: 0o644, text: `${publicJwk(pair)}\n` },
    ],
    force,
  );
  deps.note(`${out}: a new pair ${pair.kid}, for --signing-key-file`);
  deps.note(`${out}.pub: its public half, for containers' WIS_PUBLIC_KEY`);
}

/** `keys public`: the public halves of a file's pairs, one JWK a line or PEM. */
export function runPublic(command: Command, deps: KeysDeps): void {
  const { signingKeyFile, form } = readSettings(
    publicSettings,
    command,
    deps.env,
  );
  const pairs = fromFile(signingKeyFile, () =>
    parsePairs(deps.read(signingKeyFile)),
  );
  for (const pair of pairs) {
    deps.print(form === "jwk" ? publicJwk(pair) : publicPem(pair).trimEnd());
  }
}

/** `keys derive`: the keys of families, printed or written in the form in which they reach containers. */
export function runDerive(command: Command, deps: KeysDeps): void {
  const { masterFile, account, families, form, out, force } = readSettings(
    deriveSettings,
    command,
    deps.env,
  );
  if ((form === "print") !== (out === undefined)) {
    throw new SettingsError([
      form === "print"
        ? "--out (KEYS_OUT) has a meaning with --form host, compose or ecs only"
        : `--out (KEYS_OUT) is required with --form ${form}: the directory to write to`,
    ]);
  }
  const master = readMaster(masterFile, deps.read);
  const texts = [...new Set(families)].map((family): FamilyText => {
    const { key, kid } = deriveFamilyKey(master, account, family);
    return { family, kid, key: key.expose().toString("base64url") };
  });
  if (form === "print" || out === undefined) {
    const [only] = texts;
    for (const { family, key } of texts) {
      deps.print(
        only !== undefined && texts.length === 1 ? key : `${family} ${key}`,
      );
    }
    return;
  }
  const { files, advice } = filesFor(form, texts, { out, account });
  writeKeyFiles(files, force);
  for (const { family, kid } of texts) {
    deps.note(`${family}: key ${kid}`);
  }
  for (const line of advice) {
    deps.note(line);
  }
}

/** The one master that containers are to hold. While several are active that is a decision, and not ours. */
function readMaster(
  file: string,
  read: (path: string) => string,
): ReturnType<typeof parseMasters>[number] {
  const [master, ...others] = fromFile(file, () => parseMasters(read(file)));
  if (master === undefined || others.length > 0) {
    throw new SettingsError([
      `--hmac-key-file ${file}: holds several masters: name a file with the one that containers are to hold`,
    ]);
  }
  return master;
}

function fromFile<Keys>(file: string, work: () => Keys): Keys {
  try {
    return work();
  } catch (error) {
    const code: unknown =
      error instanceof Error ? Reflect.get(error, "code") : undefined;
    const why =
      error instanceof RangeError
        ? error.message
        : `cannot be read${typeof code === "string" ? ` (${code})` : ""}`;
    throw new SettingsError([`${file}: ${why}`]);
  }
}

/** What `keys` has for tables of settings, by command. */
export const keysSettings = {
  generate: generateSettings,
  public: publicSettings,
  derive: deriveSettings,
} as const satisfies Record<string, SettingTable>;
