// What each answer of a broker, or of something that is none, means.

import { noticeCodes, noticeProblem, PROBLEM_TYPE } from "@vaultbuddy/common";
import type { NoticeCode } from "@vaultbuddy/common";
import { expect, test } from "vitest";
import { answer, delivered } from "./testing.ts";
import { judge } from "./verdict.ts";

const NOW = Date.UTC(2026, 0, 1);

test("a delivery ends the notice", () => {
  expect(judge(delivered(), NOW)).toEqual({
    end: "delivered",
    deliveryId: "d-1",
  });
});

test.each(Object.keys(noticeCodes) as NoticeCode[])(
  "%s is treated as the table of codes says",
  (code) => {
    const problem = noticeProblem(code, "why");
    const verdict = judge(answer(problem.status, problem), NOW);
    expect(verdict).toEqual(
      noticeCodes[code].retry
        ? { end: "again", code, after: 0 }
        : { end: "refused", code, detail: "why" },
    );
  },
);

test.each([
  ["success that is HTML", answer(200, "<html>hello</html>"), "not_a_broker"],
  ["success of another shape", answer(200, { ok: true }), "not_a_broker"],
  [
    "success with more than it may have",
    answer(200, { outcome: "delivered", deliveryId: "d", token: "t" }),
    "not_a_broker",
  ],
  ["proxy's 502", answer(502, "<html>bad gateway</html>"), "http_502"],
  ["proxy's 404", answer(404, "not found"), "http_404"],
  ["proxy's 403", answer(403, "forbidden"), "http_403"],
  ["redirect", answer(302, "", { location: "http://elsewhere/" }), "http_302"],
  ["empty 204", answer(204, ""), "http_204"],
  [
    "problem of somebody else",
    answer(503, { code: "out_of_coffee" }, { "content-type": PROBLEM_TYPE }),
    "http_503",
  ],
  ["problem cut short", answer(403, '{"code":"policy_den'), "http_403"],
])("a %s is to be asked again", (_, given, code) => {
  expect(judge(given, NOW)).toEqual({ end: "again", code, after: 0 });
});

test("a 409 ends it whoever wrote it", () => {
  expect(judge(answer(409, "conflict"), NOW)).toMatchObject({
    end: "refused",
    code: "http_409",
  });
});

test("a definite refusal with a code of a newer broker is not asked again, a retryable status is", () => {
  const headers = { "content-type": `${PROBLEM_TYPE}; charset=utf-8` };
  const body = { code: "something_new" };
  expect(judge(answer(403, body, headers), NOW)).toMatchObject({
    end: "refused",
    code: "unknown_code",
  });
  expect(judge(answer(429, body, headers), NOW)).toMatchObject({
    end: "again",
  });
});

test.each([
  ["seconds", "7", 7000],
  ["a date", new Date(NOW + 9000).toUTCString(), 9000],
  ["a date that is past", new Date(NOW - 9000).toUTCString(), 0],
  ["nonsense", "soon", 0],
  ["a negative number", "-5", 0],
  ["too many digits", "9".repeat(30), 0],
])("a Retry-After of %s is read", (_, value, after) => {
  const busy = answer(429, noticeProblem("rate_limited", ""), {
    "retry-after": value,
  });
  expect(judge(busy, NOW)).toEqual({
    end: "again",
    code: "rate_limited",
    after,
  });
});

test("a Retry-After of somebody who is no broker is not taken for long", () => {
  const headers = { "content-type": "text/html", "retry-after": "600" };
  for (const status of [200, 503]) {
    expect(judge(answer(status, "<html>", headers), NOW)).toMatchObject({
      end: "again",
      after: 5000,
    });
  }
});
