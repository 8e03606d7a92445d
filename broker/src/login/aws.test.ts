// What the broker signs by hand must be what the AWS SDK signs, byte for byte, and the login must be as Vault reads it.

import { ECSClient } from "@aws-sdk/client-ecs";
import { Secret } from "@vaultbuddy/common";
import { ManualClock } from "@vaultbuddy/common/testing";
import { afterEach, describe, expect, test, vi } from "vitest";
import { sdkCredentials, signedLogin, stsUrl } from "./aws.ts";
import { signForm } from "./sigv4.ts";

const NOW = Date.UTC(2026, 10, 22, 9, 8, 7, 654);
const body = "Action=GetCallerIdentity&Version=2011-06-15";

/** As the SDK's own signer signs it. */
async function bySdk(
  credentials: {
    accessKeyId: string;
    secretAccessKey: string;
    sessionToken?: string;
  },
  headers: Readonly<Record<string, string>>,
  region: string,
): Promise<string> {
  const client = new ECSClient({ region, credentials });
  const signer = await client.config.signer({
    name: "sigv4",
    signingName: "sts",
    signingRegion: region,
    properties: {},
  });
  const { headers: signed } = await signer.sign(
    {
      method: "POST",
      protocol: "https:",
      hostname: headers["Host"] ?? "",
      path: "/",
      query: {},
      headers,
      body,
    },
    { signingDate: new Date(NOW) },
  );
  client.destroy();
  return signed["authorization"] ?? "";
}

/** The SDK adds the body's hash as a header; the signature of ours has to match with it. */
const hash = "ab821ae955788b0e33ebd34c208442ccfc2d406e2edc5e7a39bd6458fbb4f843";

describe("the signature", () => {
  test.each<[string, string | undefined, string, Record<string, string>]>([
    ["long-term keys", undefined, "us-east-1", {}],
    ["a session", "session/token+with==", "eu-west-1", {}],
    [
      "a header of ours",
      undefined,
      "us-east-1",
      { "X-Vault-AWS-IAM-Server-ID": "vault.example" },
    ],
    ["spaces in it", undefined, "us-east-1", { "X-Text": " a   b " }],
  ])("is the SDK's, with %s", async (_, session, region, more) => {
    const credentials = {
      accessKeyId: "AKIDEXAMPLE",
      secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    };
    const headers = { ...more, "X-Amz-Content-Sha256": hash };
    const own = signForm(
      { url: "https://sts.example/", region, service: "sts", body, headers },
      {
        accessKeyId: credentials.accessKeyId,
        secretAccessKey: new Secret(credentials.secretAccessKey),
        ...(session === undefined ? {} : { sessionToken: new Secret(session) }),
      },
      NOW,
    );
    const type = "application/x-www-form-urlencoded; charset=utf-8";
    const sdk = await bySdk(
      {
        ...credentials,
        ...(session === undefined ? {} : { sessionToken: session }),
      },
      { Host: "sts.example", "Content-Type": type, ...headers },
      region,
    );
    expect(own["Authorization"]).toBe(sdk);
  });
});

describe("the login", () => {
  test("says who wants which role, and carries the request whole", () => {
    const login = signedLogin(
      {
        mount: "aws",
        role: "broker",
        serverId: "vault.example",
        region: "us-east-1",
        url: "https://sts.amazonaws.com",
        clock: { now: () => NOW },
      },
      { accessKeyId: "AKID", secretAccessKey: new Secret("marked") },
    );
    const plain = (name: string): string =>
      Buffer.from(login[name] ?? "", "base64").toString();
    expect(login["role"]).toBe("broker");
    expect(login["iam_http_request_method"]).toBe("POST");
    expect(plain("iam_request_url")).toBe("https://sts.amazonaws.com/");
    expect(plain("iam_request_body")).toBe(body);
    const headers: unknown = JSON.parse(plain("iam_request_headers"));
    expect(headers).toMatchObject({
      Host: "sts.amazonaws.com",
      "X-Vault-AWS-IAM-Server-ID": "vault.example",
      "X-Amz-Date": "20261122T090807Z",
    });
    expect(JSON.stringify(login)).not.toContain("marked");
  });

  test.each([
    ["us-east-1", "https://sts.amazonaws.com"],
    ["eu-west-1", "https://sts.eu-west-1.amazonaws.com"],
    ["cn-north-1", "https://sts.cn-north-1.amazonaws.com.cn"],
  ])("goes by default in %s to %s", (region, url) => {
    expect(stsUrl(region)).toBe(url);
  });
});

describe("credentials", () => {
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  test("are the SDK's, as secrets", async () => {
    vi.stubEnv("AWS_ACCESS_KEY_ID", "AKID");
    vi.stubEnv("AWS_SECRET_ACCESS_KEY", "marked");
    vi.stubEnv("AWS_SESSION_TOKEN", "session");
    const found = await sdkCredentials("us-east-1", 5000, new ManualClock())();
    expect(found.accessKeyId).toBe("AKID");
    expect(found.secretAccessKey.expose()).toBe("marked");
    expect(found.sessionToken?.expose()).toBe("session");
    expect(JSON.stringify(found)).not.toContain("marked");
  });
});
