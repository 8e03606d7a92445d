// From this repository to images in the engine, in order: the base where it is made here, then each image's folder, then
// the image. Reads from top to bottom.

import type Docker from "dockerode";
import { call } from "../engine/docker-errors.ts";
import { buildScratchLocal, scratchLocal } from "./base.ts";
import { buildStaged } from "./build.ts";
import { stage, type Image } from "./stage.ts";

/** What is to be made. */
export interface Order {
  readonly images: readonly Image[];
  /** An image that has Node, or {@link scratchLocal}. */
  readonly base: string;
  /** Goes before each name, such as a registry's address with a slash at its end. */
  readonly prefix: string;
  readonly tag: string;
  /** Where the folders are laid out. */
  readonly folder: string;
  /** The Node binary of this machine. */
  readonly node: string;
}

/** An image that was made. */
export interface Made {
  readonly name: string;
  /** What it takes on a disk, its base included. */
  readonly bytes: number;
}

/** The name under which `order` puts this image. */
function nameOf(
  { prefix, tag }: Pick<Order, "prefix" | "tag">,
  image: string,
): string {
  return `${prefix}vaultbuddy-${image}:${tag}`;
}

/** Lays out the folders and nothing more; answers their paths. */
export async function stageAll(order: Order): Promise<string[]> {
  const folders: string[] = [];
  const shell = order.base === scratchLocal;
  for (const image of order.images) {
    folders.push(await stage(image, order.folder, { node: order.node, shell }));
  }
  return folders;
}

/** Makes every image that is ordered, telling each before the next is begun. */
export async function makeAll(
  docker: Docker,
  order: Order,
  tell: (made: Made) => void,
): Promise<void> {
  const base = await baseOf(docker, order);
  const shell = order.base === scratchLocal;
  for (const image of order.images) {
    const folder = await stage(image, order.folder, {
      node: order.node,
      shell,
    });
    const name = nameOf(order, image.name);
    await buildStaged(docker, folder, name, {
      BASE: base,
      VAULTBUDDY_ENTRYPOINT: nameOf(order, "entrypoint"),
    });
    const { Size: bytes } = await call(docker.getImage(name).inspect());
    tell({ name, bytes });
  }
}

async function baseOf(docker: Docker, order: Order): Promise<string> {
  if (order.base !== scratchLocal) return order.base;
  const repo = `${order.prefix}vaultbuddy-base`;
  await buildScratchLocal(docker, { repo, tag: order.tag }, order.node);
  return `${repo}:${order.tag}`;
}
