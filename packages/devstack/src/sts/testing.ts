// Signs a request for STS with the AWS SDK's own signer, through a client that sends nothing: what tests of STS and of
// Vault's aws method present must not be signed by code of ours.

import { ECSClient } from "@aws-sdk/client-ecs";
import type { Principal, StsServer } from "./server.ts";

interface Change {
  readonly host?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Milliseconds since 1970. */
  readonly at?: number;
}

/** The headers of a signed GetCallerIdentity. */
export async function signed(
  sts: StsServer,
  who: Principal,
  change: Change = {},
): Promise<Readonly<Record<string, string>>> {
  const host = change.host ?? new URL(sts.endpoint).host;
  const { accessKeyId, secretAccessKey, sessionToken } = who;
  const client = new ECSClient({
    region: sts.region,
    credentials: {
      accessKeyId,
      secretAccessKey,
      ...(sessionToken === undefined ? {} : { sessionToken }),
    },
  });
  const signer = await client.config.signer({
    name: "sigv4",
    signingName: "sts",
    signingRegion: sts.region,
    properties: {},
  });
  const request = {
    method: "POST",
    protocol: "http:",
    hostname: host,
    path: "/",
    query: {},
    headers: { host, ...change.headers },
    body: change.body ?? "Action=GetCallerIdentity&Version=2011-06-15",
  };
  const { headers } = await signer.sign(request, {
    signingDate: new Date(change.at ?? Date.now()),
  });
  client.destroy();
  return headers;
}
