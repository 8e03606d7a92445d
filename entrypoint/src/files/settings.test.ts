import { expect, test } from "vitest";
import { fileSettings, readFilesPlan } from "./settings.ts";

const read = (files: unknown) =>
  fileSettings.files.parse(
    typeof files === "string" ? files : JSON.stringify(files),
  );
const one = { path: "/run/secrets/a", secret: "secret/a" };

test("a file has a path and a content; mode and owner have their defaults", () => {
  expect(
    read([
      one,
      {
        path: "/run/secrets/b",
        template: "x={{vault:secret/a#k}}",
        mode: "0440",
        owner: "1000:50",
      },
      { path: "/run/secrets/c", templateFile: "/etc/c.mustache", mode: "644" },
    ]),
  ).toEqual([
    {
      path: "/run/secrets/a",
      content: { kind: "secret", path: "secret/a" },
      mode: 0o400,
    },
    {
      path: "/run/secrets/b",
      content: { kind: "template", text: "x={{vault:secret/a#k}}" },
      mode: 0o440,
      owner: { uid: 1000, gid: 50 },
    },
    {
      path: "/run/secrets/c",
      content: { kind: "templateFile", path: "/etc/c.mustache" },
      mode: 0o644,
    },
  ]);
});

test.each<[string, unknown]>([
  ["no JSON", "canary"],
  ["no list", { canary: 1 }],
  ["a relative path", [{ ...one, path: "canary" }]],
  ["a path that climbs", [{ ...one, path: "/run/../canary" }]],
  ["a path with an empty segment", [{ ...one, path: "/run//canary" }]],
  ["a path that ends in a slash", [{ ...one, path: "/canary/" }]],
  ["a NUL in a path", [{ ...one, path: "/canary\0" }]],
  ["no content", [{ path: "/canary" }]],
  ["two contents", [{ ...one, template: "canary" }]],
  ["a content that is no text", [{ path: "/a", template: { canary: 1 } }]],
  ["a secret that is no path", [{ ...one, secret: "../canary" }]],
  ["a mode that is none", [{ ...one, mode: "canary" }]],
  ["a mode with more than permissions", [{ ...one, mode: "4755" }]],
  ["an owner by name", [{ ...one, owner: "canary:canary" }]],
  ["an unknown member", [{ ...one, canary: 1 }]],
  ["one path twice", [one, { ...one, secret: "secret/canary" }]],
  ["a path below another", [one, { ...one, path: "/run/secrets/a/b/canary" }]],
])("%s is refused without being quoted", (_what, files) => {
  expect(() => read(files)).toThrow(
    expect.objectContaining({
      name: "ShapeError",
      message: expect.not.stringMatching(/canary(?!:)/) as string,
    }),
  );
});

test("every file is below the directory that is named, and that is named", () => {
  const plan = (directory?: string) => {
    const faults: string[] = [];
    const read = readFilesPlan(
      {
        files: fileSettings.files.parse(JSON.stringify([one])),
        ...(directory === undefined ? {} : { filesDirectory: directory }),
      },
      faults,
    );
    return faults.length > 0 ? faults : read;
  };
  expect(plan("/run")).toMatchObject({ directory: "/run", disk: false });
  expect(plan("/run/secrets")).toMatchObject({ directory: "/run/secrets" });
  for (const elsewhere of ["/run/secret", "/run/secrets/a", "/etc"]) {
    expect(plan(elsewhere)).toEqual([
      "WIS_FILES: files[0].path: must be below WIS_FILES_DIR",
    ]);
  }
  expect(plan()).toEqual(["WIS_FILES_DIR: is required with WIS_FILES"]);
});
