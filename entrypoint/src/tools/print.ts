// What `wrap` found, for a person: what runs, both ways to put the entrypoint in front of it, and what to know. Whoever
// wants a part of it alone asks for JSON.

import type { Wrapped } from "./wrap.ts";

/** The whole of it as lines. */
export function printed({
  image,
  runs,
  user,
  workingDirectory,
  volume,
  layer,
  notes,
}: Wrapped): string {
  const as = user === "" ? "root" : user;
  const where = workingDirectory === "" ? "/" : workingDirectory;
  return [
    `${image} runs ${JSON.stringify(runs)} as ${as} in ${where}.`,
    "",
    "1. The folder in a volume; the image stays as it is. Task definition:",
    "",
    indented(JSON.stringify(volume.taskDefinition, null, 2)),
    "",
    "2. The folder as a layer. Dockerfile:",
    "",
    indented(layer.dockerfile.trimEnd()),
    "",
    `   Build it as ${layer.image}. Task definition, where entryPoint would drop its CMD again:`,
    "",
    indented(JSON.stringify(layer.taskDefinition, null, 2)),
    "",
    "To both belong the label, VAULT_ADDR, the family's key and the port, as the README says; or WIS_MODE=off.",
    ...notes.map((note) => `- ${note}`),
    "",
  ].join("\n");
}

function indented(text: string): string {
  return text.replaceAll(/^(?=.)/gm, "   ");
}
