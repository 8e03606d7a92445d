import { once } from "node:events";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { expect, test } from "vitest";
import { Door, MOST_SOCKETS } from "./listen.ts";
import type { Network } from "./settings.ts";
import { FakeLog } from "./testing.ts";

async function open(allowFrom?: readonly Network[], host = "127.0.0.1") {
  const door = new Door(allowFrom, new FakeLog());
  const port = await door.listen({ host, port: 0 });
  const dial = async (): Promise<Socket> => {
    const socket = connect(port, "127.0.0.1").on("error", () => undefined);
    await once(socket, "connect");
    return socket.resume();
  };
  return { door, dial };
}

test("connections that came before there was anybody to speak are spoken on", async () => {
  const { door, dial } = await open();
  const early = await dial();
  early.write("early");
  await dial();
  const heard = Promise.withResolvers<string>();
  door.serve((socket) => {
    socket
      .resume()
      .once("data", (chunk: Buffer) => heard.resolve(chunk.toString()));
  });
  expect(await heard.promise).toBe("early");
  door.close();
});

test("when all places are taken the oldest connection that proved nothing makes room", async () => {
  const { door, dial } = await open();
  const spoken: Socket[] = [];
  const came = (count: number) =>
    new Promise<void>((resolve) => {
      const look = (): void =>
        spoken.length >= count ? resolve() : void setImmediate(look);
      look();
    });
  door.serve((socket) => spoken.push(socket));
  const dialled: Socket[] = [];
  for (let count = 1; count <= MOST_SOCKETS; count += 1) {
    dialled.push(await dial());
    await came(count);
  }
  const [oldest, next] = [spoken[0], dialled[1]];
  if (oldest === undefined || next === undefined) {
    throw new Error("nobody came");
  }
  door.prove(oldest);
  await dial();
  await once(next, "close");
  expect(oldest.destroyed).toBe(false);
  door.close();
});

test.each([
  [
    "127.0.0.0/8 admits it",
    [{ address: "127.0.0.0", prefix: 8, family: "ipv4" }],
    true,
  ],
  [
    "10.0.0.0/8 does not",
    [{ address: "10.0.0.0", prefix: 8, family: "ipv4" }],
    false,
  ],
  [
    "an IPv6 range does not",
    [{ address: "fd00::", prefix: 8, family: "ipv6" }],
    false,
  ],
] as const)(
  "of an IPv4 caller on an IPv6 listener: %s",
  async (_name, allowed, admitted) => {
    const { door, dial } = await open(allowed, "::");
    const heard = Promise.withResolvers<boolean>();
    door.serve(() => heard.resolve(true));
    const socket = await dial();
    socket.once("close", () => heard.resolve(false));
    expect(await heard.promise).toBe(admitted);
    door.close();
  },
);

test("closing cuts every connection", async () => {
  const { door, dial } = await open();
  door.serve(() => undefined);
  const socket = await dial();
  door.close();
  await once(socket, "close");
  expect(socket.destroyed).toBe(true);
});
