// The settings of `send`: the same names as the container's own, because both sides say the same.

import {
  durationWithin,
  ecsName,
  parseKey,
  parseTaskArn,
  plainText,
  text,
} from "@vaultbuddy/common";
import type { SettingTable } from "@vaultbuddy/common/daemon";
import type { Place } from "./channel.ts";

/** Every setting of `send` besides its file and address. */
export const sendSettings = {
  key: {
    env: "WIS_HMAC_KEY",
    placeholder: "key",
    describe: "the key that the container has, base64url",
    parse: parseKey,
  },
  keyFile: {
    flag: "hmac-key-file",
    env: "WIS_HMAC_KEY_FILE",
    placeholder: "file",
    describe: "a file that holds it",
    parse: plainText,
  },
  taskArn: {
    flag: "task-arn",
    env: "WIS_TASK_ARN",
    placeholder: "arn",
    describe: "the WIS_TASK_ARN that the container was told, if it was",
    parse: (value: string) => parseTaskArn(value).arn,
  },
  containerName: {
    flag: "container-name",
    env: "WIS_CONTAINER_NAME",
    placeholder: "name",
    describe: "the WIS_CONTAINER_NAME that the container was told, if it was",
    parse: (value: string) => text(value, "", ecsName),
  },
  containerId: {
    flag: "container-id",
    env: "WIS_CONTAINER_ID",
    placeholder: "id",
    describe: "the WIS_CONTAINER_ID that the container was told, if it was",
    parse: (value: string) => text(value, "", { max: 128 }),
  },
  timeout: {
    flag: "timeout",
    env: "WIS_TIMEOUT",
    placeholder: "duration",
    describe: "how long to wait until the container listens and has answered",
    fallback: "30s",
    parse: durationWithin("100ms", "1h"),
  },
} as const satisfies SettingTable;

const DEFAULT_PORT = 9202;

/** Reads https://host[:port]; undefined for anything else. The port is the entrypoint's unless another is named. */
export function parsePlace(value: string): Place | undefined {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  const bare =
    url?.protocol === "https:" &&
    url.pathname === "/" &&
    [url.username, url.password, url.search, url.hash].every(
      (part) => part === "",
    );
  if (url === undefined || !bare) {
    return undefined;
  }
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  // A URL forgets that its scheme's own port was written.
  const standard = /:0*443\/?$/.test(value) ? 443 : DEFAULT_PORT;
  return { host, port: url.port === "" ? standard : Number(url.port) };
}
