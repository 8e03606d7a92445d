import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { missingInterpreter } from "./interpreter.ts";

const folder = mkdtempSync(join(tmpdir(), "vaultbuddy-interpreter-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A file with this content. */
function file(content: string | Uint8Array): string {
  const path = join(folder, "file");
  writeFileSync(path, content);
  return path;
}

/** An ELF file of 64 bits, little-endian, whose second program header names a loader. */
function program(loader: string): Buffer {
  const elf = Buffer.alloc(64 + 2 * 56 + loader.length + 1);
  elf.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  elf.writeBigUInt64LE(64n, 32);
  elf.writeUInt16LE(56, 54);
  elf.writeUInt16LE(2, 56);
  elf.writeUInt32LE(1, 64);
  elf.writeUInt32LE(3, 64 + 56);
  elf.writeBigUInt64LE(176n, 64 + 56 + 8);
  elf.writeBigUInt64LE(BigInt(loader.length + 1), 64 + 56 + 32);
  elf.write(loader, 176, "latin1");
  return elf;
}

test.each([
  [
    "a program whose loader is not there",
    program("/no/such/ld.so"),
    "/no/such/ld.so",
  ],
  [
    "a script whose interpreter is not there",
    "#! /no/such/sh -e\n",
    "/no/such/sh",
  ],
])("%s misses it", (_name, content, missing) => {
  expect(missingInterpreter(file(content))).toBe(missing);
});

test.each([
  ["a program whose loader is there", program("/proc/self/exe")],
  ["a script whose interpreter is there", "#!/proc/self/exe\nexit\n"],
  ["a script without a first line", "exit 1\n"],
  ["an empty file", ""],
  ["a header that leads nowhere", program("/no/such").subarray(0, 80)],
  ["a program of 32 bits", Buffer.from("\x7fELF\x01\x01\x01", "latin1")],
])("%s misses nothing", (_name, content) => {
  expect(missingInterpreter(file(content))).toBeUndefined();
});

test("this Node misses nothing, nor does a file that may not be read or is not there", () => {
  expect(missingInterpreter(process.execPath)).toBeUndefined();
  expect(missingInterpreter("/no/such/file")).toBeUndefined();
  const path = file("#!/no/such/sh\n");
  chmodSync(path, 0);
  const readable = process.getuid?.() === 0;
  expect(missingInterpreter(path)).toBe(readable ? "/no/such/sh" : undefined);
});
