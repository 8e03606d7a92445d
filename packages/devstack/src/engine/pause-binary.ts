// The program of the pause container, which holds an awsvpc task's network namespace and does nothing else: the few
// machine instructions of `for (;;) pause();` in the smallest ELF file that Linux runs. Written here byte by byte
// because a Node process for each would cost 45 MB, and there is no compiler and no registry to get one from.

const headerBytes = 64 + 56;
const loadAddress = 0x400000;

/** `mov eax, 34 (pause); syscall; jmp back`. */
const x64 = [0xb8, 34, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7];

/** arm64 has no pause: `ppoll(0, 0, 0, 0)` waits for ever as well. mov x0–x4, #0; mov x8, #73; svc #0; b back. */
const arm64 = words([
  0xd2800000, 0xd2800001, 0xd2800002, 0xd2800003, 0xd2800004, 0xd2800928,
  0xd4000001, 0x17fffff9,
]);

const machines = {
  x64: { machine: 62, code: x64 },
  arm64: { machine: 183, code: arm64 },
} as const;

/** The ELF file for this architecture (`process.arch`'s names). Throws for one that it has no code for. */
export function pauseBinary(arch: string): Uint8Array {
  if (arch !== "x64" && arch !== "arm64") {
    throw new Error(`no pause program for ${arch}`);
  }
  const { machine, code } = machines[arch];
  const size = headerBytes + code.length;
  const elf = Buffer.alloc(size);
  // The ELF header: 64 bit, little endian, version 1; an executable with one program header right behind.
  elf.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  elf.writeUInt16LE(2, 16);
  elf.writeUInt16LE(machine, 18);
  elf.writeUInt32LE(1, 20);
  elf.writeBigUInt64LE(BigInt(loadAddress + headerBytes), 24);
  elf.writeBigUInt64LE(64n, 32);
  elf.writeUInt16LE(64, 52);
  elf.writeUInt16LE(56, 54);
  elf.writeUInt16LE(1, 56);
  // The program header: load the whole file, readable and executable.
  elf.writeUInt32LE(1, 64);
  elf.writeUInt32LE(5, 68);
  elf.writeBigUInt64LE(BigInt(loadAddress), 80);
  elf.writeBigUInt64LE(BigInt(loadAddress), 88);
  elf.writeBigUInt64LE(BigInt(size), 96);
  elf.writeBigUInt64LE(BigInt(size), 104);
  elf.writeBigUInt64LE(0x1000n, 112);
  elf.set(code, headerBytes);
  return elf;
}

function words(values: readonly number[]): number[] {
  return values.flatMap((word) => [
    word & 0xff,
    (word >>> 8) & 0xff,
    (word >>> 16) & 0xff,
    (word >>> 24) & 0xff,
  ]);
}
