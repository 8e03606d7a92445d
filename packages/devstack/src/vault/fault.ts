// Vault's stand-in, refusals. Vault has two kinds: an answer that says no, whose text is shown as it is, and an error
// of the code behind it, which the core puts into a list of errors before it is shown. Callers see the difference.

/** What makes a request end with an error body. */
export class Refusal extends Error {
  readonly status: number;
  /** True when the core shows the text inside "1 error occurred: …", as it does with errors of a backend. */
  readonly listed: boolean;

  constructor(status: number, message: string, listed: boolean) {
    super(message);
    this.status = status;
    this.listed = listed;
  }
}

/** An answer that says no: its text is shown as it is. */
export function refuse(message: string, status = 400): Refusal {
  return new Refusal(status, message, false);
}

/** An error of the code behind a path: shown in a list, unless the path is one that needs no token. */
export function failed(message: string, status = 500): Refusal {
  return new Refusal(status, message, true);
}

export const permissionDenied = "permission denied";
export const invalidWrappingToken =
  "wrapping token is not valid or does not exist";

/** How Vault prints a list of one error. */
export function listed(message: string): string {
  return `1 error occurred:\n\t* ${message}\n\n`;
}
