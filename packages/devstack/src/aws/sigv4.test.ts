// AWS's published examples of signature version 4, and each way in which a request may be refused.

import { expect, test } from "vitest";
import { AwsError } from "./error.ts";
import { type SignedRequest, verifySignature } from "./sigv4.ts";

const keys = {
  accessKeyId: "AKIDEXAMPLE",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
  region: "us-east-1",
};
const now = Date.UTC(2015, 7, 30, 12, 36, 0);

/** The ListUsers example of "Signing AWS requests" in the AWS General Reference. */
const listUsers: SignedRequest = {
  method: "GET",
  target: "/?Action=ListUsers&Version=2010-05-08",
  headers: {
    host: "iam.amazonaws.com",
    "content-type": "application/x-www-form-urlencoded; charset=utf-8",
    "x-amz-date": "20150830T123600Z",
    authorization:
      "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
  },
  body: new Uint8Array(),
};

/** `get-vanilla` and `post-vanilla` of AWS's signature version 4 test suite. */
const vanilla = (method: string, signature: string): SignedRequest => ({
  method,
  target: "/",
  headers: {
    host: "example.amazonaws.com",
    "x-amz-date": "20150830T123600Z",
    authorization: `AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=${signature}`,
  },
  body: new Uint8Array(),
});

function refusal(request: SignedRequest, service: string, at = now): string {
  try {
    verifySignature(request, { ...keys, service }, at);
  } catch (error) {
    if (error instanceof AwsError) return error.code;
    throw error;
  }
  return "accepted";
}

test.each([
  ["ListUsers", listUsers, "iam"],
  [
    "get-vanilla",
    vanilla(
      "GET",
      "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    "service",
  ],
  [
    "post-vanilla",
    vanilla(
      "POST",
      "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    ),
    "service",
  ],
])("AWS's example %s is accepted", (_, request, service) => {
  expect(refusal(request, service)).toBe("accepted");
});

const changed = (
  change: Record<string, string | undefined>,
): SignedRequest => ({
  ...listUsers,
  headers: { ...listUsers.headers, ...change },
});
const authorization = String(listUsers.headers["authorization"]);

test.each([
  [
    "without a signature",
    changed({ authorization: undefined }),
    "MissingAuthenticationTokenException",
  ],
  [
    "with half a signature",
    changed({ authorization: "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE" }),
    "IncompleteSignatureException",
  ],
  [
    "of an unknown key",
    changed({
      authorization: authorization.replace("AKIDEXAMPLE", "AKIDOTHER"),
    }),
    "UnrecognizedClientException",
  ],
  [
    "with a session token that nobody gave",
    changed({ "x-amz-security-token": "t" }),
    "UnrecognizedClientException",
  ],
  [
    "for another region",
    changed({ authorization: authorization.replace("us-east-1", "eu-west-1") }),
    "InvalidSignatureException",
  ],
  [
    "for another service",
    changed({ authorization: authorization.replace("/iam/", "/ecs/") }),
    "InvalidSignatureException",
  ],
  [
    "with another date than it was signed with",
    changed({ "x-amz-date": "20150830T123601Z" }),
    "InvalidSignatureException",
  ],
  [
    "that doesn't sign the host",
    changed({ authorization: authorization.replace(";host", "") }),
    "InvalidSignatureException",
  ],
  [
    "with another body",
    { ...listUsers, body: Buffer.from("x") },
    "InvalidSignatureException",
  ],
  [
    "with another query",
    { ...listUsers, target: "/?Action=DeleteUser" },
    "InvalidSignatureException",
  ],
])("a request %s is refused", (_, request, code) => {
  expect(refusal(request, "iam")).toBe(code);
});

test("a signature is good for five minutes either way", () => {
  expect(refusal(listUsers, "iam", now + 299_000)).toBe("accepted");
  expect(refusal(listUsers, "iam", now + 301_000)).toBe(
    "InvalidSignatureException",
  );
  expect(refusal(listUsers, "iam", now - 301_000)).toBe(
    "InvalidSignatureException",
  );
});
