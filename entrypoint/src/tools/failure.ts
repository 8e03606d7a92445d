// How a tool ends when it has not done what it was asked for: one line and one of three codes, the same for every tool.

/** The exit codes of the tools; 0 is success. */
export const toolExits = {
  /** The other side said no, or what it has cannot be used. */
  refused: 1,
  /** Arguments, settings or a file are wrong: nothing was done. */
  usage: 2,
  /** Nobody answered. */
  unreached: 3,
} as const;

/** The end of a tool. The message says what to do; it holds no secret and is printed as it is. */
export class ToolFailure extends Error {
  override readonly name = "ToolFailure";
  readonly code: number;

  constructor(exit: keyof typeof toolExits, message: string) {
    super(message);
    this.code = toolExits[exit];
  }
}
