// The counters and their text.

import { expect, test } from "vitest";
import { counters, Meters } from "./meters.ts";

test("every counter stands in the text from the start, with its help and type", () => {
  const text = new Meters().text([]);
  for (const [name, { help }] of Object.entries(counters)) {
    expect(text).toContain(
      `# HELP vaultbuddy_agent_${name}_total ${help}\n# TYPE vaultbuddy_agent_${name}_total counter\n`,
    );
  }
  expect(text).toContain('vaultbuddy_agent_starts_total{by="list"} 0\n');
  expect(text).toContain("vaultbuddy_agent_unannounced_total 0\n");
  expect(text.endsWith("\n")).toBe(true);
});

test("counts add up by label and together", () => {
  const meters = new Meters();
  meters.count("notices", "delivered");
  meters.count("notices", "delivered");
  meters.count("notices", "policy_denied", 3);
  meters.count("unreadable", undefined, 2);
  expect(meters.total("notices")).toBe(5);
  expect(meters.total("notices", "delivered")).toBe(2);
  expect(meters.text([])).toContain(
    'vaultbuddy_agent_notices_total{outcome="policy_denied"} 3\n',
  );
  expect(meters.text([])).toContain("vaultbuddy_agent_unreadable_total 2\n");
});

test("no stranger's word breaks the format or grows the table without bound", () => {
  const meters = new Meters();
  for (let n = 0; n < 1000; n += 1) {
    meters.count("attempts", `x"} 1\n${n}`);
  }
  const lines = meters
    .text([])
    .split("\n")
    .filter((line) => line.startsWith("vaultbuddy_agent_attempts"));
  expect(lines.length).toBeLessThanOrEqual(101);
  expect(lines.every((line) => /^\w+\{as="[\w.-]+"\} \d+$/.test(line))).toBe(
    true,
  );
  expect(meters.total("attempts")).toBe(1000);
});

test("a gauge without a value leaves its line out", () => {
  const text = new Meters().text([
    { name: "a", help: "A.", read: () => 1.5 },
    { name: "b", help: "B.", read: () => undefined },
  ]);
  expect(text).toContain(
    "# TYPE vaultbuddy_agent_a gauge\nvaultbuddy_agent_a 1.5\n",
  );
  expect(text).toMatch(/# TYPE vaultbuddy_agent_b gauge\n$/);
});
