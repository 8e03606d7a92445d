// Docker's rules of health, in a time that a test moves.

import { expect, test } from "vitest";
import { Health, probeCommand } from "./health.ts";

const test1 = {
  test: ["CMD", "probe", "it"],
  interval: 1_000_000_000,
  timeout: 2_000_000_000,
  startPeriod: 0,
  retries: 2,
};

/** Runs probes that end with these codes, one after another, and says what was told. */
async function told(
  codes: readonly number[],
  more: Partial<typeof test1> = {},
): Promise<{ actions: string[]; health: Health }> {
  const actions: string[] = [];
  const stopped = new AbortController();
  const left = [...codes];
  let now = 0n;
  const health = new Health(
    {
      test: { ...test1, ...more },
      instants: { now: () => now },
      hex: (digits) => "0".repeat(digits),
      sleep: async (ms, signal) => {
        // The interval passes at once; the timeout never does.
        if (ms === 2_000) {
          await new Promise((_, reject) =>
            signal.addEventListener("abort", () => reject(new Error("over"))),
          );
        }
        now += BigInt(ms) * 1_000_000n;
        await new Promise((resolve) => setImmediate(resolve));
      },
      run: async (_, output) => {
        output(Buffer.from("said\n"));
        const code = left.shift() ?? 0;
        if (left.length === 0) setImmediate(() => stopped.abort());
        if (code < 0) throw new Error("no such probe");
        return code;
      },
      emit: (action) => actions.push(action),
    },
    ["probe", "it"],
  );
  const watching = health.watch(stopped.signal);
  await new Promise((resolve) =>
    stopped.signal.addEventListener("abort", resolve),
  );
  await watching;
  return { actions: actions.filter((one) => !one.startsWith("exec")), health };
}

test("the first good probe makes it healthy, and it is told once", async () => {
  const { actions, health } = await told([0, 0, 0]);
  expect(actions).toEqual(["health_status: healthy"]);
  expect(health.json()).toMatchObject({ Status: "healthy", FailingStreak: 0 });
});

test("so many failures in a row make it unhealthy, and one good probe healthy again", async () => {
  const { actions } = await told([1, 1, 1, 0]);
  expect(actions).toEqual([
    "health_status: unhealthy",
    "health_status: healthy",
  ]);
});

test("failures in the start period don't count", async () => {
  const { actions, health } = await told([1, 1, 1, 1], {
    startPeriod: 60_000_000_000,
  });
  expect(actions).toEqual([]);
  expect(health.status).toBe("starting");
});

test("a probe that can't be started is a failure whose reason is kept", async () => {
  const { actions, health } = await told([-1, -1]);
  expect(actions).toEqual(["health_status: unhealthy"]);
  expect(health.json()).toMatchObject({
    Log: [
      { ExitCode: -1, Output: "no such probe" },
      { ExitCode: -1, Output: "no such probe" },
    ],
  });
});

test.each([
  [
    ["CMD", "a", "b"],
    ["a", "b"],
  ],
  [
    ["CMD-SHELL", "a b"],
    ["/bin/sh", "-c", "a b"],
  ],
  [["NONE"], undefined],
  [[], undefined],
  [["CMD"], undefined],
])("%j runs %j", (words, command) => {
  expect(probeCommand(words)).toEqual(command);
});
