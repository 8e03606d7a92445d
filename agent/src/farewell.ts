// Step 4, and no more than a courtesy: a container that was announced has ended. The broker then asks ECS sooner whether its
// token may be revoked; it finds out without us too, half a minute later. So nothing is repeated, and nothing waits.

import type { NoticeBody } from "@vaultbuddy/common";
import type { NotifyDeps } from "./notify.ts";

/** How many containers are remembered. */
const MOST = 20_000;
/** How many farewells may be under way; more at once are left to the broker's own rounds. */
const MOST_UNDER_WAY = 64;
/** For one request, in milliseconds. */
const TIMEOUT = 5000;

/** Who was announced, until they end. */
export class Farewells {
  readonly #deps: Pick<NotifyDeps, "brokers" | "post" | "meters">;
  readonly #known = new Map<string, NoticeBody>();
  #underWay = 0;

  constructor(deps: Pick<NotifyDeps, "brokers" | "post" | "meters">) {
    this.#deps = deps;
  }

  /** Remembers a container that is being announced. */
  remember(notice: NoticeBody): void {
    if (this.#known.size >= MOST) {
      // The oldest: its end was missed, or will be found out without us.
      const { value } = this.#known.keys().next();
      this.#known.delete(value ?? "");
    }
    this.#known.set(notice.containerId, notice);
  }

  /** Tells one broker, the first that answers at all. Never throws. */
  say(containerId: string): void {
    const notice = this.#known.get(containerId);
    this.#known.delete(containerId);
    if (notice !== undefined && this.#underWay < MOST_UNDER_WAY) {
      this.#underWay += 1;
      void this.#tell(JSON.stringify(notice)).finally(() => {
        this.#underWay -= 1;
      });
    }
  }

  async #tell(body: string): Promise<void> {
    const { brokers, post, meters } = this.#deps;
    for (const broker of brokers) {
      try {
        await post(`${broker}/v1/stopped`, body, AbortSignal.timeout(TIMEOUT));
        meters.count("farewells", "told");
        return;
      } catch {
        meters.count("farewells", "away");
      }
    }
  }
}
