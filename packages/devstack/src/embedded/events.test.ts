// The ring, the filters and the buffers of the event stream.

import { expect, test } from "vitest";
import { Events, Subscription } from "./events.ts";
import { Filters } from "./filters.ts";

const base = 1_795_340_040_000_000_000n;

/** Events whose times are one nanosecond apart. */
function ticking(): Events {
  let at = base;
  return new Events({ now: () => (at += 1n) });
}

function container(events: Events, action: string, labels = {}): void {
  const attributes = { image: "i:1", name: "n", ...labels };
  events.emit({ type: "container", action, id: "c0ffee", attributes });
}

const none = new Filters(new Map());

function filters(value: unknown): Filters {
  return Filters.parse(JSON.stringify(value));
}

test("a line is Docker's, down to the last digit of its time", () => {
  const events = ticking();
  container(events, "start", { b: "2", a: "1" });
  expect(events.replay(none, 0n, undefined)).toEqual([
    '{"status":"start","id":"c0ffee","from":"i:1","Type":"container","Action":"start","Actor":{"ID":"c0ffee","Attributes":{"a":"1","b":"2","image":"i:1","name":"n"}},"scope":"local","time":1795340040,"timeNano":1795340040000000001}\n',
  ]);
});

test("the last 256 events are replayed, both ends of the span included", () => {
  const events = ticking();
  for (let count = 0; count < 300; count += 1) container(events, `e${count}`);
  const all = events.replay(none, 0n, undefined);
  expect(all).toHaveLength(256);
  expect(all[0]).toContain('"Action":"e44"');
  expect(events.replay(none, base + 299n, base + 299n)).toHaveLength(1);
  expect(events.replay(none, undefined, undefined)).toEqual([]);
});

test.each([
  [{ event: ["start"] }, 1],
  [{ event: ["start", "die"] }, 2],
  [{ event: ["health_status"] }, 1],
  [{ event: ["health_status: healthy"] }, 1],
  [{ type: ["network"] }, 1],
  [{ type: ["container"], label: ["a"] }, 1],
  [{ label: ["a=1", "b"] }, 0],
  [{ label: ["a=2"] }, 0],
  [{ container: ["c0ff"] }, 3],
  [{ container: ["n"] }, 3],
  [{ container: ["other"] }, 0],
  [{ image: ["i"] }, 3],
  [{ network: ["bridge"] }, 1],
  [{ nonsense: ["x"] }, 4],
])("%j lets %i pass", (value, count) => {
  const events = ticking();
  container(events, "start", { a: "1" });
  container(events, "die");
  container(events, "health_status: healthy");
  events.emit({
    type: "network",
    action: "connect",
    id: "f00d",
    attributes: { name: "bridge" },
  });
  expect(events.replay(filters(value), 0n, undefined)).toHaveLength(count);
});

test("a listener that doesn't read keeps 1,024 lines and then loses some, without a word", () => {
  const events = ticking();
  const out: string[] = [];
  let open = true;
  const listener = new Subscription({
    write: (line) => {
      out.push(line);
      return open;
    },
  });
  events.subscribe(listener, none);
  open = false;
  for (let count = 0; count < 1_030; count += 1) container(events, "x");
  expect([out.length, listener.dropped]).toEqual([1, 5]);
  open = true;
  listener.drained();
  expect(out).toHaveLength(1_025);
  container(events, "y");
  expect(out).toHaveLength(1_026);
  events.unsubscribe(listener);
  container(events, "z");
  expect(out).toHaveLength(1_026);
});

test("both forms of filters are read, and what is no map is refused", () => {
  const older = Filters.parse('{"label":{"a":true,"b":false}}');
  expect(older.of("label")).toEqual(["a"]);
  for (const text of ["no json", "[]", "1", "null"])
    expect(() => Filters.parse(text)).toThrow(/filters/);
  expect(() => Filters.parse('{"x":[]}', ["label"])).toThrow(
    "Invalid filter 'x'",
  );
});
