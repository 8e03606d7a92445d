// Vault's stand-in, blocks of addresses: which caller a token or a SecretID may be used by.

import { BlockList, isIP } from "node:net";

interface Block {
  readonly address: string;
  readonly bits: number;
  readonly family: "ipv4" | "ipv6";
}

/** Parses "10.0.0.0/8", "10.1.2.3" or their IPv6 likes; undefined for anything else. */
function parseBlock(text: string): Block | undefined {
  const [address = "", bits, ...more] = text.trim().split("/");
  const version = isIP(address);
  if (version === 0 || more.length > 0) return undefined;
  const most = version === 4 ? 32 : 128;
  if (bits !== undefined && !/^\d{1,3}$/.test(bits)) return undefined;
  const length = bits === undefined ? most : Number(bits);
  if (length > most) return undefined;
  return {
    address,
    bits: length,
    family: version === 4 ? "ipv4" : "ipv6",
  };
}

/** Whether the text is an address or a block. */
export function isBlock(text: string): boolean {
  return parseBlock(text) !== undefined;
}

/** Whether the text is a block with its length spelled out, which AppRole insists on. */
export function isCidr(text: string): boolean {
  return text.includes("/") && isBlock(text);
}

/** The caller's address without the prefix that dual-stack sockets put before IPv4. */
export function plainAddress(address: string): string {
  return address.startsWith("::ffff:") ? address.slice(7) : address;
}

/** Whether one of the blocks holds the address. */
export function anyHolds(blocks: readonly string[], address: string): boolean {
  const plain = plainAddress(address);
  const family = isIP(plain) === 6 ? "ipv6" : "ipv4";
  return blocks.some((text) => {
    const block = parseBlock(text);
    if (block === undefined || block.family !== family) return false;
    const list = new BlockList();
    list.addSubnet(block.address, block.bits, block.family);
    return list.check(plain, family);
  });
}

/** Whether every inner block lies within one of the outer ones. */
export function allWithin(
  outer: readonly string[],
  inner: readonly string[],
): boolean {
  return inner.every((text) => {
    const block = parseBlock(text);
    if (block === undefined) return false;
    return outer.some((candidate) => {
      const around = parseBlock(candidate);
      return (
        around !== undefined &&
        around.bits <= block.bits &&
        anyHolds([candidate], block.address)
      );
    });
  });
}
