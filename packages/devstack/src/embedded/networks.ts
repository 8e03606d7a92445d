// The networks: bridge, host and none, which are always there, and those that are made. A network here is a range of
// 127/8; nothing keeps one network's containers from another's.

import { dotted, Pool, type Subnet, subnet } from "./addresses.ts";
import type { Events } from "./events.ts";
import { ApiFault } from "./fault.ts";
import type { Filters } from "./filters.ts";
import type { Hex } from "./hex.ts";
import { type Instants, iso, type Nano } from "./instant.ts";
import type { Json } from "./json.ts";

/** A container's place in a network. */
export interface Endpoint {
  readonly network: Network;
  readonly endpointId: string;
  /** Empty in the networks without addresses. */
  readonly ipv4: string;
  readonly mac: string;
}

export interface Network {
  readonly id: string;
  readonly name: string;
  readonly driver: "bridge" | "host" | "null";
  readonly createdAt: Nano;
  readonly labels: Readonly<Record<string, string>>;
  readonly range: Subnet | undefined;
  /** This machine's own address in it; empty without a range. */
  readonly gateway: string;
  readonly place: number;
  /** By container id. */
  readonly endpoints: Map<string, Endpoint & { readonly name: string }>;
}

export interface NetworksDeps {
  readonly octet: number;
  readonly events: Events;
  readonly instants: Instants;
  readonly hex: Hex;
}

const filterNames = [
  "dangling",
  "driver",
  "id",
  "label",
  "name",
  "scope",
  "type",
];
const builtIn = ["bridge", "host", "none"];

export class Networks {
  static readonly filterNames = filterNames;
  readonly bridge: Network;
  readonly #deps: NetworksDeps;
  readonly #networks: Network[] = [];
  readonly #pools = new Map<Network, Pool>();

  constructor(deps: NetworksDeps) {
    this.#deps = deps;
    this.bridge = this.#add("bridge", "bridge", {});
    this.#add("host", "host", {});
    this.#add("none", "null", {});
  }

  list(filters: Filters): Network[] {
    return this.#networks.filter(
      (one) =>
        filters.any("name", (wanted) => one.name.includes(wanted)) &&
        filters.any("id", (wanted) => one.id.startsWith(wanted)) &&
        filters.any("driver", (wanted) => one.driver === wanted) &&
        filters.any("scope", (wanted) => wanted === "local") &&
        filters.any(
          "type",
          (wanted) => (wanted === "builtin") === builtIn.includes(one.name),
        ) &&
        filters.labels(one.labels),
    );
  }

  /** By name, id or the beginning of an id. */
  get(reference: string): Network {
    const all = this.#networks;
    const found =
      all.find(({ id }) => id === reference) ??
      all.find(({ name }) => name === reference) ??
      all.find(({ id }) => reference !== "" && id.startsWith(reference));
    if (found === undefined)
      throw new ApiFault(404, `network ${reference} not found`);
    return found;
  }

  create(
    name: string,
    driver: string,
    labels: Readonly<Record<string, string>>,
  ): Network {
    if (name.trim() === "")
      throw new ApiFault(400, `invalid name: ${name} is not a network name`);
    if (driver !== "bridge")
      throw new ApiFault(
        404,
        `plugin "${driver}" not found: the embedded engine makes bridge networks only`,
      );
    if (this.#networks.some((one) => one.name === name))
      throw new ApiFault(409, `network with name ${name} already exists`);
    const network = this.#add(name, "bridge", labels);
    this.#tell(network, "create");
    return network;
  }

  remove(reference: string): void {
    const network = this.get(reference);
    if (builtIn.includes(network.name))
      throw new ApiFault(
        403,
        `${network.name} is a pre-defined network and cannot be removed`,
      );
    if (network.endpoints.size > 0)
      throw new ApiFault(
        403,
        `error while removing network: network ${network.name} id ${network.id} has active endpoints`,
      );
    this.#networks.splice(this.#networks.indexOf(network), 1);
    this.#tell(network, "destroy");
  }

  connect(network: Network, id: string, name: string): Endpoint {
    const { hex } = this.#deps;
    const pool = this.#pools.get(network);
    const address = pool?.take();
    if (pool !== undefined && address === undefined) throw noAddress();
    const ipv4 = address === undefined ? "" : dotted(address);
    const endpoint = {
      network,
      name,
      ipv4,
      endpointId: hex(64),
      mac: address === undefined ? "" : macOf(address),
    };
    network.endpoints.set(id, endpoint);
    this.#tell(network, "connect", id);
    return endpoint;
  }

  disconnect(endpoint: Endpoint, id: string): void {
    const { network, ipv4 } = endpoint;
    network.endpoints.delete(id);
    if (ipv4 !== "") this.#pools.get(network)?.giveBack(numberOf(ipv4));
    this.#tell(network, "disconnect", id);
  }

  /** An address of the bridge network for somebody who is not in it. */
  lend(): { readonly ipv4: string } {
    const address = this.#pools.get(this.bridge)?.take();
    if (address === undefined) throw noAddress();
    return { ipv4: dotted(address) };
  }

  takeBack({ ipv4 }: { readonly ipv4: string }): void {
    this.#pools.get(this.bridge)?.giveBack(numberOf(ipv4));
  }

  #add(
    name: string,
    driver: Network["driver"],
    labels: Readonly<Record<string, string>>,
  ): Network {
    const place = this.#freePlace();
    const range =
      driver === "bridge" ? subnet(this.#deps.octet, place) : undefined;
    if (driver === "bridge" && range === undefined)
      throw new ApiFault(
        404,
        "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network",
      );
    const network: Network = {
      id: this.#deps.hex(64),
      name,
      driver,
      createdAt: this.#deps.instants.now(),
      labels,
      range,
      gateway: range === undefined ? "" : dotted(range.base + 1),
      place: range === undefined ? -1 : place,
      endpoints: new Map(),
    };
    this.#networks.push(network);
    if (range !== undefined) this.#pools.set(network, new Pool(range));
    return network;
  }

  #freePlace(): number {
    const taken = new Set(this.#networks.map(({ place }) => place));
    let place = 0;
    while (taken.has(place)) place += 1;
    return place;
  }

  #tell(
    { id, name, driver }: Network,
    action: string,
    container?: string,
  ): void {
    this.#deps.events.emit({
      type: "network",
      action,
      id,
      attributes: {
        name,
        type: driver,
        ...(container !== undefined && { container }),
      },
    });
  }
}

function noAddress(): ApiFault {
  return new ApiFault(
    500,
    "no available IPv4 addresses on this network's address pools",
  );
}

function macOf(address: number): string {
  const hex = address.toString(16).padStart(8, "0");
  return `02:42:${hex.replace(/(..)(?=.)/g, "$1:")}`;
}

function numberOf(ipv4: string): number {
  return ipv4.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}

/** As the API shows a network. */
export function networkJson(network: Network): Json {
  const { range } = network;
  return {
    Name: network.name,
    Id: network.id,
    Created: iso(network.createdAt),
    Scope: "local",
    Driver: network.driver,
    EnableIPv6: false,
    IPAM: {
      Driver: "default",
      Options: null,
      Config:
        range === undefined
          ? []
          : [
              {
                Subnet: `${dotted(range.base)}/${range.prefix}`,
                Gateway: network.gateway,
              },
            ],
    },
    Internal: false,
    Attachable: false,
    Ingress: false,
    ConfigFrom: { Network: "" },
    ConfigOnly: false,
    Containers: Object.fromEntries(
      [...network.endpoints].map(([id, one]) => [
        id,
        {
          Name: one.name,
          EndpointID: one.endpointId,
          MacAddress: one.mac,
          IPv4Address: one.ipv4 === "" ? "" : `${one.ipv4}/${range?.prefix}`,
          IPv6Address: "",
        },
      ]),
    ),
    Options: {},
    Labels: network.labels,
  };
}
