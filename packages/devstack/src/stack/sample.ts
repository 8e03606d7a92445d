// The sample task's image, secrets and policy.

import { randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { buildImage, nodePath } from "../engine/image.ts";

/** The family the sample task belongs to. */
export const sampleFamily = "sample";
/** The secrets the sample app is to receive. */
export const sampleSecrets = {
  sample: {
    DB_USER: `user-${randomBytes(9).toString("base64url")}`,
    DB_PASSWORD: `db-${randomBytes(9).toString("base64url")}`,
  },
  shared: { api_key: `api-${randomBytes(9).toString("base64url")}` },
};

/** The rule for its family. */
export const samplePolicy = {
  [sampleFamily]: {
    policies: [sampleFamily],
    ttl: 3600,
    secrets: ["secret/sample"],
    env: { API_KEY: "secret/shared#api_key" },
  },
};

/** Builds its image: Node, the bundled entrypoint and the app. */
export async function sampleImage(
  entrypoint: string,
  dockerHost: string,
): Promise<string> {
  return await buildImage(
    {
      name: "sample",
      files: [
        {
          path: "/vaultbuddy/entrypoint.cjs",
          mode: 0o444,
          source: entrypoint,
        },
        {
          path: "/app/app.cjs",
          mode: 0o444,
          source: fileURLToPath(
            new URL("../../sample-app/app.cjs", import.meta.url),
          ),
        },
      ],
      entryPoint: [nodePath, "/vaultbuddy/entrypoint.cjs", "--"],
      command: [nodePath, "/app/app.cjs"],
    },
    { dockerHost },
  );
}
