// Addresses in 127/8. The whole of it leads to this machine (on Linux), so that a container can have one of its own
// without any right; each engine takes a slice that no other engine here has.

import { createServer, type Server } from "node:net";

/** Each engine has this many second octets: one for the bridge network, the others for networks that are made. */
const slice = 8;
const firstOctet = 64;
const lastOctet = 247;
/** Above the range from which Linux picks ports by itself. */
const guardPort = 61_000;
/** Networks besides the bridge, four of 16,382 addresses in each octet. */
const mostNetworks = (slice - 1) * 4;

export interface Subnet {
  /** The first address as a number. */
  readonly base: number;
  readonly prefix: number;
}

/** A slice of 127/8 that is this engine's until it is released. */
export interface Slice {
  readonly octet: number;
  release(): Promise<void>;
}

/** Takes the first free slice: the engine that has one listens at its last address. */
export async function takeSlice(): Promise<Slice> {
  for (let octet = firstOctet; octet + slice - 1 <= lastOctet; octet += slice) {
    const guard = createServer((socket) => socket.destroy());
    const outcome = await guards(guard, `127.${octet + slice - 1}.255.254`);
    if (outcome === "taken") continue;
    if (outcome !== "held")
      throw new Error(
        `this system gives no addresses in 127/8 besides 127.0.0.1 (${outcome}): the embedded engine needs Linux`,
      );
    return {
      octet,
      release: () => new Promise((resolve) => guard.close(() => resolve())),
    };
  }
  throw new Error("all slices of 127/8 belong to running engines");
}

function guards(guard: Server, host: string): Promise<string> {
  return new Promise((resolve) => {
    guard.once("error", (error: NodeJS.ErrnoException) => {
      resolve(error.code === "EADDRINUSE" ? "taken" : (error.code ?? "failed"));
    });
    guard.listen({ host, port: guardPort, exclusive: true }, () => {
      guard.unref();
      resolve("held");
    });
  });
}

/** The subnet of the bridge network (`place` 0) or of the `place`-th other; undefined when there are no more. */
export function subnet(octet: number, place: number): Subnet | undefined {
  if (place === 0) return { base: number(127, octet, 0), prefix: 16 };
  if (place > mostNetworks) return undefined;
  const nth = place - 1;
  return {
    base: number(127, octet + 1 + (nth >> 2), (nth & 3) << 6),
    prefix: 18,
  };
}

function number(a: number, b: number, c: number): number {
  return ((a << 24) | (b << 16) | (c << 8)) >>> 0;
}

export function dotted(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join(".");
}

/** The addresses of one subnet, given out in turn, so that one just given back is not somebody else's at once. */
export class Pool {
  readonly #subnet: Subnet;
  readonly #taken = new Set<number>();
  #last: number;

  constructor(subnet: Subnet) {
    this.#subnet = subnet;
    // The first one is the gateway's.
    this.#last = subnet.base + 1;
  }

  take(): number | undefined {
    const { base, prefix } = this.#subnet;
    const size = 2 ** (32 - prefix);
    for (let step = 1; step < size; step += 1) {
      const offset = (this.#last - base + step) % size;
      const address = base + offset;
      if (offset < 2 || offset > size - 3 || this.#taken.has(address)) continue;
      this.#taken.add(address);
      this.#last = address;
      return address;
    }
    return undefined;
  }

  giveBack(address: number): void {
    this.#taken.delete(address);
  }
}
