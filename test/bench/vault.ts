// The Vault of the bench: the stand-in over TLS, in a thread of its own, so that it answers while the bench itself works.
// It sends its address and root token once it listens.

import { parentPort, workerData } from "node:worker_threads";
import { startVault } from "../../packages/devstack/src/vault/server.ts";

const vault = await startVault({
  tls: workerData as { key: string; cert: string },
});
parentPort?.postMessage({ addr: vault.addr, rootToken: vault.rootToken });
