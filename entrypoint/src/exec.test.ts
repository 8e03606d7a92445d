import { expect, test } from "vitest";
import { becomeCommand } from "./exec.ts";
import type { Host } from "./exec.ts";

/** A kernel that answers execve with the error numbers given, in order. */
class FakeHost implements Host {
  readonly done: string[] = [];
  readonly #errors: number[];

  constructor(...errors: number[]) {
    this.#errors = errors;
  }

  execve(file: string, argv: readonly string[]): void {
    this.done.push(`execve ${file} [${argv.join(" ")}]`);
    throw Object.assign(new Error("no"), { errno: this.#errors.shift() });
  }

  resetSignal(name: NodeJS.Signals): void {
    this.done.push(name);
  }

  inherited(): number[] {
    return [7, 9];
  }

  close(descriptor: number): void {
    this.done.push(`close ${descriptor}`);
  }

  settle(): Promise<void> {
    this.done.push("settle");
    return Promise.resolve();
  }
}

const become = (host: Host): Promise<never> =>
  becomeCommand({ file: "/app/run", argv: ["run", "a"] }, {}, host);

test("descriptors are closed, and signals put back as the very last before the command runs", async () => {
  const host = new FakeHost(13);
  await expect(become(host)).rejects.toMatchObject({ exit: "not_executable" });
  expect(host.done).toEqual([
    "close 7",
    "close 9",
    "SIGPIPE",
    "SIGXFSZ",
    "settle",
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGUSR1",
    "SIGUSR2",
    "SIGTERM",
    "execve /app/run [run a]",
  ]);
});

test("what the kernel knows no format of is run by the shell", async () => {
  const host = new FakeHost(8, 2);
  await expect(become(host)).rejects.toMatchObject({ exit: "not_found" });
  expect(host.done.slice(-2)).toEqual([
    "execve /app/run [run a]",
    "execve /bin/sh [/bin/sh /app/run a]",
  ]);
});

test.each([
  [2, "not_found"],
  [7, "environment"],
  [13, "not_executable"],
  [40, "not_executable"],
])("error number %i of execve ends as %s", async (errno, exit) => {
  await expect(become(new FakeHost(errno))).rejects.toMatchObject({ exit });
});
