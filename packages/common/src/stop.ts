// How a daemon is told to end: one signal that everything long-lived listens to.

/** A part of `process`: what a stop needs of it. */
export interface SignalSource {
  on(name: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
}

/** Aborts when SIGTERM or SIGINT arrives. A second one calls `hurry`, for an operator who will not wait. */
export function stopSignal(
  source: SignalSource,
  hurry: () => void,
): AbortSignal {
  const controller = new AbortController();
  const heard = (signal: NodeJS.Signals): void => {
    if (controller.signal.aborted) {
      hurry();
    } else {
      controller.abort(new Error(`stopped by ${signal}`));
    }
  };
  source.on("SIGTERM", heard);
  source.on("SIGINT", heard);
  return controller.signal;
}
