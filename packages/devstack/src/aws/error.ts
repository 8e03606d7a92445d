// An error as AWS's services answer it: a code, a sentence and a status. Each service's door has its own envelope for it.

/** A refusal in AWS's terms. `code` is the exception's name in a JSON answer. */
export class AwsError extends Error {
  override readonly name = "AwsError";
  readonly code: string;
  readonly status: number;

  constructor(code: string, message: string, status = 400) {
    super(message);
    this.code = code;
    this.status = status;
  }
}
