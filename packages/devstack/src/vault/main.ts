// Vault's stand-in as a process of its own, for stories that start, kill and restart it. Prints one line once it
// listens, ends on SIGTERM and SIGINT.

import { Command } from "commander";
import { startVault } from "./server.ts";

function address(text: string): { host: string; port: number } {
  const at = text.lastIndexOf(":");
  const host = text.slice(0, at).replace(/^\[(.*)\]$/, "$1");
  const port = Number(text.slice(at + 1));
  if (at === -1 || !Number.isInteger(port) || port < 0 || port > 65_535)
    throw new Error(`"${text}" is no host:port`);
  return { host: host === "" ? "0.0.0.0" : host, port };
}

const program = new Command()
  .name("vault-stand-in")
  .description("a stand-in for a dev-mode Vault; keeps everything in memory")
  .option("--listen <host:port>", "where to listen", "127.0.0.1:8200")
  .option("--root-token <token>", "the root token (default: a random one)")
  .option("--control <host:port>", "where the remote control listens")
  .parse();
const options = program.opts<{
  listen: string;
  rootToken?: string;
  control?: string;
}>();

const vault = await startVault({
  ...address(options.listen),
  ...(options.rootToken !== undefined && { rootToken: options.rootToken }),
  ...(options.control !== undefined && { control: address(options.control) }),
});
process.stdout.write(
  `vault stand-in listens on ${vault.addr}${vault.controlAddr === undefined ? "" : `, control on ${vault.controlAddr}`}\n`,
);
for (const signal of ["SIGTERM", "SIGINT"] as const)
  process.once(signal, () => void vault.close());
