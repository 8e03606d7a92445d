/*
 * timer.c: how long programs take from their start until they say their first line on stderr, measured within one
 * container, so that Docker's own time is in none of it. `timer ROUNDS -- CMD… -- CMD…` runs the commands in turn and
 * prints one line for each run: which one, and nanoseconds. Each is ended by SIGKILL once it has spoken.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what) {
  fprintf(stderr, "timer: %s: %s\n", what, strerror(errno));
  exit(1);
}

static long long now(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec * 1000000000LL + at.tv_nsec;
}

static long long run(char **command) {
  int ends[2];
  if (pipe(ends) != 0) die("pipe");
  long long start = now();
  pid_t child = vfork();
  if (child == 0) {
    dup2(ends[1], 2);
    close(ends[0]);
    close(ends[1]);
    execvp(command[0], command);
    _exit(127);
  }
  if (child < 0) die("vfork");
  close(ends[1]);
  char line[4096];
  ssize_t length = read(ends[0], line, sizeof line - 1);
  long long taken = now() - start;
  if (length <= 0) die(command[0]);
  line[length] = '\0';
  if (strstr(line, "waiting") == NULL) {
    fprintf(stderr, "timer: %s said: %s", command[0], line);
    exit(1);
  }
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  close(ends[0]);
  return taken;
}

int main(int argc, char **argv) {
  char **commands[8];
  int count = 0;
  int rounds = argc > 1 ? atoi(argv[1]) : 0;
  for (int index = 2; index < argc; index++) {
    if (strcmp(argv[index], "--") != 0) continue;
    argv[index] = NULL;
    if (count < 8) commands[count++] = argv + index + 1;
  }
  if (rounds < 1 || count < 1) {
    errno = EINVAL;
    die("usage: timer ROUNDS -- CMD... -- CMD...");
  }
  for (int round = 0; round < rounds; round++) {
    for (int index = 0; index < count; index++) printf("%d %lld\n", index, run(commands[index]));
  }
  return 0;
}
