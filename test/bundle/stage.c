/*
 * stage.c: sets a scene before a program starts: stdio from files, ignored and blocked signals, limits, inherited
 * descriptors, odd variables. `stage SETTING… -- CMD ARGS…`; Docker can't set most of these, other runtimes and shells
 * can. Everything that it sets must reach the command through the entrypoint unchanged.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

extern char **environ;

static void die(const char *what) {
  fprintf(stderr, "stage: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void put(int fd, int at) {
  if (fd < 0) die("open");
  if (fd != at && (dup2(fd, at) < 0 || close(fd) != 0)) die("dup2");
}

static void limit(int what, rlim_t soft) {
  struct rlimit both;
  getrlimit(what, &both);
  both.rlim_cur = soft;
  if (setrlimit(what, &both) != 0) die("setrlimit");
}

/* Past the C library, which keeps the signals 32 to 34 to itself. */
static void ignore(int number) {
  struct {
    void (*handler)(int);
    unsigned long rest[3];
  } action = {SIG_IGN, {0}};
  if (syscall(SYS_rt_sigaction, number, &action, NULL, 8) != 0) die("ignore");
}

static void block(int number) {
  unsigned long long mask = 1ULL << (number - 1);
  if (syscall(SYS_rt_sigprocmask, 0, &mask, NULL, 8) != 0) die("block");
}

/* Bytes as \xNN. */
static char *decode(const char *text) {
  char *all = strdup(text), *to = all;
  for (const char *from = text; *from != '\0'; to++) {
    if (strncmp(from, "\\x", 2) == 0) {
      char digits[3] = {from[2], from[3], '\0'};
      *to = (char)strtol(digits, NULL, 16);
      from += 4;
    } else {
      *to = *from++;
    }
  }
  *to = '\0';
  return all;
}

static void add_variable(const char *entry) {
  size_t count = 0;
  while (environ[count] != NULL) count++;
  char **more = calloc(count + 2, sizeof *more);
  memcpy(more, environ, count * sizeof *more);
  more[count] = decode(entry);
  environ = more;
}

static void set(const char *name, const char *value) {
  int number = atoi(value);
  if (strcmp(name, "ignore") == 0) ignore(number);
  else if (strcmp(name, "block") == 0) block(number);
  else if (strcmp(name, "raise") == 0) raise(number);
  else if (strcmp(name, "files") == 0) limit(RLIMIT_NOFILE, (rlim_t)number);
  else if (strcmp(name, "core") == 0) limit(RLIMIT_CORE, (rlim_t)number);
  else if (strcmp(name, "stack") == 0) limit(RLIMIT_STACK, (rlim_t)number);
  else if (strcmp(name, "stdin") == 0) put(open(value, O_RDONLY), 0);
  else if (strcmp(name, "stdout") == 0) put(open(value, O_WRONLY | O_CREAT | O_APPEND, 0600), 1);
  else if (strcmp(name, "stderr") == 0) put(open(value, O_RDWR | O_CREAT, 0600), 2);
  else if (strcmp(name, "open") == 0) put(open("/proc/self/exe", O_RDONLY), number);
  else if (strcmp(name, "skip") == 0) lseek(number, 7, SEEK_SET);
  else if (strcmp(name, "close") == 0) close(number);
  else if (strcmp(name, "nonblock") == 0) fcntl(number, F_SETFL, fcntl(number, F_GETFL) | O_NONBLOCK);
  else if (strcmp(name, "umask") == 0) umask((mode_t)strtol(value, NULL, 8));
  else if (strcmp(name, "nice") == 0) setpriority(PRIO_PROCESS, 0, number);
  else if (strcmp(name, "slack") == 0) prctl(PR_SET_TIMERSLACK, number);
  else if (strcmp(name, "reaper") == 0) prctl(PR_SET_CHILD_SUBREAPER, number);
  else if (strcmp(name, "nonewprivs") == 0) prctl(PR_SET_NO_NEW_PRIVS, number, 0, 0, 0);
  else if (strcmp(name, "variable") == 0) add_variable(value);
  else if (strcmp(name, "directory") == 0) { if (chdir(value) != 0) die(value); }
  else { errno = EINVAL; die(name); }
}

int main(int argc, char **argv) {
  int at = 1;
  for (; at < argc && strcmp(argv[at], "--") != 0; at++) {
    char *equals = strchr(argv[at], '=');
    if (equals == NULL) { errno = EINVAL; die(argv[at]); }
    *equals = '\0';
    set(argv[at], equals + 1);
  }
  if (at >= argc - 1) { errno = EINVAL; die("no command"); }
  for (int index = at + 1; index < argc; index++) argv[index] = decode(argv[index]);
  execve(argv[at + 1], argv + at + 1, environ);
  die(argv[at + 1]);
}
