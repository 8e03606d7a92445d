// Runs entrypoint.js with the bytecode that was made of it when the bundle was made (code-cache.ts): to parse and compile
// it again takes a tenth of the time until it listens. Bytecode that this Node does not take is passed over by V8.
"use strict";

const { readFileSync } = require("node:fs");
const { Script } = require("node:vm");

const script = new Script(
  readFileSync(`${__dirname}/entrypoint.js`, "latin1"),
  {
    filename: `${__dirname}/entrypoint.js`,
    cachedData: readFileSync(`${__dirname}/entrypoint.cache`),
  },
);
script.runInThisContext()(exports, require, module, __filename, __dirname);
