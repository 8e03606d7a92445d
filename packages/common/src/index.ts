// The door of what all programs share and an entrypoint can carry: nothing behind it loads more than node:crypto.
// What needs a library stands behind daemon.ts, because the entrypoint must listen a few milliseconds after its start.

export {
  deliveryCodes,
  isDeliveryRefusal,
  isNoticeRefusal,
  noticeCodes,
  Refusal,
} from "./error.ts";
export type {
  DeliveryCode,
  NoticeCode,
  NoticeRefusal,
  Treatment,
} from "./error.ts";
export {
  generateSigningKey,
  parsePublicKey,
  parseSigningKey,
  privatePem,
  publicJwk,
  publicPem,
  verifyingKey,
} from "./ed25519.ts";
export type { SigningKey, VerifyingKey } from "./ed25519.ts";
export {
  deriveFamilyKey,
  derivePsk,
  familyKey,
  keyId,
  parseKey,
} from "./keys.ts";
export type { FamilyKey } from "./keys.ts";
export { Fields, parseJson, ShapeError, text } from "./parse.ts";
export type { TextRule } from "./parse.ts";
export {
  ANSWER_BYTES,
  deliveryProblem,
  noticeProblem,
  parseDelivered,
  parseDeliveryProblem,
  parseNoticeProblem,
  parseReceipt,
  PROBLEM_TYPE,
} from "./protocol/answer.ts";
export type { Delivered, Problem, Receipt } from "./protocol/answer.ts";
export {
  accessorHash,
  certificateHash,
  CLOCK_SKEW,
  DELIVERY_BYTES,
  DELIVERY_LIFE,
  DELIVERY_TYPE,
  MOST_CA,
  MOST_PATHS,
  MOST_VARIABLES,
  normaliseVaultAddr,
  parseDelivery,
  secretReference,
  variableName,
  vaultPath,
  writeDelivery,
} from "./protocol/delivery.ts";
export type {
  Audience,
  Delivery,
  SecretPlan,
  Wrap,
  WrappedSecretId,
  WrappedToken,
} from "./protocol/delivery.ts";
export { ecsName, parseClusterArn, parseTaskArn } from "./protocol/ecs.ts";
export type { ClusterArn, TaskArn } from "./protocol/ecs.ts";
export { MOST_SIGNATURES, signJws, verifyJws } from "./protocol/jws.ts";
export type { SignWith, VerifyWith } from "./protocol/jws.ts";
export { NOTICE_BYTES, parseNotice } from "./protocol/notice.ts";
export type { Notice, NoticeBody } from "./protocol/notice.ts";
export {
  parsePlainDelivery,
  parsePlainReceipt,
  writePlainDelivery,
} from "./protocol/plain.ts";
export type { PlainDelivery } from "./protocol/plain.ts";
export { sameBytes, Secret, SecretBytes } from "./secret.ts";
export { pause, steady, systemClock } from "./time.ts";
export type { Backoff, Clock } from "./time.ts";
export {
  boolean,
  duration,
  durationWithin,
  httpUrl,
  listenAddress,
  listOf,
  plainText,
  wholeNumber,
  word,
} from "./values.ts";
export type { ListenAddress } from "./values.ts";
