// What a container is from its creation on; its life is in container.ts.

import type { HostConfig } from "./host-config.ts";
import type { ImageConfig } from "./image-config.ts";
import type { Image } from "./images.ts";
import type { Nano } from "./instant.ts";
import type { Rootfs } from "./rootfs.ts";

/** What a container is made of; nothing of it changes. */
export interface Made {
  readonly id: string;
  readonly name: string;
  /** As it was asked for. */
  readonly imageName: string;
  readonly image: Image;
  readonly config: ImageConfig;
  readonly host: HostConfig;
  readonly createdAt: Nano;
  /** Absent for a receiver. */
  readonly root: Rootfs | undefined;
  readonly mounts: readonly Mount[];
}

export interface Mount {
  readonly kind: "bind" | "volume";
  /** The volume's name; empty for a bind. */
  readonly name: string;
  readonly source: string;
  readonly target: string;
  readonly mode: string;
}
