/*
 * first.c: an application whose first instruction is to look at the clock. It prints CLOCK_MONOTONIC in nanoseconds, which
 * is the same clock in every container of a machine, and how many variables it has, so that the bench knows its secrets came.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <time.h>

int main(int argc, char **argv, char **env) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  (void)argc;
  (void)argv;
  int count = 0;
  while (env[count] != NULL) count++;
  printf("%lld %d\n", at.tv_sec * 1000000000LL + at.tv_nsec, count);
  return 0;
}
