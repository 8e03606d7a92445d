// `node /app/health.cjs broker|agent`, the HEALTHCHECK of both images. Prints the status when it is not 200.

import { ask, healthUrl, isDaemon } from "./health.ts";

const [, , daemon] = process.argv;

function fail(why: string): void {
  process.stderr.write(`health: ${why}\n`);
  process.exitCode = 1;
}

if (isDaemon(daemon)) {
  const url = healthUrl(daemon, process.env);
  ask(url).then(
    (status) => {
      if (status !== 200) fail(`${url} answered ${status}`);
    },
    (error: unknown) => {
      const code: unknown = Reflect.get(Object(error), "code");
      fail(`${url} does not answer (${String(code)})`);
    },
  );
} else {
  fail("usage: health.cjs broker|agent");
}
