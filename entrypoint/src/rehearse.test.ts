import { systemClock } from "@vaultbuddy/common";
import { expect, test } from "vitest";
import { rehearse } from "./rehearse.ts";

test("a made-up delivery goes all the way, and nothing of it is left", async () => {
  const before = process.getActiveResourcesInfo().toSorted();
  await expect(rehearse(systemClock)).resolves.toBeUndefined();
  const after = process
    .getActiveResourcesInfo()
    .filter((name) => name !== "Timeout" && name !== "Immediate");
  expect(before).toEqual(expect.arrayContaining(after));
});
