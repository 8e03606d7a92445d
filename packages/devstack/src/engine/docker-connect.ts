// Where the Docker Engine is, and the client that speaks to it there.

import Docker from "dockerode";

/** How to reach the engine: a `DOCKER_HOST` of the form `unix:///path` or `tcp://host:port`; absent: the usual socket. */
export function connectDocker(host?: string): Docker {
  if (host === undefined || host === "") {
    return new Docker({ socketPath: "/var/run/docker.sock" });
  }
  const url = new URL(host);
  return url.protocol === "unix:"
    ? new Docker({ socketPath: url.pathname })
    : new Docker({
        protocol: "http",
        host: url.hostname,
        port: Number(url.port || "2375"),
      });
}
