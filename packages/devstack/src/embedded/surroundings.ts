// What surrounds a container while it runs: its place in a network, its published ports, its mounts.

import type { Made } from "./made.ts";
import { ApiFault } from "./fault.ts";
import type { Endpoint } from "./networks.ts";
import type { Parts } from "./parts.ts";
import { publish, type Published } from "./publish.ts";

/** Where a container listens. */
export interface Place {
  readonly address: string;
  /** Absent when it shares another's. */
  readonly endpoint: Endpoint | undefined;
  /** Gives back what the endpoint doesn't. */
  leave(): void;
}

/** Takes a place in the network that the container asks for. Throws Docker's faults. */
export function joinNetwork(made: Made, parts: Parts): Place {
  const { networkMode } = made.host;
  const leave = (): void => undefined;
  if (networkMode.startsWith("container:")) {
    const other = parts.container(networkMode.slice("container:".length));
    const { address } = other;
    if (address === undefined)
      throw new ApiFault(
        409,
        `cannot join network of a non running container: ${other.id}`,
      );
    return { address, endpoint: undefined, leave };
  }
  const { networks } = parts;
  const name = networkMode === "default" ? "bridge" : networkMode;
  const endpoint = networks.connect(networks.get(name), made.id, made.name);
  if (endpoint.ipv4 !== "") return { address: endpoint.ipv4, endpoint, leave };
  if (name === "host")
    return { address: networks.bridge.gateway, endpoint, leave };
  // Without a network it still has to listen somewhere; nobody is told where.
  const hidden = networks.lend();
  return {
    address: hidden.ipv4,
    endpoint,
    leave: () => networks.takeBack(hidden),
  };
}

/** Opens the ports that are exposed and bound. */
export async function openPorts(
  { config, host, name, id }: Made,
  { endpoint }: Place,
  { networks }: Parts,
): Promise<Published[]> {
  if (endpoint === undefined || endpoint.ipv4 === "") return [];
  const opened: Published[] = [];
  try {
    for (const [port, bindings] of Object.entries(host.ports)) {
      // Docker publishes only what is exposed as well.
      if (!config.exposedPorts.includes(port) || !port.endsWith("/tcp"))
        continue;
      for (const { hostIp, hostPort } of bindings) {
        const everywhere = ["", "0.0.0.0", "::"].includes(hostIp);
        const what = {
          hostIp: everywhere ? networks.bridge.gateway : hostIp,
          hostPort: Number(hostPort),
          containerPort: Number.parseInt(port, 10),
          to: endpoint.ipv4,
          from: endpoint.network.gateway,
        };
        opened.push(await publish(what, `${name} (${id})`));
      }
    }
    return opened;
  } catch (error) {
    await Promise.all(opened.map((one) => one.close()));
    throw error;
  }
}

/** Tells of the volumes that come and go with a container. */
export function tellMounts(
  { id, mounts }: Made,
  { events }: Parts,
  action: "mount" | "unmount",
): void {
  for (const { kind, name, target, mode } of mounts) {
    if (kind !== "volume") continue;
    const writable = !mode.split(",").includes("ro");
    const more =
      action === "unmount"
        ? {}
        : {
            destination: target,
            propagation: "",
            "read/write": String(writable),
          };
    const attributes = { container: id, driver: "local", ...more };
    events.emit({ type: "volume", action, id: name, attributes });
  }
}
