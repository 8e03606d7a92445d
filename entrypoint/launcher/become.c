/*
 * become.c: the last step. Node executes this when the secrets are there; it puts back what entrypoint.c noted, closes
 * our own descriptors and becomes the command, so that no trace of Node is left. It is a file of its own, and not a
 * mode of /vaultbuddy/entrypoint, because no argument and no variable of an image can then be taken for the call.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "given.h"

struct strings {
  char *at;
  char *end;
};

/* A private copy of all that a memfd holds. */
static char *take(int fd, size_t least, struct strings *rest) {
  struct stat facts;
  if (fd < 3 || fstat(fd, &facts) != 0 || facts.st_size < (off_t)least) return NULL;
  char *all = mmap(NULL, (size_t)facts.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  if (all == MAP_FAILED) return NULL;
  *rest = (struct strings){all + least, all + facts.st_size};
  close(fd);
  return all;
}

__attribute__((noreturn)) static void misused(void) {
  FAIL(EXIT_INTERNAL, ROOT "/lib/become is executed by " ROOT "/entrypoint only (exit 239)");
}

static char *next(struct strings *strings) {
  char *found = strings->at;
  char *nul = memchr(found, 0, (size_t)(strings->end - found));
  if (nul == NULL) misused();
  strings->at = nul + 1;
  return found;
}

/* The next `count` strings as a list for execve, with room for one more in front. */
static char **list(struct strings *strings, uint32_t count) {
  if (count > (size_t)(strings->end - strings->at)) misused();
  char **all = calloc((size_t)count + 2, sizeof *all);
  if (all == NULL) FAIL(EXIT_INTERNAL, "out of memory: give the container more (exit 239)");
  for (uint32_t index = 0; index < count; index++) all[index + 1] = next(strings);
  return all + 1;
}

static void put_back_limit(int what, uint64_t soft) {
  struct rlimit limit;
  if (getrlimit(what, &limit) == 0 && limit.rlim_cur != soft) {
    limit.rlim_cur = soft;
    setrlimit(what, &limit);
  }
}

static void put_back_descriptors(const struct given *given) {
  for (int fd = 0; fd <= 2; fd++) {
    if (given->closed & (1U << fd)) {
      close(fd);
      continue;
    }
    int flags = fcntl(fd, F_GETFL);
    int wanted = given->nonblock & (1U << fd) ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    if (flags >= 0 && wanted != flags) fcntl(fd, F_SETFL, wanted);
  }
  for (int index = 0; index < MOVED; index++) {
    if (given->moved[index] >= HIGH && dup2(given->moved[index], LOW + index) >= 0) close(given->moved[index]);
  }
}

/* The mask comes last: a signal that waited meets the disposition that it would have met without us. */
static void put_back_signals(const struct given *given) {
  for (int number = 1; number <= SIGNALS; number++) {
    struct kernel_sigaction action = {0};
    if (given->ignored & ((uint64_t)1 << (number - 1))) action.handler = (void (*)(int))1;
    syscall(SYS_rt_sigaction, number, &action, NULL, sizeof action.mask);
  }
  syscall(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, &given->blocked, NULL, sizeof given->blocked);
  for (int number = 1; number <= SIGNALS; number++) {
    if (given->pending & ((uint64_t)1 << (number - 1))) syscall(SYS_kill, getpid(), number);
  }
}

/* A shell would read a program for another machine as a script, and say nonsense about it. */
static int is_program(const char *file) {
  char head[4];
  int fd = open(file, O_RDONLY | O_CLOEXEC);
  int found = fd >= 0 && read(fd, head, sizeof head) == sizeof head && memcmp(head, "\177ELF", sizeof head) == 0;
  if (fd >= 0) close(fd);
  errno = ENOEXEC;
  return found;
}

static int descriptor(const char *text) {
  return text != NULL ? atoi(text) : -1;
}

int main(int argc, char **argv) {
  int given_fd = argc >= 3 ? descriptor(argv[1]) : -1;
  int plan_fd = argc >= 3 ? descriptor(argv[2]) : -1;
  int seals = fcntl(given_fd, F_GET_SEALS);
  struct strings given_strings, plan_strings;
  if (seals < 0 || !(seals & F_SEAL_WRITE)) misused();
  const struct given *given = (const struct given *)take(given_fd, sizeof *given, &given_strings);
  const struct plan *plan = (const struct plan *)take(plan_fd, sizeof *plan, &plan_strings);
  if (given == NULL || plan == NULL || memcmp(given->magic, GIVEN_MAGIC, 16) != 0 ||
      memcmp(plan->magic, PLAN_MAGIC, 16) != 0 || plan->skip >= given->argc) {
    misused();
  }
  char *file = next(&plan_strings);
  char **env = list(&plan_strings, plan->envc);
  char **args = list(&given_strings, given->argc) + plan->skip;

  /* The bound socket, if Node did not close it: its number was free before, so it is ours in any case. */
  if (argc == 4 && descriptor(argv[3]) >= HIGH) close(descriptor(argv[3]));
  put_back_descriptors(given);
  put_back_limit(RLIMIT_NOFILE, given->nofile);
  put_back_limit(RLIMIT_CORE, given->core);
  put_back_signals(given);
  execve(file, args, env);
  if (errno == ENOEXEC && !is_program(file)) {
    /* A script without "#!" is run by the shell, as execvp(3) has it. There is room in front: see list(). */
    args[0] = file;
    args[-1] = "/bin/sh";
    execve("/bin/sh", args - 1, env);
    errno = ENOEXEC;
  }
  switch (errno) {
    case ENOENT:
      FAIL(EXIT_NOT_FOUND, "the interpreter or loader that ", file, " needs is not in this image (exit 127)");
    case ENOEXEC:
      FAIL(EXIT_NOT_EXECUTABLE, file, " is neither a program for this machine's architecture nor a script that /bin/sh could run (exit 126)");
    case E2BIG:
      FAIL(EXIT_ENVIRONMENT, "environment and arguments together are larger than the kernel takes (exit 221)");
    default:
      FAIL(EXIT_NOT_EXECUTABLE, file, " cannot be executed (", strerror(errno), ") (exit 126)");
  }
}
