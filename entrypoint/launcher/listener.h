/*
 * listener.h: the address of WIS_LISTEN, bound before Node starts. Node would load its whole resolver to listen on an
 * address it is given, a fifth of the time until it listens; a descriptor it takes as it is. Bound only: the port opens
 * when Node says so, after it has found the command. Whatever is not plainly an address is left to Node, and so is every
 * failure: it tells what is wrong, and this does not.
 */
#ifndef LISTENER_H
#define LISTENER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* As src/settings.ts has it. */
#define DEFAULT_LISTEN "0.0.0.0:9202"

static const char *value_of(char *const *env, const char *name) {
  size_t length = strlen(name);
  for (; *env != NULL; env++) {
    if (strncmp(*env, name, length) == 0 && (*env)[length] == '=') return *env + length + 1;
  }
  return "";
}

/* One to five digits and nothing else, or -1. */
static int port_of(const char *digits) {
  size_t length = strspn(digits, "0123456789");
  int port = length >= 1 && length <= 5 && digits[length] == '\0' ? atoi(digits) : -1;
  return port <= 65535 ? port : -1;
}

/* `[V6]:PORT`, `V4:PORT` or `:PORT`; the length of the address, or 0. */
static socklen_t parse_address(const char *text, struct sockaddr_storage *address) {
  struct sockaddr_in *v4 = (struct sockaddr_in *)address;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
  char host[INET6_ADDRSTRLEN];
  const char *colon = strrchr(text, ':');
  int bracketed = text[0] == '[';
  if (colon == NULL || port_of(colon + 1) < 0) return 0;
  size_t length = (size_t)(colon - text);
  if (bracketed && (length < 2 || text[length - 1] != ']')) return 0;
  if (bracketed) length -= 2;
  if (length >= sizeof host) return 0;
  memcpy(host, text + bracketed, length);
  host[length] = '\0';
  uint16_t port = htons((uint16_t)port_of(colon + 1));
  memset(address, 0, sizeof *address);
  if (bracketed) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = port;
    return inet_pton(AF_INET6, host, &v6->sin6_addr) == 1 ? sizeof *v6 : 0;
  }
  v4->sin_family = AF_INET;
  v4->sin_port = port;
  return inet_pton(AF_INET, length == 0 ? "0.0.0.0" : host, &v4->sin_addr) == 1 ? sizeof *v4 : 0;
}

/* A bound socket, or -1. With the options that Node sets. */
static int bind_listener(char *const *env) {
  struct sockaddr_storage address;
  const char *text = value_of(env, "WIS_LISTEN");
  socklen_t length = parse_address(text[0] == '\0' ? DEFAULT_LISTEN : text, &address);
  if (length == 0) return -1;
  int fd = socket(address.ss_family, SOCK_STREAM, 0);
  int on = 1, off = 0;
  if (fd < 0) return -1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.ss_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (bind(fd, (struct sockaddr *)&address, length) != 0) {
    close(fd);
    return -1;
  }
  return fd;
}

#endif
