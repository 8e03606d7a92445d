/*
 * probe.c: a program that prints everything a process can see of the state it was started in: arguments, environment,
 * identity, signals, descriptors, limits and the rest of what survives execve. One fact on a line, in a stable order, and
 * nothing in it that differs between two containers with the same settings; so two outputs can be compared as text.
 * Compiled static, against glibc and against musl. With -c it also reads stdin to its end.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

struct kernel_sigaction {
  void (*handler)(int);
  unsigned long flags;
  void (*restorer)(void);
  uint64_t mask;
};

static void print_text(const char *label, const char *text) {
  printf("%s \"", label);
  for (; *text != '\0'; text++) {
    unsigned char byte = (unsigned char)*text;
    if (byte < 32 || byte > 126 || byte == '"' || byte == '\\') printf("\\x%02x", byte);
    else putchar(byte);
  }
  puts("\"");
}

/* Asked first: the C library's start and our own printing must not be seen. */
static struct kernel_sigaction actions[65];
static uint64_t blocked, waiting;

static void look_at_signals(void) {
  for (int number = 1; number <= 64; number++) syscall(SYS_rt_sigaction, number, NULL, &actions[number], 8);
  syscall(SYS_rt_sigprocmask, 0, NULL, &blocked, 8);
  syscall(SYS_rt_sigpending, &waiting, 8);
}

static void print_signals(void) {
  for (int number = 1; number <= 64; number++) {
    const struct kernel_sigaction *action = &actions[number];
    const char *what = action->handler == SIG_DFL ? "default" : action->handler == SIG_IGN ? "ignored" : "handled";
    uint64_t bit = (uint64_t)1 << (number - 1);
    printf("signal %d %s%s%s\n", number, what, blocked & bit ? " blocked" : "", waiting & bit ? " pending" : "");
  }
  stack_t stack;
  printf("signal stack %s\n", sigaltstack(NULL, &stack) == 0 && stack.ss_flags == SS_DISABLE ? "none" : "set");
}

static void print_identity(void) {
  uid_t uid[3];
  gid_t gid[3], groups[1024];
  getresuid(&uid[0], &uid[1], &uid[2]);
  getresgid(&gid[0], &gid[1], &gid[2]);
  printf("uid %u %u %u\ngid %u %u %u\ngroups", uid[0], uid[1], uid[2], gid[0], gid[1], gid[2]);
  int count = getgroups(1024, groups);
  for (int index = 0; index < count; index++) printf(" %u", groups[index]);
  printf("\npid %d parent %d group %d session %d\n", getpid(), getppid(), getpgrp(), getsid(0));
}

/* The facts that only /proc tells. */
static void print_status(void) {
  static const char *const wanted[] = {"Name", "Umask", "NoNewPrivs", "Seccomp", "CapInh", "CapPrm", "CapEff", "CapBnd",
                                       "CapAmb", "Threads", "SigQ", "VmLck", "Cpus_allowed", "Mems_allowed", "TracerPid",
                                       "CoreDumping", "THP_enabled", "Speculation_Store_Bypass"};
  FILE *file = fopen("/proc/self/status", "re");
  char line[8192];
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    char *colon = strchr(line, ':');
    if (colon == NULL) continue;
    for (size_t index = 0; index < sizeof wanted / sizeof *wanted; index++) {
      if (strlen(wanted[index]) != (size_t)(colon - line) || strncmp(line, wanted[index], strlen(wanted[index])) != 0) continue;
      /* The count of queued signals is the user's, over all containers; only the limit is ours. */
      char *slash = strchr(line, '/');
      printf("status %s%s", wanted[index], strcmp(wanted[index], "SigQ") == 0 && slash != NULL ? slash : colon);
    }
  }
  if (file != NULL) fclose(file);
}

static void print_file(const char *path) {
  char text[4096];
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  if (fd >= 0) close(fd);
  text[length < 0 ? 0 : length] = '\0';
  print_text(path, length < 0 ? "(absent)" : text);
}

static void print_link(const char *path) {
  char text[4096];
  ssize_t length = readlink(path, text, sizeof text - 1);
  text[length < 0 ? 0 : length] = '\0';
  print_text(path, length < 0 ? "(absent)" : text);
}

static void print_limits(void) {
  for (int what = 0; what < 16; what++) {
    struct rlimit limit;
    if (getrlimit(what, &limit) != 0) continue;
    printf("limit %d %lld %lld\n", what, (long long)limit.rlim_cur, (long long)limit.rlim_max);
  }
}

static void print_process(void) {
  cpu_set_t cpus;
  struct sched_param param = {0};
  /* musl's own wrappers of these two only fail. */
  syscall(SYS_sched_getparam, 0, &param);
  printf("nice %d policy %ld priority %d cpus %d\n", getpriority(PRIO_PROCESS, 0), syscall(SYS_sched_getscheduler, 0),
         param.sched_priority, sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : -1);
  printf("ioprio %ld personality %x\n", syscall(SYS_ioprio_get, 1, 0), (unsigned)personality(0xffffffff));
  int death = -1, reaper = -1;
  prctl(PR_GET_PDEATHSIG, &death);
  prctl(PR_GET_CHILD_SUBREAPER, &reaper);
  printf("dumpable %d death signal %d subreaper %d keepcaps %d securebits %d timer slack %d no new privs %d thp off %d\n",
         prctl(PR_GET_DUMPABLE), death, reaper, prctl(PR_GET_KEEPCAPS), prctl(PR_GET_SECUREBITS), prctl(PR_GET_TIMERSLACK),
         prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
  for (int which = 0; which < 3; which++) {
    struct itimerval timer;
    getitimer(which, &timer);
    printf("timer %d %s\n", which, timer.it_value.tv_sec || timer.it_value.tv_usec ? "running" : "off");
  }
  int status;
  printf("children %s\n", waitpid(-1, &status, WNOHANG | __WALL) < 0 && errno == ECHILD ? "none" : "some");
  mode_t mask = umask(0);
  umask(mask);
  printf("umask %03o\n", mask);
  printf("secure %lu\n", getauxval(AT_SECURE));
}

static void print_descriptor(int fd) {
  int flags = fcntl(fd, F_GETFL);
  struct stat facts;
  if (flags < 0 || fstat(fd, &facts) != 0) return;
  const char *type = S_ISFIFO(facts.st_mode) ? "pipe" : S_ISREG(facts.st_mode) ? "file" : S_ISCHR(facts.st_mode) ? "device"
                     : S_ISSOCK(facts.st_mode) ? "socket" : S_ISDIR(facts.st_mode) ? "directory" : "other";
  printf("descriptor %d %s flags %o close-on-exec %d owner %d signal %d", fd, type, flags & ~O_LARGEFILE,
         fcntl(fd, F_GETFD), fcntl(fd, F_GETOWN), fcntl(fd, F_GETSIG));
  /* Where an output file stands depends on what stdio has flushed: stdout is looked at before anything is printed. */
  if (S_ISREG(facts.st_mode)) printf(" at %lld of %lld", (long long)lseek(fd, 0, SEEK_CUR), (long long)facts.st_size);
  struct termios terminal;
  if (isatty(fd) && tcgetattr(fd, &terminal) == 0) {
    struct winsize size = {0};
    ioctl(fd, TIOCGWINSZ, &size);
    printf(" tty %x %x %x %x %ux%u foreground %d", terminal.c_iflag, terminal.c_oflag, terminal.c_cflag, terminal.c_lflag,
           size.ws_col, size.ws_row, tcgetpgrp(fd) == getpgrp());
  }
  putchar('\n');
}

static void count_stdin(void) {
  unsigned long long bytes = 0, sum = 0;
  unsigned char buffer[4096];
  for (ssize_t got; (got = read(0, buffer, sizeof buffer)) > 0;) {
    for (ssize_t index = 0; index < got; index++) sum = sum * 31 + buffer[index];
    bytes += (unsigned long long)got;
  }
  printf("stdin %llu bytes, sum %llx\n", bytes, sum);
}

int main(int argc, char **argv, char **env) {
  look_at_signals();
  /* All is printed at once, at the end. */
  static char all[4 << 20];
  setvbuf(stdout, all, _IOFBF, sizeof all);
  for (int index = 0; index < argc; index++) print_text("argument", argv[index]);
  for (char **entry = env; *entry != NULL; entry++) print_text("variable", *entry);
  print_text("executed", (const char *)getauxval(AT_EXECFN));
  print_link("/proc/self/cwd");
  print_link("/proc/self/exe");
  print_link("/proc/self/root");
  print_identity();
  print_signals();
  print_status();
  print_file("/proc/self/oom_score_adj");
  print_file("/proc/self/coredump_filter");
  print_file("/proc/self/task/1/children");
  print_limits();
  print_process();
  for (int fd = 0; fd < 4096; fd++) print_descriptor(fd);
  if (argc > 1 && strcmp(argv[1], "-c") == 0) count_stdin();
  return fflush(stdout) == 0 ? 0 : 1;
}
