// The door of what only the long-running daemons share, with the libraries it brings: logs, requests, flags, stopping.

export { openConnections, request } from "./http.ts";
export type { Ask, Connections } from "./http.ts";
export { describeError, logLevels, openLog } from "./log.ts";
export type { Log, LogLevel } from "./log.ts";
export { Meters } from "./meters.ts";
export type { CounterDefinition, Gauge } from "./meters.ts";
export {
  addSettings,
  collectSettings,
  readSettings,
  SettingsError,
} from "./settings.ts";
export type { Setting, SettingsOf, SettingTable } from "./settings.ts";
export { TransportError } from "./transport.ts";
export type { Answer } from "./transport.ts";
export { stopSignal } from "./stop.ts";
export type { SignalSource } from "./stop.ts";
