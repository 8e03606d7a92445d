// What each job of the image vaultbuddy-devstack is given.

/** What a job has of its process. */
interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly print: (line: string) => void;
  /** Resolves when the container is told to stop. */
  readonly stopped: Promise<void>;
}

/** Runs until it is done or told to stop. Rejects with a sentence for the log. */
export type Job = (
  args: readonly string[],
  surroundings: Surroundings,
) => Promise<void>;
