/*
 * entrypoint.c: the bundle's /vaultbuddy/entrypoint, in front of any image. It takes the image's environment out of our
 * Node's way (NODE_OPTIONS, LD_PRELOAD, OPENSSL_CONF and the like must not touch us and must reach the command to the
 * last byte), notes what Node would lose (limits, ignored signals, descriptors), and executes Node with an environment of
 * its own. Static, without /proc, /tmp, capabilities or a writable file system. It only ever runs a command: whatever
 * its arguments are, they are the command's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include "given.h"
#include "listener.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

/* Moves a descriptor to where Node leaves it alone. */
static int move_up(int fd) {
  int high = fcntl(fd, F_DUPFD, HIGH);
  if (high < 0) FAIL(EXIT_INTERNAL, "cannot move a descriptor (", strerror(errno), "): allow more open files (exit 239)");
  close(fd);
  return high;
}

static int make_memfd(const char *name) {
  /* Kernels from 6.3 on may insist on the flag (vm.memfd_noexec=2); those before don't know it. */
  int fd = memfd_create(name, MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
  if (fd < 0 && errno == EINVAL) fd = memfd_create(name, MFD_ALLOW_SEALING);
  if (fd < 0) {
    FAIL(EXIT_INTERNAL, "cannot make a memfd (", strerror(errno),
         "): the kernel must be 3.17 or newer and the seccomp profile must allow memfd_create, as Docker's does (exit 239)");
  }
  return move_up(fd);
}

/* Notes a soft limit and replaces it by `meanwhile`, or by the hard limit if that is lower. */
static uint64_t change_limit(int what, uint64_t meanwhile) {
  struct rlimit limit;
  if (getrlimit(what, &limit) != 0) return RLIM_INFINITY;
  uint64_t soft = limit.rlim_cur;
  limit.rlim_cur = meanwhile < limit.rlim_max ? meanwhile : limit.rlim_max;
  setrlimit(what, &limit);
  return soft;
}

/* As the kernel reckons it in bprm_stack_limits(): told to Node because become.c can't go back when it is too much. */
static uint64_t room_for_strings(void) {
  struct rlimit stack;
  uint64_t room = 6 * 1024 * 1024;
  if (getrlimit(RLIMIT_STACK, &stack) == 0 && stack.rlim_cur / 4 < room) room = stack.rlim_cur / 4;
  return room > 128 * 1024 ? room : 128 * 1024;
}

static void note_signals(struct given *given) {
  for (int number = 1; number <= SIGNALS; number++) {
    struct kernel_sigaction action;
    if (syscall(SYS_rt_sigaction, number, NULL, &action, sizeof action.mask) == 0 && action.handler == (void (*)(int))1) {
      given->ignored |= (uint64_t)1 << (number - 1);
    }
  }
  syscall(SYS_rt_sigprocmask, 0, NULL, &given->blocked, sizeof given->blocked);
  syscall(SYS_rt_sigpending, &given->pending, sizeof given->pending);
  static const struct timespec no_time;
  while (syscall(SYS_rt_sigtimedwait, &given->pending, NULL, &no_time, sizeof given->pending) > 0) continue;
}

static void note_descriptors(struct given *given) {
  for (int fd = 0; fd <= 2; fd++) {
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0) {
      given->closed |= 1U << fd;
    } else if (flags & O_NONBLOCK) {
      given->nonblock |= 1U << fd;
    }
  }
  for (int index = 0; index < MOVED; index++) {
    given->moved[index] = fcntl(LOW + index, F_GETFD) < 0 ? -1 : move_up(LOW + index);
  }
}

static size_t size_of(char *const *strings, uint32_t *count) {
  size_t size = 0;
  for (*count = 0; strings[*count] != NULL; (*count)++) size += strlen(strings[*count]) + 1;
  return size;
}

static char *append(char *to, char *const *strings) {
  for (; *strings != NULL; strings++) {
    size_t length = strlen(*strings) + 1;
    memcpy(to, *strings, length);
    to += length;
  }
  return to;
}

/* The record and its strings, in a memfd that nobody can change any more. */
static int put_aside(struct given *given, char *const *args, char *const *env) {
  size_t size = sizeof *given + size_of(args, &given->argc);
  size += size_of(env, &given->envc);
  int fd = make_memfd("vaultbuddy-given");
  char *all = ftruncate(fd, (off_t)size) == 0 ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
  if (all == MAP_FAILED) {
    FAIL(EXIT_INTERNAL, "cannot put the environment aside (", strerror(errno), "): give the container more memory (exit 239)");
  }
  memcpy(all, given, sizeof *given);
  append(append(all + sizeof *given, args), env);
  munmap(all, size);
  /* become.c takes nothing that lacks these seals. */
  if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0) {
    FAIL(EXIT_INTERNAL, "cannot seal a memfd (", strerror(errno), "): please report it (exit 239)");
  }
  return fd;
}

static char *write_number(char *to, int number) {
  char digits[12];
  int count = 0;
  do digits[count++] = (char)('0' + number % 10); while ((number /= 10) > 0);
  while (count > 0) *to++ = digits[--count];
  *to = '\0';
  return to;
}

/*
 * With WIS_SUPERVISE=true this process stays, as lib/supervise, and a child goes on to become Node. Returns there, with
 * Node's end of the channel between the two. No signal may come before lib/supervise can take it.
 */
static int stay(int given_fd, int plan_fd, int listener_fd) {
  int ends[2];
  uint64_t all = ~(uint64_t)0, before;
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) {
    FAIL(EXIT_INTERNAL, "cannot make a channel (", strerror(errno), "): allow more open files (exit 239)");
  }
  int ours = move_up(ends[0]), theirs = move_up(ends[1]);
  syscall(SYS_rt_sigprocmask, 0 /* SIG_BLOCK */, &all, &before, sizeof all);
  pid_t node = fork();
  if (node < 0) FAIL(EXIT_INTERNAL, "cannot start a process (", strerror(errno), "): allow more of them (exit 239)");
  if (node == 0) {
    close(ours);
    /* The keys of a terminal reach the other process, which hands them on. */
    setpgid(0, 0);
    syscall(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, &before, NULL, sizeof before);
    return theirs;
  }
  close(theirs);
  if (listener_fd >= 0) close(listener_fd);
  char words[4][12];
  write_number(words[0], given_fd);
  write_number(words[1], plan_fd);
  write_number(words[2], ours);
  write_number(words[3], node);
  char *const argv[] = {"vaultbuddy-supervise", words[0], words[1], words[2], words[3], NULL};
  char *const env[] = {NULL};
  execve(ROOT "/lib/supervise", argv, env);
  FAIL(EXIT_INTERNAL, "cannot execute " ROOT "/lib/supervise (", strerror(errno), "): mount the whole folder (exit 239)");
}

int main(int argc, char **argv, char **env) {
  struct given given = {.magic = GIVEN_MAGIC, .room = room_for_strings()};
  /* Node raises the first to the hard limit anyhow, and the descriptors above need the room. No core: secrets are in it. */
  given.nofile = change_limit(RLIMIT_NOFILE, RLIM_INFINITY);
  given.core = change_limit(RLIMIT_CORE, 0);
  note_signals(&given);
  note_descriptors(&given);
  int given_fd = put_aside(&given, argc > 0 ? argv + 1 : argv, env);
  int plan_fd = make_memfd("vaultbuddy-plan");

  int listener_fd = bind_listener(env);
  if (listener_fd >= 0) listener_fd = move_up(listener_fd);
  int channel_fd = strcmp(value_of(env, "WIS_SUPERVISE"), "true") == 0 ? stay(given_fd, plan_fd, listener_fd) : -1;

  /* Node takes what stands behind the script as its arguments: the place, not a name, tells that these are ours. */
  char descriptors[64];
  char *end = write_number(descriptors, given_fd);
  *end++ = ',';
  end = write_number(end, plan_fd);
  if (listener_fd >= 0) {
    *end++ = ',';
    end = write_number(end, listener_fd);
  }
  if (channel_fd >= 0) {
    *end++ = ';';
    write_number(end, channel_fd);
  }
  char *const node_argv[] = {
      "vaultbuddy-entrypoint",
      "--disable-sigusr1",                             /* the signal would open an inspector to all in this network */
      "--openssl-config=" ROOT "/lib/openssl.cnf",     /* and not the image's /etc/ssl/openssl.cnf */
      "--v8-pool-size=1",                              /* nothing here is worth four threads */
      ROOT "/lib/start.cjs",
      descriptors,
      NULL,
  };
  char *const node_env[] = {"LD_LIBRARY_PATH=" ROOT "/lib", NULL};
  execve(ROOT "/lib/node", node_argv, node_env);
  FAIL(EXIT_INTERNAL, "cannot execute " ROOT "/lib/node (", strerror(errno),
       "): mount the whole folder at " ROOT ", without noexec, and of this machine's architecture (exit 239)");
}
