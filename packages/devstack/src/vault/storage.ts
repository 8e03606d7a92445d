// Vault's stand-in, a store of keys that look like paths, listed one level at a time as Vault's barrier lists them.

export class Storage<Value> {
  readonly #entries = new Map<string, Value>();

  get(key: string): Value | undefined {
    return this.#entries.get(key);
  }

  set(key: string, value: Value): void {
    this.#entries.set(key, value);
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  /** Names directly below a prefix, in order; what has more below it ends in "/". */
  list(prefix: string): string[] {
    const names = new Set<string>();
    for (const key of this.#entries.keys()) {
      if (!key.startsWith(prefix) || key === prefix) continue;
      const rest = key.slice(prefix.length);
      const slash = rest.indexOf("/");
      names.add(slash === -1 ? rest : rest.slice(0, slash + 1));
    }
    return [...names].toSorted();
  }

  keys(): string[] {
    return [...this.#entries.keys()].toSorted();
  }
}
