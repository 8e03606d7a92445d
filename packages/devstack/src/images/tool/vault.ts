// The stand-in for Vault as docker-compose's override starts it, where Vault's own image cannot be had.

import { parseArgs } from "node:util";
import { startVault } from "../../vault/server.ts";
import type { Job } from "./job.ts";

/** `vault [--port NUMBER]`; the root token is VAULT_DEV_ROOT_TOKEN_ID, as for Vault's own image. */
export const standInForVault: Job = async (args, { env, print, stopped }) => {
  const { values } = parseArgs({
    args: [...args],
    options: { port: { type: "string", default: "8200" } },
  });
  const rootToken = env["VAULT_DEV_ROOT_TOKEN_ID"];
  const vault = await startVault({
    host: "0.0.0.0",
    port: Number(values.port),
    ...(rootToken !== undefined && { rootToken }),
  });
  print(`the stand-in for Vault listens on ${vault.addr}`);
  await stopped;
  await vault.close();
};
