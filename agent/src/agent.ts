// THE FLOW of the agent: for each container that has started, find out which container of which ECS task it is, and tell
// a broker. Read this first.

import { Farewells } from "./farewell.ts";
import { identify } from "./identify.ts";
import type { Member, OptIn } from "./identify.ts";
import { Notifier } from "./notify.ts";
import type { NotifyDeps } from "./notify.ts";
import { limits, NoticeQueue } from "./queue.ts";
import { Watch } from "./watch.ts";
import type { ContainerSource, StartedContainer } from "./watch.ts";

/** What the flow needs of the host's ECS agent: its cluster, tried for until the signal aborts. */
interface ClusterSource {
  cluster(signal: AbortSignal): Promise<string>;
}

export interface AgentDeps extends NotifyDeps {
  readonly docker: ContainerSource;
  readonly clusters: ClusterSource;
  readonly optIn: OptIn;
}

/** A whole agent, without its doors. */
export class Agent {
  readonly #deps: AgentDeps;
  readonly #notifier: Notifier;
  readonly #farewells: Farewells;
  readonly queue: NoticeQueue;
  readonly watch: Watch;

  constructor(deps: AgentDeps) {
    this.#deps = deps;
    this.#notifier = new Notifier(deps);
    this.#farewells = new Farewells(deps);
    this.queue = new NoticeQueue(deps, limits);
    this.watch = new Watch({
      ...deps,
      audience: {
        started: (container) => {
          this.#started(container);
        },
        ended: (id) => {
          this.queue.ended(id);
          this.#farewells.say(id);
        },
      },
    });
  }

  /** Runs until the signal aborts. Notices under way are left then: the next agent's first list finds their containers. */
  async run(signal: AbortSignal): Promise<void> {
    await this.watch.run(signal);
    this.queue.stop();
  }

  #started(container: StartedContainer): void {
    const { log, meters, optIn } = this.#deps;
    const { id, age, by } = container;
    const member = identify(container, optIn);
    if (typeof member === "string") {
      meters.count("skipped", member);
      log.debug(
        { containerId: id, reason: member },
        "a container is left alone",
      );
      return;
    }
    log.debug({ ...member, by, age }, "a container has started");
    this.queue.offer(id, age, async (ticket) => {
      const cluster = await this.#clusterOf(member, ticket.signal);
      const notice = { ...member, cluster };
      this.#farewells.remember(notice);
      await this.#notifier.notify(notice, ticket);
    });
  }

  async #clusterOf(member: Member, signal: AbortSignal): Promise<string> {
    return member.cluster ?? (await this.#deps.clusters.cluster(signal));
  }
}
