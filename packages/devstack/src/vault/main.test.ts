import { spawn } from "node:child_process";
import { once } from "node:events";
import { get } from "node:http";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const main = fileURLToPath(new URL("main.ts", import.meta.url));

test("it says in one line where it listens, serves, and ends on SIGTERM", async () => {
  const child = spawn(
    process.execPath,
    [main, "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const ended = once(child, "exit");
  try {
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    const { value } = await lines.next();
    const [, addr = "", control = ""] =
      /^vault stand-in listens on (\S+), control on (\S+)$/.exec(
        String(value),
      ) ?? [];
    expect(await statusOf(`${addr}/v1/sys/health`)).toBe(200);
    expect(await statusOf(`${control}/audit`)).toBe(200);
  } finally {
    child.kill("SIGTERM");
  }
  expect(await ended).toEqual([0, null]);
});

test("an address that is none ends it at once with a message", async () => {
  const child = spawn(process.execPath, [main, "--listen", "nowhere"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const chunks: Buffer[] = [];
  child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
  expect(await once(child, "close")).toEqual([1, null]);
  expect(Buffer.concat(chunks).toString()).toContain(
    '"nowhere" is no host:port',
  );
});

function statusOf(url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    }).on("error", reject);
  });
}
