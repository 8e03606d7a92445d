// What stays as it is behind the entrypoint and what does not, for one image: told by `wrap` beside what it prints, because
// nobody reads a manual for the one image that is different.

import type { ImageFacts } from "./image.ts";
import type { WrapOptions } from "./wrap.ts";

/** What the bundle hears as the first process while it waits (ENDING in exec.ts); any other signal is lost on it but SIGKILL. */
const HEARD = /^(?:SIG)?(?:TERM|INT|HUP|QUIT|USR2|KILL|15|2|1|3|12|9)$/i;

/** Sentences about what this image has besides its command. */
export function notesOn(
  facts: ImageFacts,
  cmd: readonly string[],
  { dependedOn }: Pick<WrapOptions, "dependedOn">,
): string[] {
  const { entrypoint, stopSignal, healthcheck, onBuild } = facts;
  const notes: string[] = [];
  const [shell = "", flag] = entrypoint.length > 0 ? entrypoint : cmd;
  if (/(?:^|\/)(?:sh|bash|ash|dash)$/.test(shell) && flag === "-c") {
    notes.push(
      entrypoint.length > 0
        ? `Its ENTRYPOINT is in shell form: ${shell} stays in front of it, written as a list. Docker hands such a shell its CMD as $0, $1 and so on, which it seldom reads; that stays so, too.`
        : `Its CMD is in shell form: ${shell} stays in front of it, written as a list.`,
    );
  }
  if (onBuild.length > 0) {
    notes.push(
      `It has ONBUILD instructions, which run in a build of the Dockerfile, right behind FROM, and want its files: ${onBuild.join("; ")}. With the volume nothing is built.`,
    );
  }
  if (healthcheck !== undefined) {
    notes.push(
      "Its HEALTHCHECK stays, and fails while the entrypoint waits: give it a start period as long as WIS_TIMEOUT. It runs with the container's own environment, without the secrets. ECS looks only at a healthCheck in the task definition.",
    );
  }
  if (stopSignal !== undefined && !HEARD.test(stopSignal)) {
    notes.push(
      `Its STOPSIGNAL ${stopSignal} stays the command's; while the entrypoint waits it is not heard, and a stop then lasts until Docker or ECS kills the container.`,
    );
  }
  const ours = facts.variables.filter((name) => name.startsWith("WIS_"));
  if (ours.length > 0) {
    notes.push(
      `Its ENV sets ${ours.join(", ")}, which the entrypoint takes for settings of its own; the command gets none of them.`,
    );
  }
  const vaults = facts.variables.filter((name) => name.startsWith("VAULT_"));
  if (vaults.length > 0) {
    notes.push(
      `Its ENV sets ${vaults.join(", ")}, which the command gets only with WIS_PASSTHROUGH=${vaults.join(",")}.`,
    );
  }
  if (facts.volumes.some((path) => /^\/vaultbuddy(?:\/|$)/.test(path))) {
    notes.push(
      "It declares a VOLUME at /vaultbuddy, which would hide a layer there: take the volume.",
    );
  }
  if (!dependedOn) {
    notes.push(
      "If another container of the task has a dependsOn on this one, add --depended-on: it then waits 90 s instead of 30 s, because ECS learns late of the containers of a task that is still PENDING.",
    );
  }
  return notes;
}
