// Whether there are real containers here. Stories run on whichever engine is there; what only a real container can show
// (process 1, docker inspect) is left out on the embedded one, and that is said. With REQUIRE_DOCKER=1 there is no
// leaving out: without Docker the choice itself fails.

import { chooseEngine } from "@vaultbuddy/devstack";

const choice = await chooseEngine(process.env);

/** True where containers are plain processes of the embedded engine. */
export const noDocker = choice.kind !== "docker";

if (noDocker) {
  process.stderr.write(
    `Containers run on the EMBEDDED ENGINE: ${choice.why}. What only real ones can show is LEFT OUT.\n`,
  );
}
