import { ManualClock } from "@vaultbuddy/common/testing";
import { expect, test } from "vitest";
import { Failure } from "../exit.ts";
import { FakeLog } from "../testing.ts";
import { keep, MOST_RESTARTS } from "./keep.ts";
import type { App, Environment, Watch } from "./keep.ts";
import type { OnChange } from "./settings.ts";

/** A command that does what the test says, and at SIGTERM ends with 143 unless it is deaf. */
class FakeApp implements App {
  readonly done: string[] = [];
  deaf = false;
  #running: PromiseWithResolvers<number> | undefined;
  readonly #stopped = Promise.withResolvers<void>();

  get stopped(): Promise<void> {
    return this.#stopped.promise;
  }

  run(env: Environment): Promise<number> {
    this.done.push(`run ${env["A"]}`);
    this.#running = Promise.withResolvers<number>();
    return this.#running.promise;
  }

  kill(signal: number): void {
    this.done.push(`kill ${signal}`);
    if (signal === 9 || (signal === 15 && !this.deaf)) {
      this.end(128 + signal);
    }
  }

  end(code: number): void {
    this.#running?.resolve(code);
  }

  /** What the launcher tells of a SIGTERM from outside. */
  stop(): void {
    this.#stopped.resolve();
  }
}

class FakeWatch implements Watch {
  ended = 0;
  #next = Promise.withResolvers<Environment>();

  next(): Promise<Environment> {
    return this.#next.promise;
  }

  change(value: string): void {
    const { resolve } = this.#next;
    this.#next = Promise.withResolvers();
    resolve({ A: value });
  }

  fail(failure: Failure): void {
    this.#next.reject(failure);
  }

  end(): Promise<void> {
    this.ended += 1;
    return Promise.resolve();
  }
}

function kept(onChange: OnChange = "restart") {
  const clock = new ManualClock();
  const [app, watch, log] = [new FakeApp(), new FakeWatch(), new FakeLog()];
  const deps = { clock, log, onChange, stopTime: 25_000 };
  const code = keep(app, { A: "1" }, watch, deps);
  const change = async (value: string): Promise<void> => {
    watch.change(value);
    await clock.advance(0);
  };
  return { clock, app, watch, log, code, change };
}

test("it ends as the command did, ends the token, and never starts the command again for that", async () => {
  const { clock, app, watch, code } = kept();
  await clock.advance(3_600_000);
  app.end(42);
  expect(await code).toBe(42);
  expect(app.done).toEqual(["run 1"]);
  expect([watch.ended, clock.sleeping]).toEqual([1, 0]);
});

test("a change restarts the command with what it is given now", async () => {
  const { app, code, change } = kept();
  await change("2");
  expect(app.done).toEqual(["run 1", "kill 15", "run 2"]);
  app.end(0);
  expect(await code).toBe(0);
});

test("a command that does not end in its time is killed, whoever wanted it to end", async () => {
  const own = kept();
  own.app.deaf = true;
  await own.change("2");
  await own.clock.advance(24_999);
  expect(own.app.done).toEqual(["run 1", "kill 15"]);
  await own.clock.advance(1);
  expect(own.app.done).toEqual(["run 1", "kill 15", "kill 9", "run 2"]);
  const other = kept();
  other.app.stop();
  await other.clock.advance(25_000);
  expect(other.app.done).toEqual(["run 1", "kill 9"]);
  expect(await other.code).toBe(137);
});

test("who is stopped from outside while restarting is not started anew", async () => {
  const { clock, app, code, change } = kept();
  app.deaf = true;
  await change("2");
  app.stop();
  await clock.advance(0);
  app.end(0);
  expect(await code).toBe(0);
  expect(app.done).toEqual(["run 1", "kill 15"]);
});

test("restarts are bounded in time; one too many waits, and not for a command that has ended", async () => {
  const { clock, app, code, change } = kept();
  const runs = (): number =>
    app.done.filter((one) => one.startsWith("run")).length;
  for (let at = 0; at <= MOST_RESTARTS.count; at += 1) {
    await change(String(at));
  }
  expect(runs()).toBe(1 + MOST_RESTARTS.count);
  await clock.advance(MOST_RESTARTS.within);
  expect(runs()).toBe(2 + MOST_RESTARTS.count);
  for (let at = 0; at < MOST_RESTARTS.count; at += 1) {
    await change("again");
  }
  const before = app.done.length;
  app.end(3);
  expect(await code).toBe(3);
  expect(app.done.length).toBe(before);
  expect(clock.sleeping).toBe(0);
});

test("instead a signal is sent, or nothing", async () => {
  const told = kept(10);
  await told.change("2");
  expect(told.app.done).toEqual(["run 1", "kill 10"]);
  const left = kept("none");
  await left.change("2");
  expect(left.app.done).toEqual(["run 1"]);
  expect(left.log.lines.map(({ level }) => level)).toEqual(["warn"]);
});

test("when the token ends that is needed, the command is stopped, or told, or left alone", async () => {
  const failure = new Failure("renew_failed", "over");
  const stopped = kept();
  const rejected = expect(stopped.code).rejects.toBe(failure);
  stopped.watch.fail(failure);
  await rejected;
  expect(stopped.app.done).toEqual(["run 1", "kill 15"]);
  expect(stopped.watch.ended).toBe(1);
  for (const [onChange, done] of [
    [1, ["run 1", "kill 1"]],
    ["none", ["run 1"]],
  ] as const) {
    const { clock, app, watch, code } = kept(onChange);
    watch.fail(failure);
    await clock.advance(60_000);
    expect(app.done).toEqual(done);
    app.end(5);
    expect(await code).toBe(5);
  }
});
