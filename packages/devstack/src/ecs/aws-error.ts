// The errors ECS answers with. Codes and sentences are AWS's own where they are known from its reference or from what
// people were answered; the door turns one into JSON for ECS and into XML for EC2.

import { AwsError } from "../aws/error.ts";

/** ECS's word for nearly everything that is wrong with a request. */
export function invalidParameter(message: string): AwsError {
  return new AwsError("InvalidParameterException", message);
}

/** What RegisterTaskDefinition and RunTask say of a definition they don't like. */
export function clientException(message: string): AwsError {
  return new AwsError("ClientException", message);
}

export function clusterNotFound(): AwsError {
  return new AwsError("ClusterNotFoundException", "Cluster not found.");
}

export function throttled(): AwsError {
  return new AwsError("ThrottlingException", "Rate exceeded");
}
