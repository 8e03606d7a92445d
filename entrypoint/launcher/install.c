/*
 * install.c: /vaultbuddy/install DIR copies the whole folder into DIR, a volume that another container mounts at
 * /vaultbuddy. It is what the image vaultbuddy-entrypoint runs, which is FROM scratch and so has no cp. A program of its
 * own, because /vaultbuddy/entrypoint only ever runs a command. Each file appears under its name when it is whole, and
 * the entrypoint last: a container that starts too early finds no entrypoint rather than half of one.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "given.h"

#define LAST "entrypoint"

static const char *path_of(char *buffer, const char *directory, const char *name) {
  size_t a = strlen(directory), b = strlen(name);
  if (a + b + 2 > 4096) FAIL(EXIT_INTERNAL, "a path is too long: ", name);
  memcpy(buffer, directory, a);
  buffer[a] = '/';
  memcpy(buffer + a + 1, name, b + 1);
  return buffer;
}

__attribute__((noreturn)) static void give_up(const char *what, const char *path) {
  FAIL(1, what, " ", path, " (", strerror(errno), ")");
}

static void copy_bytes(int from, int to, const char *path) {
  /* Small pieces: the page cache would keep a large one as a large folio, of which a process that touches one page maps
   * all. With 256 KiB the waiting Node was 11 MiB larger. */
  static char buffer[16 * 1024];
  for (ssize_t got; (got = read(from, buffer, sizeof buffer)) != 0;) {
    if (got < 0) give_up("cannot read", path);
    for (ssize_t done = 0, put; done < got; done += put) {
      put = write(to, buffer + done, (size_t)(got - done));
      if (put < 0) give_up("cannot write", path);
    }
  }
}

static void copy_file(const char *from, const char *directory, const char *name, mode_t mode) {
  char temporary[4096], final[4096];
  path_of(temporary, directory, ".vaultbuddy-new");
  path_of(final, directory, name);
  int in = open(from, O_RDONLY | O_CLOEXEC);
  if (in < 0) give_up("cannot open", from);
  unlink(temporary);
  int out = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (out < 0) give_up("cannot create", temporary);
  copy_bytes(in, out, final);
  /* By descriptor: the umask is not asked. */
  if (fchmod(out, mode & 0777) != 0 || close(out) != 0) give_up("cannot finish", final);
  close(in);
  if (rename(temporary, final) != 0) give_up("cannot rename to", final);
}

static void copy_directory(const char *from, const char *to) {
  DIR *directory = opendir(from);
  if (directory == NULL) give_up("cannot open", from);
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    char source[4096], target[4096];
    struct stat facts;
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 || strcmp(entry->d_name, LAST) == 0) continue;
    path_of(source, from, entry->d_name);
    if (lstat(source, &facts) != 0) give_up("cannot look at", source);
    if (S_ISDIR(facts.st_mode)) {
      path_of(target, to, entry->d_name);
      if (mkdir(target, 0755) != 0 && errno != EEXIST) give_up("cannot create", target);
      if (chmod(target, 0755) != 0) give_up("cannot open to all", target);
      copy_directory(source, target);
    } else if (S_ISREG(facts.st_mode)) {
      copy_file(source, to, entry->d_name, facts.st_mode);
    }
  }
  closedir(directory);
}

int main(int argc, char **argv) {
  struct stat here, there;
  if (argc != 2) FAIL(2, "usage: " ROOT "/install DIR");
  const char *to = argv[1];
  if (stat(ROOT, &here) != 0) give_up("cannot look at", ROOT);
  if (stat(to, &there) != 0 || !S_ISDIR(there.st_mode)) {
    FAIL(1, "there is no directory ", to, ": mount the volume there");
  }
  if (here.st_dev == there.st_dev && here.st_ino == there.st_ino) {
    FAIL(1, "the volume hides the folder itself: mount it elsewhere in this container, such as at /volume");
  }
  copy_directory(ROOT, to);
  copy_file(ROOT "/" LAST, to, LAST, 0555);
  return 0;
}
