// What a command needs so that the kernel can start it at all: the loader that a program names, or the interpreter in a
// script's first line. Looked at before anything is fetched: afterwards it would cost a token, and there is no way back.

import { closeSync, openSync, readSync, statSync } from "node:fs";

/** The kernel reads this much of a script's first line (BINPRM_BUF_SIZE). */
const LINE_BYTES = 256;
/** Offsets and numbers of ELF's 64-bit format, elf(5). */
const ELF = { class: 4, order: 5, phoff: 32, phentsize: 54, phnum: 56 };
const PT_INTERP = 3;
/** A path is no longer (PATH_MAX). */
const PATH_BYTES = 4096;

/**
 * The file without which `file` cannot be started and which is not there. Undefined where nothing is missing, and where
 * that can't be told from here: an unreadable file, a 32-bit program, or no program at all.
 */
export function missingInterpreter(file: string): string | undefined {
  try {
    const needed = interpreterOf(file);
    return needed === undefined || isThere(needed) ? undefined : needed;
  } catch {
    return undefined;
  }
}

function interpreterOf(file: string): string | undefined {
  const descriptor = openSync(file, "r");
  try {
    const read = (at: number, length: number): Buffer => {
      const bytes = Buffer.alloc(length);
      return bytes.subarray(0, readSync(descriptor, bytes, 0, length, at));
    };
    const head = read(0, LINE_BYTES);
    const [, script] =
      /^#![ \t]*([^ \t\n\0]+)[ \t\n]/.exec(head.toString("latin1")) ?? [];
    if (script !== undefined) {
      return Buffer.from(script, "latin1").toString();
    }
    const isElf = head.toString("latin1", 0, 4) === "\x7fELF";
    return isElf && head[ELF.class] === 2 && head[ELF.order] === 1
      ? loaderOf(head, read)
      : undefined;
  } finally {
    closeSync(descriptor);
  }
}

function loaderOf(
  head: Buffer,
  read: (at: number, length: number) => Buffer,
): string | undefined {
  const size = head.readUInt16LE(ELF.phentsize);
  const headers = read(
    Number(head.readBigUInt64LE(ELF.phoff)),
    size * head.readUInt16LE(ELF.phnum),
  );
  for (let at = 0; at + 40 <= headers.length; at += size) {
    if (headers.readUInt32LE(at) === PT_INTERP) {
      const length = Number(headers.readBigUInt64LE(at + 32));
      const path = read(
        Number(headers.readBigUInt64LE(at + 8)),
        Math.min(length, PATH_BYTES),
      );
      return path.toString("utf8").replace(/\0.*$/s, "");
    }
  }
  return undefined;
}

function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}
