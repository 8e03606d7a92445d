// What a request for a container says about its surroundings: network, ports, mounts, restarts. What an engine of plain
// processes can't do is not refused, because then no task definition would run; it is named in the answer's warnings.

import { posix } from "node:path";
import { ApiFault } from "./fault.ts";
import {
  booleanAt,
  type Json,
  numberAt,
  object,
  objectAt,
  textAt,
  textsAt,
} from "./json.ts";

/** A volume (by name) or a folder or file of this machine, and where it appears. */
interface Bind {
  readonly source: string;
  readonly target: string;
  readonly mode: string;
  readonly kind: "bind" | "volume";
}

interface PortBinding {
  readonly hostIp: string;
  readonly hostPort: string;
}

export interface HostConfig {
  /** `default`, `bridge`, `host`, `none`, `container:…` or a network. */
  readonly networkMode: string;
  /** By `80/tcp`. */
  readonly ports: Readonly<Record<string, readonly PortBinding[]>>;
  readonly binds: readonly Bind[];
  readonly restart: { readonly name: string; readonly most: number };
  readonly autoRemove: boolean;
  readonly warnings: readonly string[];
  /** As it came, to be shown again. */
  readonly raw: Json;
}

export function readHostConfig(body: Json): HostConfig {
  const raw = objectAt(body, "HostConfig");
  const networkMode = textAt(raw, "NetworkMode") || "default";
  const ports = readPorts(raw);
  const restart = objectAt(raw, "RestartPolicy");
  const discards =
    networkMode === "host" && Object.keys(ports).length > 0
      ? ["Published ports are discarded when using host network mode"]
      : [];
  return {
    networkMode,
    ports,
    binds: [
      ...(textsAt(raw, "Binds") ?? []).map(readBind),
      ...readMounts(raw["Mounts"]),
    ],
    restart: {
      name: textAt(restart, "Name") || "no",
      most: numberAt(restart, "MaximumRetryCount") ?? 0,
    },
    autoRemove: booleanAt(raw, "AutoRemove") ?? false,
    warnings: [...discards, ...notDone(raw, body, ports)],
    raw,
  };
}

function readPorts(raw: Json): Record<string, PortBinding[]> {
  return Object.fromEntries(
    Object.entries(objectAt(raw, "PortBindings")).map(([port, list]) => {
      const found = /^(\d{1,5})(?:\/(tcp|udp|sctp))?$/.exec(port);
      if (found === null || Number(found[1]) > 65_535)
        throw new ApiFault(
          400,
          `invalid port specification: "${port.slice(0, 40)}"`,
        );
      const all: unknown[] = Array.isArray(list) ? list : [];
      return [
        `${found[1]}/${found[2] ?? "tcp"}`,
        all.map((one) => readBinding(object(one, "PortBindings"))),
      ];
    }),
  );
}

function readBinding(one: Json): PortBinding {
  const hostPort = textAt(one, "HostPort") ?? "";
  if (!/^\d{0,5}$/.test(hostPort) || Number(hostPort) > 65_535)
    throw new ApiFault(
      400,
      `invalid port specification: "${hostPort.slice(0, 40)}"`,
    );
  return { hostIp: textAt(one, "HostIp") ?? "", hostPort };
}

/** `source:target[:mode]`. */
function readBind(text: string): Bind {
  const [source = "", target = "", mode = "", more] = text.split(":");
  if (more !== undefined || source === "" || target === "")
    throw new ApiFault(
      400,
      `invalid volume specification: '${text.slice(0, 200)}'`,
    );
  if (!target.startsWith("/"))
    throw new ApiFault(
      500,
      `invalid volume specification: '${text.slice(0, 200)}': invalid mount config for type "bind": invalid mount path: '${target.slice(0, 100)}' mount path must be absolute`,
    );
  const words = mode === "" ? [] : mode.split(",");
  const odd = words.some(
    (word) =>
      !/^(ro|rw|z|Z|nocopy|r?(private|shared|slave)|consistent|cached|delegated)$/.test(
        word,
      ),
  );
  if (odd) throw new ApiFault(500, `invalid mode: ${mode.slice(0, 40)}`);
  return {
    source,
    target: posix.resolve(target),
    mode,
    kind: source.startsWith("/") ? "bind" : "volume",
  };
}

/** The newer form of the same. */
function readMounts(list: unknown): Bind[] {
  if (!Array.isArray(list)) return [];
  return list.map((value: unknown) => {
    const mount = object(value, "Mounts");
    const type = textAt(mount, "Type");
    const source = textAt(mount, "Source") ?? "";
    const target = textAt(mount, "Target") ?? "";
    if (
      (type !== "bind" && type !== "volume") ||
      source === "" ||
      !target.startsWith("/")
    )
      throw new ApiFault(
        400,
        `invalid mount config for type "${String(type).slice(0, 20)}"`,
      );
    const mode = booleanAt(mount, "ReadOnly") === true ? "ro" : "";
    return { source, target: posix.resolve(target), mode, kind: type };
  });
}

/** What was asked for and is not done here. */
function notDone(
  raw: Json,
  body: Json,
  ports: Readonly<Record<string, unknown>>,
): string[] {
  const wishes: readonly (readonly [string, boolean])[] = [
    [
      "a limit of memory or CPU",
      ["Memory", "MemoryReservation", "CpuShares", "NanoCpus", "CpuQuota"].some(
        (name) => (numberAt(raw, name) ?? 0) > 0,
      ),
    ],
    ["Ulimits", Array.isArray(raw["Ulimits"]) && raw["Ulimits"].length > 0],
    ["ReadonlyRootfs", raw["ReadonlyRootfs"] === true],
    ["Privileged", raw["Privileged"] === true],
    ["User", (textAt(body, "User") ?? "") !== ""],
    ["Hostname", (textAt(body, "Hostname") ?? "") !== ""],
    [
      "ports other than TCP",
      Object.keys(ports).some((port) => !port.endsWith("/tcp")),
    ],
  ];
  return wishes
    .filter(([, wished]) => wished)
    .map(
      ([what]) =>
        `The embedded engine runs a plain process: ${what} has no effect`,
    );
}
