/*
 * given.h: the two records that pass from program to program while the entrypoint works, and what both C programs share.
 * entrypoint.c writes what it was given into a sealed memfd (struct given), Node reads it and writes what is to run into
 * a second one (struct plan), become.c reads both and becomes the command. given.ts is the same layout in TypeScript.
 * All numbers are little-endian, as both architectures are; strings follow the record, each ended by its NUL.
 */
#ifndef GIVEN_H
#define GIVEN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Where the folder is mounted. The loader's path inside our Node is absolute too, so this can't be found out at run time. */
#ifndef ROOT
#define ROOT "/vaultbuddy"
#endif

#define GIVEN_MAGIC "vaultbuddy-give1"
#define PLAN_MAGIC "vaultbuddy-plan1"

/* Node marks descriptors 0 to 15, and those above until the first gap, as close-on-exec (uv_disable_stdio_inheritance).
 * So whatever is to outlive it stands above 16, and 16 is a gap. */
#define LOW 3
#define MOVED 14
#define HIGH (LOW + MOVED)

/* What the process was given; argc arguments and envc variables follow, the bytes exactly as the kernel handed them over. */
struct given {
  char magic[16];
  uint32_t argc;       /* without the launcher's own name */
  uint32_t envc;
  uint64_t nofile;     /* soft limit; Node raises it */
  uint64_t core;       /* soft limit; 0 while secrets are in Node's memory */
  uint64_t room;       /* bytes that execve takes for arguments and environment, pointers included */
  uint64_t ignored;    /* bit n-1: signal n is ignored; Node resets these */
  uint64_t blocked;    /* the signal mask */
  uint64_t pending;    /* blocked signals that had come; Node's mask would let them loose */
  uint32_t closed;     /* bit n: descriptor n (0-2) is not open; Node opens /dev/null there */
  uint32_t nonblock;   /* bit n: descriptor n (0-2) is non-blocking */
  int32_t moved[MOVED]; /* where descriptor LOW + n waits meanwhile, or -1 */
};

/* What is to run; the file and envc variables follow. The arguments are the given ones, without the first `skip`. */
struct plan {
  char magic[16];
  uint32_t skip;
  uint32_t envc;
};

/* The kernel's struct sigaction on x86-64 and arm64: libc's would hide the signals 32 to 34 that it keeps for itself. */
struct kernel_sigaction {
  void (*handler)(int);
  unsigned long flags;
  void (*restorer)(void);
  uint64_t mask;
};

#define SIGNALS 64

/* Writes one line to stderr, in pieces that end with a NULL, and ends. The exit codes are those of src/exit.ts. */
__attribute__((noreturn, unused)) static void fail(int code, const char *const *pieces) {
  char line[1024];
  size_t used = 0;
  for (; *pieces != NULL; pieces++) {
    size_t length = strlen(*pieces);
    if (length > sizeof line - used - 1) length = sizeof line - used - 1;
    memcpy(line + used, *pieces, length);
    used += length;
  }
  line[used++] = '\n';
  ssize_t ignored = write(2, line, used);
  (void)ignored;
  _exit(code);
}

#define FAIL(code, ...) fail(code, (const char *const[]){"vaultbuddy-entrypoint: error: ", __VA_ARGS__, NULL})

#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND 127
#define EXIT_ENVIRONMENT 221
#define EXIT_INTERNAL 239

#endif
