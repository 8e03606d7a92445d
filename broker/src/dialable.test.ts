import { expect, test } from "vitest";
import { isDialable } from "./dialable.ts";

test.each([
  "10.0.0.1",
  "172.16.0.1",
  "172.31.255.255",
  "192.168.1.1",
  "100.64.0.1",
  "100.127.255.255",
  "127.0.0.1",
  "127.5.6.7",
  "169.254.172.2",
  "::1",
  "fd00::1",
  "fc12:3456::1",
  "fe80::1",
])("%s is dialled", (address) => {
  expect(isDialable(address)).toBe(true);
});

test.each([
  "8.8.8.8",
  "172.32.0.1",
  "100.128.0.1",
  "100.63.255.255",
  "0.0.0.0",
  "255.255.255.255",
  "224.0.0.1",
  "169.254.169.254",
  "169.254.170.2",
  "fd00:ec2::254",
  "2001:db8::1",
  "::",
  "::ffff:10.0.0.1",
  "::ffff:8.8.8.8",
  "64:ff9b::a00:1",
  "10.0.0.1:80",
  "010.0.0.1",
  "10.1",
  "0x0a000001",
  "localhost",
  "ip-10-0-0-1.internal",
  "fe80::1%eth0 x",
  "",
  " 10.0.0.1",
])("%j is not dialled", (address) => {
  expect(isDialable(address)).toBe(false);
});
