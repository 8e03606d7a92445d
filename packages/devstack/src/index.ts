// The door of devstack: what the demo, the stories and a developer's shell may start.

export { chooseEngine } from "./embedded/choose.ts";
export { nodePath as nodeInImage } from "./engine/image.ts";
export { startSts } from "./sts/server.ts";
export type { Principal, StsServer } from "./sts/server.ts";
export { Daemon } from "./stack/daemon.ts";
export type { LogLine } from "./stack/daemon.ts";
export { freePort, looseTask, notify } from "./stack/loose.ts";
export type {
  BrokerAnswer,
  LooseNotice,
  LooseSpec,
  LooseTask,
} from "./stack/loose.ts";
export { sampleFamily, sampleSecrets } from "./stack/sample.ts";
export { Stack } from "./stack/stack.ts";
export type { StackOptions } from "./stack/parts.ts";
export {
  appLine,
  describeTask,
  exitCode,
  readAppLine,
  runSample,
  sampleContainer,
  stopTask,
  until,
} from "./stack/tasks.ts";
export type {
  AppLine,
  NetworkMode,
  SampleTask,
  StartedTask,
} from "./stack/tasks.ts";
