import { ledgerContract } from "./contract.ts";
import { MemoryLedger } from "./memory.ts";

ledgerContract("memory", async () => {
  const ledger = new MemoryLedger();
  return {
    open: async () => ledger,
    clear: async () => undefined,
  };
});
