// Why a request is refused, in the words and with the status that Docker's own daemon (20.10, API 1.41) uses for it.

/** An answer that is no success. `status` 304 has no body. */
export class ApiFault extends Error {
  override readonly name = "ApiFault";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export function noSuchContainer(reference: string): ApiFault {
  return new ApiFault(404, `No such container: ${reference}`);
}

export function notModified(): ApiFault {
  return new ApiFault(304, "not modified");
}
