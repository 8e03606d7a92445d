// The settings of what the broker itself offers and keeps: where it listens, with which certificate, how much it takes,
// where its claims are.

import {
  boolean,
  durationWithin,
  listenAddress,
  plainText,
  wholeNumber,
  word,
} from "@vaultbuddy/common";
import { logLevels } from "@vaultbuddy/common/daemon";
import type { SettingTable } from "@vaultbuddy/common/daemon";
import { ledgerUrl } from "./parsers.ts";

export const apiSettings = {
  listen: {
    flag: "listen",
    env: "LISTEN_ADDR",
    placeholder: "addr",
    fallback: ":9201",
    describe: "where agents reach the broker",
    parse: listenAddress,
  },
  tlsCert: {
    flag: "tls-cert",
    env: "TLS_CERT",
    placeholder: "file",
    describe:
      "PEM of the broker's own certificate and its chain: agents then speak https; read again on SIGHUP",
    parse: plainText,
  },
  tlsKey: {
    flag: "tls-key",
    env: "TLS_KEY",
    placeholder: "file",
    describe: "PEM of the key to --tls-cert; read again on SIGHUP",
    parse: plainText,
  },
  noticeRate: {
    flag: "notice-rate",
    env: "NOTICE_RATE",
    placeholder: "count",
    fallback: "100",
    describe: "notices a second from one address; ten times as many in a burst",
    parse: wholeNumber(1, 100_000),
  },
  ledger: {
    flag: "ledger",
    env: "LEDGER",
    placeholder: "url",
    fallback: "sqlite:vaultbuddy.db",
    describe: "where claims are kept",
    parse: ledgerUrl,
  },
  deliveryTimeout: {
    flag: "delivery-timeout",
    env: "DELIVERY_TIMEOUT",
    placeholder: "duration",
    fallback: "90s",
    describe: "from a notice to the receipt",
    parse: durationWithin("1s", "10m"),
  },
} as const satisfies SettingTable;

export const processSettings = {
  logLevel: {
    flag: "log-level",
    env: "LOG_LEVEL",
    placeholder: "level",
    fallback: "info",
    describe: `one of ${logLevels.join(", ")}`,
    parse: word(logLevels),
  },
  dev: {
    flag: "dev",
    env: "VAULTBUDDY_DEV",
    placeholder: "bool",
    fallback: "false",
    describe: "DEVELOPMENT ONLY: accept a root token",
    parse: boolean,
  },
} as const satisfies SettingTable;
