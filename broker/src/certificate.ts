// The certificate the broker shows to agents: a pair of files, read at the start and again on SIGHUP. A pair that does
// not fit together, or cannot be read, leaves the old one in force: a renewal that went wrong must not end the service.

import { createSecureContext } from "node:tls";

/** A certificate chain and its key, PEM. */
export interface TlsPair {
  readonly cert: string;
  readonly key: string;
}

/** Where the pair is. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

/** Reads the pair and tries it. Throws an Error that says which file is wrong and nothing of what it holds. */
export function readTlsPair(
  files: TlsFiles,
  read: (path: string) => string,
): TlsPair {
  const pair = {
    cert: readPem(files.cert, read, "-----BEGIN CERTIFICATE-----"),
    key: readPem(files.key, read, "PRIVATE KEY-----"),
  };
  try {
    createSecureContext(pair);
  } catch {
    throw new TlsFault(
      `${files.cert} and ${files.key}: are not a certificate and its own key`,
    );
  }
  return pair;
}

/** A pair of files that is none. */
class TlsFault extends Error {
  override readonly name = "TlsFault";
  readonly ours = true;
}

function readPem(
  path: string,
  read: (path: string) => string,
  mark: string,
): string {
  let text: string;
  try {
    text = read(path);
  } catch {
    throw new TlsFault(`${path}: cannot be read`);
  }
  if (!text.includes(mark)) {
    throw new TlsFault(`${path}: must be PEM`);
  }
  return text;
}
