// A queue in which everyone who asks has a turn: sources are served one after the other, an entry each, so that whoever
// asks for ten thousand made-up tasks makes himself wait and nobody else.

/** A question with the group (a cluster) whose questions may share a call. */
export interface Queued {
  readonly group: string;
  /** Whether it still wants an answer; others are dropped when their turn comes. */
  readonly live: boolean;
}

/** Entries in lines: one for each source, in it one for each group. */
export class FairQueue<Entry extends Queued> {
  // The order of both maps is the order of turns: who was served goes to the end.
  readonly #lines = new Map<string, Map<string, Entry[]>>();
  readonly #lengths = new Map<string, number>();

  /** How many a source has waiting, dead ones included. */
  length(source: string): number {
    return this.#lengths.get(source) ?? 0;
  }

  push(source: string, entry: Entry): void {
    const line = this.#lines.get(source) ?? new Map<string, Entry[]>();
    this.#lines.set(source, line);
    const entries = line.get(entry.group) ?? [];
    line.set(entry.group, entries);
    entries.push(entry);
    this.#lengths.set(source, this.length(source) + 1);
  }

  /** Whether anybody waits. Drops dead entries on the way. */
  get empty(): boolean {
    return this.#turn() === undefined;
  }

  /** The next source's next group, taken by turns; undefined when nobody waits. */
  nextGroup(): string | undefined {
    const turn = this.#turn();
    if (turn !== undefined) {
      const line = this.#lines.get(turn.source);
      const entries = line?.get(turn.group);
      if (line !== undefined && entries !== undefined) {
        line.delete(turn.group);
        line.set(turn.group, entries);
      }
    }
    return turn?.group;
  }

  /** Up to `most` entries of a group, one of each source in turn until there is room for no more. */
  take(group: string, most: number): Entry[] {
    const taken: Entry[] = [];
    let sources = [...this.#lines.keys()].filter(
      (source) => (this.#lines.get(source)?.get(group)?.length ?? 0) > 0,
    );
    while (sources.length > 0 && taken.length < most) {
      // Who had nothing for this group in one round has nothing in the next.
      sources = sources.filter((source) => {
        const entry =
          taken.length < most ? this.#shift(source, group) : undefined;
        if (entry !== undefined) {
          taken.push(entry);
          this.#toTheEnd(source);
        }
        return entry !== undefined;
      });
    }
    return taken;
  }

  #turn(): { source: string; group: string } | undefined {
    for (const [source, line] of this.#lines) {
      for (const [group, entries] of line) {
        while (entries[0]?.live === false) {
          this.#drop(source, entries);
        }
        if (entries.length > 0) {
          return { source, group };
        }
        line.delete(group);
      }
      this.#lines.delete(source);
    }
    return undefined;
  }

  #shift(source: string, group: string): Entry | undefined {
    const entries = this.#lines.get(source)?.get(group) ?? [];
    while (entries[0]?.live === false) {
      this.#drop(source, entries);
    }
    return entries.length === 0 ? undefined : this.#drop(source, entries);
  }

  #drop(source: string, entries: Entry[]): Entry | undefined {
    const left = this.length(source) - 1;
    if (left > 0) {
      this.#lengths.set(source, left);
    } else {
      this.#lengths.delete(source);
    }
    return entries.shift();
  }

  #toTheEnd(source: string): void {
    const line = this.#lines.get(source);
    if (line !== undefined) {
      this.#lines.delete(source);
      this.#lines.set(source, line);
    }
  }
}
