/*
 * supervise.c: what stays with WIS_SUPERVISE=true. It is the container's first process and has two children: Node, which
 * speaks with Vault, and the command. A program of its own and not Node, because Node waits for no process but those it
 * started: whatever the command leaves behind would stay a zombie. It reaps everything, hands every signal on, starts
 * the command when Node says so, and lives on without Node, so that nothing Node does can end a running command.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "given.h"

/* What passes between Node and us, as src/supervise/launched-app.ts has it: eight bytes, both numbers little-endian. */
struct message {
  uint32_t what;
  uint32_t value;
};
enum { START = 1, KILL = 2, ENDED = 3, STOPPED = 4 };

static char **words;
static int channel;
static pid_t node;
static pid_t app;
/* The signal that Node ends for: no command begins after that. */
static int leaving;
/* How the last command ended; -1 before there was one. */
static int last = -1;

static void tell(uint32_t what, uint32_t value) {
  struct message message = {what, value};
  /* Without Node there is nobody to tell, and reaping notices that. */
  ssize_t ignored = send(channel, &message, sizeof message, MSG_NOSIGNAL);
  (void)ignored;
}

static void warn(const char *line) {
  ssize_t ignored = write(2, line, strlen(line));
  (void)ignored;
}

static int code_of(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Becomes the command in a new process, by way of become.c, which puts back what was given, the signal mask last. */
static void start(void) {
  if (app != 0 || leaving) return;
  app = fork();
  if (app < 0) {
    app = 0;
    warn("vaultbuddy-entrypoint: error: cannot start a process: allow this container more of them\n");
    tell(ENDED, EXIT_INTERNAL);
    return;
  }
  if (app == 0) {
    /* A group of its own, in front of the terminal if there is one: else its keys would reach the command twice. */
    setpgid(0, 0);
    tcsetpgrp(0, getpid());
    char *const argv[] = {"become", words[1], words[2], NULL};
    char *const env[] = {NULL};
    execve(ROOT "/lib/become", argv, env);
    FAIL(EXIT_INTERNAL, "cannot execute " ROOT "/lib/become (", strerror(errno), "): mount the whole folder (exit 239)");
  }
}

/* Its own code, or that of the signal that we gave it; after a crash the command's, where that has ended. */
static int end_of_node(int status) {
  if (leaving != 0 && code_of(status) == 128 + SIGTERM) return 128 + leaving;
  return WIFSIGNALED(status) && last >= 0 ? last : code_of(status);
}

/* Waits for whoever has ended: our two children, and everybody's orphans. */
static void reap(void) {
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
    if (pid == app) {
      app = 0;
      last = code_of(status);
      if (node == 0) _exit(last);
      tell(ENDED, (uint32_t)last);
    } else if (pid == node) {
      node = 0;
      if (app == 0) _exit(end_of_node(status));
      warn("vaultbuddy-entrypoint: error: the part that speaks with Vault has ended; the command goes on, and nothing is renewed for it\n");
    }
  }
}

/* Whether it ends a program that has no handler for it. */
static int ends(int number) {
  return number != SIGCHLD && number != SIGCONT && number != SIGURG && number != SIGWINCH && number != SIGTSTP &&
         number != SIGTTIN && number != SIGTTOU;
}

static void hand_on(int number) {
  if (number == SIGCHLD || number == SIGTTIN || number == SIGTTOU) return;
  if (app != 0) {
    kill(app, number);
    if (number == SIGTERM) tell(STOPPED, 0);
  } else if (node != 0 && ends(number)) {
    /* As SIGTERM: there are some that Node cannot hear. */
    if (leaving == 0) leaving = number;
    kill(node, SIGTERM);
  }
}

/* False when Node is gone. */
static int listen_to_node(void) {
  struct message message;
  ssize_t got = recv(channel, &message, sizeof message, MSG_WAITALL);
  if (got < 0 && errno == EINTR) return 1;
  if (got != sizeof message) return 0;
  if (message.what == START) start();
  /* We alone wait for it, so its number is its own until we have. */
  if (message.what == KILL && app != 0) kill(app, (int)message.value);
  return 1;
}

int main(int argc, char **argv) {
  if (argc != 5) FAIL(EXIT_INTERNAL, ROOT "/lib/supervise is executed by " ROOT "/entrypoint only (exit 239)");
  words = argv;
  channel = atoi(argv[3]);
  node = atoi(argv[4]);
  fcntl(channel, F_SETFD, FD_CLOEXEC);
  /* Where we are not the first process of the container, orphans come to us all the same. */
  prctl(PR_SET_CHILD_SUBREAPER, 1L);
  struct kernel_sigaction action = {0};
  /* Ignored, as it may have been given, children would be gone without a word of how. */
  syscall(SYS_rt_sigaction, SIGCHLD, &action, NULL, sizeof action.mask);
  uint64_t all = ~(uint64_t)0;
  syscall(SYS_rt_sigprocmask, 0 /* SIG_BLOCK */, &all, NULL, sizeof all);
  int signals = (int)syscall(SYS_signalfd4, -1, &all, sizeof all, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals < 0) FAIL(EXIT_INTERNAL, "cannot wait for signals (", strerror(errno), ") (exit 239)");
  struct pollfd waits[2] = {{.fd = signals, .events = POLLIN}, {.fd = channel, .events = POLLIN}};
  for (;;) {
    reap();
    if (poll(waits, 2, -1) < 0 && errno != EINTR) FAIL(EXIT_INTERNAL, "cannot wait (", strerror(errno), ") (exit 239)");
    struct signalfd_siginfo info;
    while (read(signals, &info, sizeof info) == sizeof info) hand_on((int)info.ssi_signo);
    if (waits[1].revents != 0 && !listen_to_node()) waits[1].fd = -1;
  }
}
