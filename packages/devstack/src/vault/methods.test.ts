import { expect, test } from "vitest";
import { MethodFilter } from "./methods.ts";

const conversation =
  "LIST /v1/a HTTP/1.1\r\nHost: x\r\n\r\n" +
  "POST /v1/b HTTP/1.1\r\nContent-Length: 12\r\n\r\nLIST /x HTTP" +
  "POST /v1/c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nLIST \r\nb\r\n/d HTTP/1.1\r\n0\r\nTrailer: x\r\n\r\n" +
  "FLY /v1/d HTTP/1.1\r\n\r\n" +
  "M-SEARCH /v1/e HTTP/1.1\r\n\r\n" +
  "GET /v1/LIST HTTP/1.1\r\nLIST: LIST\r\n\r\n";
const rewritten = conversation
  .replace("M-SEARCH /v1/e", "NOTIFY /v1/e")
  .replace("LIST /v1/a", "M-SEARCH /v1/a")
  .replace("FLY ", "NOTIFY ");

test.each([1, 2, 3, 7, 64, 10_000])(
  "methods change in request lines and nowhere else, in pieces of %i bytes",
  (size) => {
    const filter = new MethodFilter();
    const bytes = Buffer.from(conversation);
    let out = "";
    for (let at = 0; at < bytes.length; at += size)
      out += filter.push(bytes.subarray(at, at + size)).toString();
    expect(out).toBe(rewritten);
  },
);

test("what is no HTTP passes unchanged, once it is clear that no head comes", () => {
  const filter = new MethodFilter();
  const noise = Buffer.alloc(70_000, "x");
  expect(filter.push(noise).equals(noise)).toBe(true);
  expect(filter.push(Buffer.from("LIST /")).toString()).toBe("LIST /");
});
