// Somebody on the way opens the wrapping token first. The app does not start, the token he holds is revoked, and both
// sides raise the alarm. Under TLS he would see nothing: this story consents to plain HTTP on both sides.

import { createServer, request as ask } from "node:http";
import type { AddressInfo } from "node:net";
import { looseTask, notify, readAppLine, Stack } from "@vaultbuddy/devstack";
import { afterAll, beforeAll, expect, test } from "vitest";
import { lives, mintedAccessors } from "./facts.ts";

let stack: Stack;
let url: string;
let stolen: { token: string; accessor: string } | undefined;
let forwardTo = 0;

// He stands at the address that ECS names and passes on what he has read.
const thief = createServer((incoming, outgoing) => {
  const chunks: Buffer[] = [];
  incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
  incoming.on("end", () => {
    const body = Buffer.concat(chunks);
    void open(body).then(() => {
      const onward = ask(
        {
          host: "127.0.0.1",
          port: forwardTo,
          method: "POST",
          path: "/",
          headers: incoming.headers,
        },
        (answer) => {
          outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
          answer.pipe(outgoing);
        },
      );
      onward.end(body);
    });
  });
});

beforeAll(async () => {
  stack = await Stack.start({
    containers: false,
    families: ["plain"],
    policy: { plain: { policies: ["plain"], transport: "plain" } },
  });
  ({ url } = await stack.startBroker());
  await new Promise<void>((resolve) => thief.listen(0, "127.0.0.1", resolve));
});
afterAll(async () => {
  thief.closeAllConnections();
  thief.close();
  await stack.close();
});

async function open(body: Buffer): Promise<void> {
  const { payload } = JSON.parse(body.toString()) as { payload: string };
  const { wrap } = JSON.parse(Buffer.from(payload, "base64url").toString()) as {
    wrap: { token: string };
  };
  const answer = (await stack.admin.ask("POST", "sys/wrapping/unwrap", {
    token: wrap.token,
  })) as {
    auth: { client_token: string; accessor: string };
  };
  stolen = { token: answer.auth.client_token, accessor: answer.auth.accessor };
}

test("the alarm is raised on both sides, the stolen token is dead, and the app never starts", async () => {
  const task = await looseTask(stack, {
    family: "plain",
    env: { WIS_PLAINTEXT: "allow", WIS_TIMEOUT: "3s" },
    container: { environment: [{ name: "WIS_PLAINTEXT", value: "allow" }] },
    dialledPort: (thief.address() as AddressInfo).port,
  });
  forwardTo = task.port;
  const entrypoint = task.start();
  await entrypoint.line((line) => /wait|listen|WIS_PLAINTEXT/i.test(line.text));
  const answer = await notify(url, task.notice);
  expect(answer).toMatchObject({ status: 502, code: "delivery_uncertain" });
  expect(stolen?.accessor).toBe(mintedAccessors(stack).at(-1));
  expect(await lives(stack, stolen?.accessor ?? "")).toBe(false);
  expect(await entrypoint.exit()).toBe(231);
  expect(entrypoint.output).toContain("alarm");
  expect(readAppLine(entrypoint.output)).toBeUndefined();
  expect(stack.output).toMatch(/"level":"fatal"[^\n]*delivery_uncertain/);
  // It is never tried again.
  const minted = mintedAccessors(stack).length;
  expect((await notify(url, task.notice)).code).toBe("delivery_uncertain");
  expect(mintedAccessors(stack)).toHaveLength(minted);
  expect(stack.output).not.toContain(stolen?.token);
});
