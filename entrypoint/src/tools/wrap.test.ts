// What is printed for images of every kind. test/wrap.test.ts runs it.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ToolFailure } from "./failure.ts";
import type { ImageFacts } from "./image.ts";
import { printed } from "./print.ts";
import { wrap } from "./wrap.ts";
import type { WrapOptions, Wrapped } from "./wrap.ts";

const image: ImageFacts = {
  name: "registry:5000/team/web:1.4.2",
  entrypoint: ["docker-entrypoint.sh"],
  cmd: ["postgres", "-c", "a b"],
  user: "70:70",
  workingDir: "/srv/data",
  variables: ["PATH"],
  onBuild: [],
  volumes: [],
  os: "linux",
  architecture: "amd64",
};
const options: WrapOptions = {
  command: [],
  carrier: "vaultbuddy-entrypoint",
  container: "app",
  dependedOn: false,
};
const wrapped = (
  facts: Partial<ImageFacts> = {},
  asked: Partial<WrapOptions> = {},
): Wrapped => wrap({ ...image, ...facts }, { ...options, ...asked });

/** The application's container of the task definition with the volume. */
const container = ({ volume }: Wrapped): object | undefined =>
  volume.taskDefinition.containerDefinitions[1];

test("the entrypoint comes in front of the image's own, and the CMD is written again", () => {
  expect(wrapped().layer).toEqual({
    image: "registry:5000/team/web-vaultbuddy:1.4.2",
    dockerfile: `FROM registry:5000/team/web:1.4.2
COPY --from=vaultbuddy-entrypoint /vaultbuddy /vaultbuddy
USER 70:70
WORKDIR /srv/data
ENTRYPOINT ["/vaultbuddy/entrypoint","docker-entrypoint.sh"]
CMD ["postgres","-c","a b"]
`,
    taskDefinition: {
      containerDefinitions: [
        { name: "app", image: "registry:5000/team/web-vaultbuddy:1.4.2" },
      ],
    },
  });
  expect(container(wrapped())).toEqual({
    name: "app",
    image: "registry:5000/team/web:1.4.2",
    dependsOn: [{ containerName: "vaultbuddy", condition: "SUCCESS" }],
    entryPoint: ["/vaultbuddy/entrypoint", "docker-entrypoint.sh"],
    command: ["postgres", "-c", "a b"],
    user: "70:70",
    workingDirectory: "/srv/data",
    mountPoints: [
      {
        sourceVolume: "vaultbuddy",
        containerPath: "/vaultbuddy",
        readOnly: true,
      },
    ],
  });
});

test("what an image does not set is not written", () => {
  const bare = wrapped({ cmd: [], user: "", workingDir: "" });
  expect(bare.layer.dockerfile).not.toMatch(/CMD|USER|WORKDIR/);
  expect(Object.keys(container(bare) ?? {})).toEqual([
    "name",
    "image",
    "dependsOn",
    "entryPoint",
    "mountPoints",
  ]);
});

test("without an ENTRYPOINT all of the command stays the CMD, which a user may exchange", () => {
  const { layer } = wrapped({ entrypoint: [] });
  expect(layer.dockerfile).toContain(
    'ENTRYPOINT ["/vaultbuddy/entrypoint"]\nCMD ["postgres","-c","a b"]',
  );
});

test("another command takes the place of the CMD and not of the ENTRYPOINT", () => {
  expect(wrapped({}, { command: ["psql"] }).runs).toEqual([
    "docker-entrypoint.sh",
    "psql",
  ]);
});

test("nothing in a path or a user is a variable or an escape of the Dockerfile", () => {
  const { dockerfile } = wrapped({
    workingDir: `/a $b\\c"d'e`,
    user: "$u",
  }).layer;
  expect(dockerfile).toContain("USER \\$u\n");
  expect(dockerfile).toContain(`WORKDIR /a \\$b\\\\c\\"d\\'e\n`);
});

test("where another container depends on it, it waits 90 s, in both task definitions", () => {
  const waiting = wrapped({}, { dependedOn: true });
  const environment = [{ name: "WIS_TIMEOUT", value: "90s" }];
  expect(container(waiting)).toMatchObject({ environment });
  expect(waiting.layer.taskDefinition.containerDefinitions[0]).toMatchObject({
    environment,
  });
  expect(JSON.stringify(wrapped().volume)).not.toContain("WIS_TIMEOUT");
});

test.each([
  ["web", "web-vaultbuddy"],
  ["web@sha256:0123", "web-vaultbuddy"],
  ["host:5000/web", "host:5000/web-vaultbuddy"],
  ["host:5000/web:1@sha256:0123", "host:5000/web-vaultbuddy:1"],
])("an image made from %s is called %s", (name, derived) => {
  expect(wrapped({ name }).layer.image).toBe(derived);
});

test.each<[string, Partial<ImageFacts>, RegExp]>([
  [
    "no command",
    { entrypoint: [], cmd: [] },
    /neither ENTRYPOINT nor CMD.* wrap .* COMMAND…$/,
  ],
  [
    "the entrypoint already",
    { entrypoint: ["/vaultbuddy/entrypoint"] },
    /already$/,
  ],
  ["another system", { os: "windows" }, /is for windows/],
  ["another processor", { architecture: "s390x" }, /is for s390x/],
  ["a WORKDIR of two lines", { workingDir: "/a\nRUN b" }, /line break/],
])("an image with %s is refused in one line", (_name, facts, message) => {
  let thrown: unknown;
  try {
    wrapped(facts);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(ToolFailure);
  expect(thrown).toMatchObject({
    code: 1,
    message: expect.stringMatching(message) as string,
  });
});

test.each<[string, Partial<ImageFacts>, RegExp]>([
  [
    "an ENTRYPOINT in shell form",
    { entrypoint: ["/bin/sh", "-c", "exec x"] },
    /ENTRYPOINT is in shell form/,
  ],
  [
    "a CMD in shell form",
    { entrypoint: [], cmd: ["/bin/sh", "-c", "x"] },
    /CMD is in shell form/,
  ],
  ["ONBUILD", { onBuild: ["COPY . /app"] }, /ONBUILD.*COPY \. \/app/],
  [
    "a HEALTHCHECK",
    { healthcheck: ["CMD", "true"] },
    /HEALTHCHECK.*start period/,
  ],
  [
    "a STOPSIGNAL that the entrypoint does not hear",
    { stopSignal: "SIGWINCH" },
    /STOPSIGNAL SIGWINCH/,
  ],
  ["settings of ours in ENV", { variables: ["WIS_MODE"] }, /ENV sets WIS_MODE/],
  [
    "variables of Vault in ENV",
    { variables: ["VAULT_VERSION"] },
    /WIS_PASSTHROUGH=VAULT_VERSION/,
  ],
  ["a VOLUME in our place", { volumes: ["/vaultbuddy"] }, /VOLUME/],
])("%s is told of, and of an ordinary image nothing", (_name, facts, note) => {
  const asked = { dependedOn: true };
  expect(wrapped({}, asked).notes).toEqual([]);
  const { notes } = wrapped(facts, asked);
  expect(notes).toEqual([expect.stringMatching(note)]);
  expect(printed(wrapped(facts, asked))).toContain(`- ${notes[0]}`);
});

test.each(["SIGTERM", "15", "SIGQUIT", "3", "USR2", "12"])(
  "a STOPSIGNAL %s, which it hears, needs no word",
  (stopSignal) => {
    expect(wrapped({ stopSignal }, { dependedOn: true }).notes).toEqual([]);
  },
);

test.each(["SIGWINCH", "28", "SIGRTMIN+3", "37", "SIGUSR1"])(
  "a STOPSIGNAL %s, which it does not hear, is told of",
  (stopSignal) => {
    expect(wrapped({ stopSignal }, { dependedOn: true }).notes).toEqual([
      expect.stringContaining(`Its STOPSIGNAL ${stopSignal} stays`),
    ]);
  },
);

test("for a person, both ways stand one below the other", () => {
  const text = printed(wrapped());
  expect(text).toMatch(
    /^registry:5000\/team\/web:1\.4\.2 runs \[.*\] as 70:70 in \/srv\/data\.\n/,
  );
  expect(text).toContain(
    '   ENTRYPOINT ["/vaultbuddy/entrypoint","docker-entrypoint.sh"]\n',
  );
  expect(text).toContain('"entryPoint": [');
});

test("what docs/wrap.md shows is what is printed", () => {
  const page = readFileSync(
    new URL("../../../docs/wrap.md", import.meta.url),
    "utf8",
  );
  const [, shown] = /```console\n\$ .* wrap .*\n([^]*?)```/.exec(page) ?? [];
  const facts = {
    name: "web:1.4.2",
    cmd: ["node", "server.js"],
    user: "node",
    workingDir: "/app",
  };
  expect(printed(wrapped(facts))).toBe(shown);
});
