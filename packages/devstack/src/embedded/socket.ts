// The engine's socket: for this user alone, taken over from an engine that died, never from one that lives; and the
// folders of dead engines, which are found by their sockets and swept away.

import { chmod, readdir, readFile, rm, writeFile } from "node:fs/promises";
import type { Server } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";

/** What the folders of engines are called. */
export const folderPrefix = "vaultbuddy-engine-";
/** The file in such a folder that says where its engine listens, once it does. */
const note = "socket";

/** Rejects when somebody who lives listens there. */
export async function listenAt(
  server: Server,
  path: string,
  folder: string,
): Promise<void> {
  await listening(server, path).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== "EADDRINUSE" || (await answers(path))) throw error;
    await rm(path);
    await listening(server, path);
  });
  await chmod(path, 0o600);
  await writeFile(join(folder, note), path);
}

/** Removes what engines left behind that were killed: 150 MB each. */
export async function sweep(parent: string): Promise<void> {
  const names = await readdir(parent);
  for (const name of names.filter((one) => one.startsWith(folderPrefix))) {
    const folder = join(parent, name);
    // Without a note it is somebody else's, or one that is just starting.
    const path = await readFile(join(folder, note), "utf8").catch(
      () => undefined,
    );
    if (path === undefined || (await answers(path))) continue;
    await rm(folder, { recursive: true, force: true }).catch(() => undefined);
  }
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
