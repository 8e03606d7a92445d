// Writes the generated tables into the README: `npx --yes pnpm@12 tables`.

import { readFileSync, writeFileSync } from "node:fs";
import { filled } from "./tables.ts";

const readme = new URL("../../README.md", import.meta.url);
writeFileSync(readme, filled(readFileSync(readme, "utf8")));
