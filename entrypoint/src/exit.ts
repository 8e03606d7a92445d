// How this process ends when it does not become the command: one closed table, one code for each kind of failure. Its
// own codes stand at 220 to 239: above 128 + 64, the highest a signal gives, below 255, and away from sysexits' 64 to 78,
// so that whoever reads an exit code knows whether the application ran.

/** What a kind of failure means for the one who has to act on it. */
export interface Exit {
  readonly code: number;
  /** What to do, as the end of the one line on stderr. */
  readonly advice: string;
}

/**
 * Every failure of its own. The names of a refused delivery are those of the protocol's table (`deliveryCodes`).
 * Besides these it ends with 128 + n when signal n arrives before the command runs.
 */
export const exits = {
  not_executable: {
    code: 126,
    advice: "give the file its x permission, or name another command",
  },
  not_found: {
    code: 127,
    advice:
      "check the command: setting ENTRYPOINT or entryPoint drops the image's own CMD, so it has to be written again (vaultbuddy-entrypoint wrap IMAGE prints it)",
  },
  settings: {
    code: 220,
    advice: "correct these variables in the task definition or the image",
  },
  environment: {
    code: 221,
    advice:
      "the command was not started, because it would not have received what was meant",
  },
  listen: {
    code: 222,
    advice: "choose another WIS_LISTEN, or end what uses that port",
  },
  identity: {
    code: 223,
    advice:
      "run in a task with the metadata endpoint v4, or set WIS_TASK_ARN and WIS_CONTAINER_NAME",
  },
  timeout: {
    code: 224,
    advice:
      "see the broker's log for this task: not opted in, no policy, another family's key, or no way to this port (with WIS_MODE=dev: run vaultbuddy-entrypoint send); WIS_TIMEOUT sets the time",
  },
  bad_delivery: {
    code: 225,
    advice:
      "find who sends it: only the broker may call this port; WIS_STRAY=reject keeps waiting instead",
  },
  bad_signature: {
    code: 226,
    advice:
      "give container and broker the same key: WIS_HMAC_KEY must be derived from the broker's master for this family, WIS_PUBLIC_KEY be of one of its signing keys",
  },
  not_for_me: {
    code: 227,
    advice:
      "see the broker's log: it took this container for another, or WIS_TASK_ARN, WIS_CONTAINER_NAME or WIS_CONTAINER_ID is wrong; if tls is named, somebody reads the deliveries on their way",
  },
  expired: {
    code: 228,
    advice: "set the clocks of this host, the broker and Vault",
  },
  wrong_vault: {
    code: 229,
    advice:
      "make VAULT_ADDR equal to the address the broker delivers (its --delivered-vault-addr)",
  },
  wrong_creation_path: {
    code: 230,
    advice:
      "alarm: treat the wrapping token as forged, and find who sent it; if not, set the clocks of Vault and broker",
  },
  already_unwrapped: {
    code: 231,
    advice:
      "alarm: somebody read the delivery on its way; the broker revokes the token; find who, then start the task anew",
  },
  vault_unavailable: {
    code: 232,
    advice:
      "make Vault reachable from this container, and see that it is unsealed",
  },
  receipt_lost: {
    code: 233,
    advice:
      "the token was revoked; see the broker's log, then start the task anew",
  },
  read_refused: {
    code: 234,
    advice:
      "correct the path, or let the Vault policy of this family read or write it; the token was revoked",
  },
  read_failed: {
    code: 235,
    advice: "see Vault's health; the token was revoked",
  },
  secret_unusable: {
    code: 236,
    advice:
      "correct the secret in Vault or the reference to it, or name its keys one by one; the token was revoked",
  },
  renew_failed: {
    code: 237,
    advice:
      "let the Vault policy of this family renew its own token (auth/token/renew-self); the token was revoked",
  },
  file_unwritable: {
    code: 238,
    advice:
      "mount a tmpfs at the directory that the settings name, writable for this container's user",
  },
  internal: {
    code: 239,
    advice: "this is a fault of the entrypoint itself: please report it",
  },
} as const satisfies Record<string, Exit>;

export type ExitName = keyof typeof exits;

/** The end of the process before the command ran. The message holds no secret: it is printed as it is. */
export class Failure extends Error {
  override readonly name = "Failure";
  readonly exit: ExitName;

  constructor(exit: ExitName, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.exit = exit;
  }
}

/** The one line about a failure, and the code to end with. What is no {@link Failure} is told by its type only. */
export function describeEnd(error: unknown): { line: string; code: number } {
  const failure =
    error instanceof Failure
      ? error
      : new Failure("internal", `unexpected ${systemCode(error)}`);
  const { code, advice } = exits[failure.exit];
  return { line: `${failure.message}: ${advice} (exit ${code})`, code };
}

/** The system's short code of an error (`ECONNREFUSED`), else its type: never its message, which may quote anything. */
export function systemCode(error: unknown): string {
  if (!(error instanceof Error)) {
    return typeof error;
  }
  const code: unknown = Reflect.get(error, "code");
  return typeof code === "string" && /^[A-Z][A-Z0-9_]{1,60}$/.test(code)
    ? code
    : error.name;
}
