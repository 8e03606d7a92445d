// `node /app/place.cjs DIRECTORY VARIABLE=FILE…` in the broker's image.

import { place, readPlacings } from "./place.ts";

const [, , directory = "", ...rest] = process.argv;

try {
  place(directory, readPlacings(rest), process.env);
} catch (error) {
  process.stderr.write(
    `place: ${error instanceof Error ? error.message : "failed"}\n`,
  );
  process.exitCode = 1;
}
