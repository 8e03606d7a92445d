// The door of what only the long-running daemons share, with the libraries it brings: logs, requests, flags, stopping.

export { openConnections, request, TransportError } from "./http.ts";
export type { Answer, Ask, Connections } from "./http.ts";
export { describeError, logLevels, openLog } from "./log.ts";
export type { Log, LogLevel } from "./log.ts";
export { addSettings, readSettings, SettingsError } from "./settings.ts";
export type { Setting, SettingsOf, SettingTable } from "./settings.ts";
export { stopSignal } from "./stop.ts";
export type { SignalSource } from "./stop.ts";
