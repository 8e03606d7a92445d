// What is asked of images, networks and volumes.

import type { Core } from "./core.ts";
import { ApiFault } from "./fault.ts";
import { Filters } from "./filters.ts";
import type { Ask, Route } from "./http.ts";
import { configJson, emptyConfig } from "./image-config.ts";
import { type Image, withTag } from "./images.ts";
import { iso } from "./instant.ts";
import { type Json, tableAt, textAt } from "./json.ts";
import { networkJson, Networks } from "./networks.ts";
import { volumeJson, Volumes } from "./volumes.ts";

const imageFilters = ["before", "dangling", "label", "reference", "since"];

export function storeRoutes(core: Core): Route[] {
  const route = (
    method: string,
    path: RegExp,
    answer: (core: Core, ask: Ask) => Promise<void> | void,
  ): Route => ({ method, path, answer: (ask) => answer(core, ask) });
  return [
    route("GET", /^\/images\/json$/, listImages),
    route("POST", /^\/images\/create$/, importImage),
    route("GET", /^\/images\/(.+)\/json$/, inspectImage),
    route("POST", /^\/images\/(.+)\/tag$/, tagImage),
    route("DELETE", /^\/images\/(.+)$/, removeImage),
    route("POST", /^\/commit$/, commit),
    route("GET", /^\/networks$/, listNetworks),
    route("POST", /^\/networks\/create$/, createNetwork),
    route("GET", /^\/networks\/([^/]+)$/, ({ networks }, ask) =>
      ask.reply(200, networkJson(networks.get(ask.name))),
    ),
    route("DELETE", /^\/networks\/([^/]+)$/, ({ networks }, ask) => {
      networks.remove(ask.name);
      ask.reply(204);
    }),
    route("GET", /^\/volumes$/, listVolumes),
    route("POST", /^\/volumes\/create$/, createVolume),
    route("GET", /^\/volumes\/([^/]+)$/, ({ volumes }, ask) =>
      ask.reply(200, volumeJson(volumes.get(ask.name))),
    ),
    route("DELETE", /^\/volumes\/([^/]+)$/, removeVolume),
  ];
}

function listImages({ images }: Core, ask: Ask): void {
  const filters = Filters.parse(ask.query.get("filters"), imageFilters);
  const found = images
    .list()
    .filter(
      ({ config, tags }) =>
        filters.labels(config.labels) &&
        filters.any("dangling", (wanted) =>
          ["1", "true"].includes(wanted) ? tags.size === 0 : tags.size > 0,
        ) &&
        filters.any("reference", (wanted) =>
          [...tags].some((tag) => matchesReference(wanted, tag)),
        ),
    );
  ask.reply(200, found.map(imageElement));
}

/** `name`, `name:tag`, with `*` for anything but a slash. */
function matchesReference(wanted: string, tag: string): boolean {
  const pattern = wanted
    .replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", "[^/]*");
  const name = tag.replace(/:[^:/]*$/, "");
  const whole = new RegExp(`^${pattern}$`);
  return whole.test(tag) || whole.test(name);
}

function imageElement(image: Image): Json {
  return {
    Containers: -1,
    Created: Number(image.createdAt / 1_000_000_000n),
    Id: image.id,
    Labels: image.config.labels,
    ParentId: image.parent,
    RepoDigests: null,
    RepoTags: image.tags.size === 0 ? ["<none>:<none>"] : [...image.tags],
    SharedSize: -1,
    Size: image.size,
    VirtualSize: image.size,
  };
}

function inspectImage({ images }: Core, ask: Ask): void {
  const image = images.find(ask.name);
  if (image === undefined)
    throw new ApiFault(
      404,
      `no such image: ${ask.name}: No such image: ${withTag(ask.name)}`,
    );
  const inner = (config: Image["config"]): Json => ({
    Hostname: "",
    Domainname: "",
    ...configJson(config),
    Image: image.parent,
  });
  ask.reply(200, {
    Id: image.id,
    RepoTags: [...image.tags],
    RepoDigests: [],
    Parent: image.parent,
    Comment: image.comment,
    Created: iso(image.createdAt),
    Container: "",
    ContainerConfig: inner(emptyConfig),
    DockerVersion: "",
    Author: "",
    Config: inner(image.config),
    Architecture: "amd64",
    Os: "linux",
    Size: image.size,
    VirtualSize: image.size,
    GraphDriver: { Data: null, Name: "embedded" },
    RootFS: { Type: "layers", Layers: image.layers },
    Metadata: { LastTagTime: iso(image.createdAt) },
  });
}

/** Import from the request's body; there is no registry to pull from. */
async function importImage({ images }: Core, ask: Ask): Promise<void> {
  const { query } = ask;
  const pulled = query.get("fromImage");
  if (pulled !== null)
    throw new ApiFault(
      404,
      `the embedded engine asks no registry for ${pulled.slice(0, 200)}`,
    );
  if (query.get("fromSrc") !== "-")
    throw new ApiFault(
      501,
      "the embedded engine imports what is sent to it (fromSrc=-), and fetches nothing",
    );
  const name = nameOf(query.get("repo"), query.get("tag"));
  const image = await images.importTar(
    ask.request,
    name,
    query.getAll("changes"),
  );
  ask
    .stream("application/json")
    .end(`${JSON.stringify({ status: image.id })}\n`);
}

function nameOf(repo: string | null, tag: string | null): string {
  if (repo === null || repo === "") return "";
  return withTag(tag === null || tag === "" ? repo : `${repo}:${tag}`);
}

function tagImage({ images }: Core, ask: Ask): void {
  const image = images.get(ask.name);
  images.tag(image, nameOf(ask.query.get("repo"), ask.query.get("tag")));
  ask.reply(201);
}

async function removeImage(
  { images, containers }: Core,
  ask: Ask,
): Promise<void> {
  const gone = await images.remove(ask.name, ask.flag("force"), (image) =>
    containers.user(image),
  );
  ask.reply(200, gone);
}

async function commit({ containers, images }: Core, ask: Ask): Promise<void> {
  const { query } = ask;
  ask.request.resume();
  const container = containers.get(query.get("container") ?? "");
  const { root, config, image, mounts } = container.made;
  if (root === undefined)
    throw new ApiFault(400, "a receiver has no files to make an image of");
  const name = nameOf(query.get("repo"), query.get("tag"));
  const made = await images.commit(
    { dir: root.dir, config, mounted: mounts.map(({ target }) => target) },
    image,
    name,
    query.getAll("changes"),
  );
  container.emit("commit", {
    comment: query.get("comment") ?? "",
    imageID: made.id,
    imageRef: name,
  });
  ask.reply(201, { Id: made.id });
}

function listNetworks({ networks }: Core, ask: Ask): void {
  const filters = Filters.parse(ask.query.get("filters"), Networks.filterNames);
  ask.reply(200, networks.list(filters).map(networkJson));
}

async function createNetwork({ networks }: Core, ask: Ask): Promise<void> {
  const body = await ask.json();
  const network = networks.create(
    textAt(body, "Name") ?? "",
    textAt(body, "Driver") || "bridge",
    tableAt(body, "Labels") ?? {},
  );
  ask.reply(201, { Id: network.id, Warning: "" });
}

function listVolumes({ volumes }: Core, ask: Ask): void {
  const filters = Filters.parse(ask.query.get("filters"), Volumes.filterNames);
  ask.reply(200, {
    Volumes: volumes.list(filters).map(volumeJson),
    Warnings: null,
  });
}

async function createVolume({ volumes, hex }: Core, ask: Ask): Promise<void> {
  const body = await ask.json();
  const volume = await volumes.create(
    textAt(body, "Name") || hex(64),
    tableAt(body, "Labels") ?? {},
  );
  ask.reply(201, volumeJson(volume));
}

async function removeVolume(
  { volumes, containers }: Core,
  ask: Ask,
): Promise<void> {
  const users = containers.usersOfVolume(ask.name);
  await volumes.remove(ask.name, ask.flag("force"), users);
  ask.reply(204);
}
