// Whether stories that need real containers can run here. With REQUIRE_DOCKER=1 they always do, and fail where Docker is
// missing; otherwise they are left out, and it is said why.

import { dockerEngine } from "@vaultbuddy/devstack";

async function missing(): Promise<string | undefined> {
  try {
    await dockerEngine().ping();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : "Docker does not answer";
  }
}

const reason = await missing();
if (reason !== undefined && process.env["REQUIRE_DOCKER"] !== "1") {
  process.stderr.write(
    `Stories over real containers are LEFT OUT: ${reason}. Debian: apt-get install docker.io, then start dockerd.\n`,
  );
}

/** True where stories over real containers have to be left out. */
export const noDocker =
  reason !== undefined && process.env["REQUIRE_DOCKER"] !== "1";
