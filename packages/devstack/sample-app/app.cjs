// The app of the demo and the stories: it has never heard of Vault. It tells which variables it has, by name, with a
// hash of each value so that a story can compare without a secret being printed, and then runs until it is told to stop.

const { createHash } = require("node:crypto");

const variables = Object.fromEntries(
  Object.entries(process.env).map(([name, value]) => [
    name,
    createHash("sha256").update(value).digest("hex").slice(0, 16),
  ]),
);
const line = {
  app: "started",
  pid: process.pid,
  at: Date.now(),
  argv: process.argv.slice(2),
  variables,
};
process.stdout.write(`${JSON.stringify(line)}\n`);
process.on("SIGTERM", () => process.exit(0));
setInterval(() => undefined, 1 << 30);
