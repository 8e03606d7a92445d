// Staying on needs the launcher of the bundle: as a bare script the entrypoint says so before anything happens. What it
// does with the launcher is in test/supervise.test.ts.

import { expect, test } from "vitest";
import { start } from "./harness.ts";

test("a bare script cannot stay with its command, and says so", async () => {
  const started = await start(["true"], {
    PATH: "/usr/bin:/bin",
    WIS_MODE: "off",
    WIS_SUPERVISE: "true",
  });
  expect(await started.ended).toBe(220);
  expect(started.err()).toContain("WIS_SUPERVISE: needs the bundle's");
});
