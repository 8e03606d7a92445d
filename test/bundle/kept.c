/*
 * kept.c: a command to be kept by the entrypoint, static as it runs FROM scratch. Its first argument says what it does:
 * end as told, tell of every signal, be deaf to SIGTERM, leave orphans and count zombies, or show a variable and wait.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t came[65];

static void note(int number) {
  came[number] = 1;
}

static void rest(long ms) {
  struct timespec time = {ms / 1000, ms % 1000 * 1000000};
  nanosleep(&time, NULL);
}

/* Processes that have ended and that nobody has waited for. */
static int zombies(void) {
  int count = 0;
  DIR *all = opendir("/proc");
  for (struct dirent *one; all != NULL && (one = readdir(all)) != NULL;) {
    char path[300], text[400] = "";
    if (!isdigit((unsigned char)one->d_name[0])) continue;
    snprintf(path, sizeof path, "/proc/%s/stat", one->d_name);
    int fd = open(path, O_RDONLY);
    if (fd < 0) continue;
    if (read(fd, text, sizeof text - 1) < 0) text[0] = '\0';
    close(fd);
    char *state = strrchr(text, ')');
    if (state != NULL && state[1] != '\0' && state[2] == 'Z') count++;
  }
  if (all != NULL) closedir(all);
  return count;
}

/* Children that leave a child behind each, which then ends. */
static void orphans(int count) {
  for (int index = 0; index < count; index++) {
    pid_t child = fork();
    if (child == 0) {
      if (fork() == 0) rest(50);
      _exit(0);
    }
    waitpid(child, NULL, 0);
  }
  /* Whoever is to wait for them has three seconds. */
  for (int tries = 0; tries < 30 && (tries < 5 || zombies() > 0); tries++) rest(100);
  printf("zombies %d\n", zombies());
}

static void signals(void) {
  for (int number = 1; number <= 64; number++) {
    if (number != SIGKILL && number != SIGSTOP && number != SIGCHLD) signal(number, note);
  }
  printf("ready\n");
  for (;;) {
    for (int number = 1; number <= 64; number++) {
      if (!came[number]) continue;
      came[number] = 0;
      printf("signal %d\n", number);
      if (number == SIGTERM) exit(7);
    }
    rest(10);
  }
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IONBF, 0);
  const char *what = argc > 1 ? argv[1] : "";
  int number = argc > 2 ? atoi(argv[2]) : 0;
  if (strcmp(what, "exit") == 0) return number;
  if (strcmp(what, "raise") == 0) raise(number);
  if (strcmp(what, "orphans") == 0) orphans(number);
  if (strcmp(what, "signals") == 0) signals();
  if (strcmp(what, "deaf") == 0) {
    signal(SIGTERM, SIG_IGN);
    printf("ready\n");
    for (;;) pause();
  }
  if (strcmp(what, "show") == 0) {
    const char *value = argc > 2 ? getenv(argv[2]) : NULL;
    printf("shows %s in %d\n", value == NULL ? "nothing" : value, (int)getpid());
    for (;;) pause();
  }
  return 0;
}
