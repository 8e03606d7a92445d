// Loaded into a broker before its own code (NODE_OPTIONS=--import): its wall clock is off by the milliseconds that stand in
// the file named by CLOCK_OFF_BY. A story's tool; the machine's clock is never set.

import { readFileSync } from "node:fs";

const file = process.env["CLOCK_OFF_BY"] ?? "";
const real = Date.now;
Date.now = () => real() + Number(readFileSync(file, "utf8"));
