// The settings about files, and the list of them in WIS_FILES. A document and no mini-language: a path, what is in the
// file, who may read it. A template is not compiled here: that takes its engine, which is loaded after listening.

import {
  Fields,
  ShapeError,
  parseJson,
  text,
  vaultPath,
  word,
} from "@vaultbuddy/common";
import type { TextRule } from "@vaultbuddy/common";

/** The most files, and the longest list of them in bytes: a variable holds no more. */
const MOST_FILES = 64;
const MOST_BYTES = 128 * 1024;

/** What a file holds. */
type FileContent =
  | { readonly kind: "secret"; readonly path: string }
  | { readonly kind: "template"; readonly text: string }
  /** A template in a file of the image. */
  | { readonly kind: "templateFile"; readonly path: string };

/** One file to write. */
export interface FileSpec {
  /** Absolute and without `.` or `..`. */
  readonly path: string;
  readonly content: FileContent;
  readonly mode: number;
  /** Absent for whoever this process is. */
  readonly owner?: { readonly uid: number; readonly gid: number };
}

/** The files that the container asks for. */
export interface FilesPlan {
  /** Every file is below it. */
  readonly directory: string;
  /** Whether it may be on a file system that keeps what is written to it. */
  readonly disk: boolean;
  readonly files: readonly FileSpec[];
}

/** The form of a path in a setting about files. */
export const absolutePath: TextRule = {
  max: 1024,
  pattern: /^(?:\/(?!\.{1,2}(?:\/|$))[^/\0]+)+$/,
  form: "an absolute path without empty, . or .. segments",
};

/** The part of the table of settings that is about files. */
export const fileSettings = {
  files: {
    env: "WIS_FILES",
    describe:
      'files to write before the command starts, as JSON: [{"path": "/run/secrets/db.json", "secret": "secret/db"}]; instead of "secret" (a whole one, as JSON) a "template" or "templateFile" (mustache), and "mode" ("0400") and "owner" ("1000:1000")',
    parse: parseFiles,
  },
  filesDirectory: {
    env: "WIS_FILES_DIR",
    describe: "the directory that all of them are below; a tmpfs",
    parse: (value: string) => text(value, "", absolutePath),
  },
  filesDisk: {
    env: "WIS_FILES_DISK",
    describe:
      "allow: they may be on a disk instead of a tmpfs, and so outlive the container",
    parse: word(["allow"]),
  },
} as const;

/** Reads WIS_FILES. Throws {@link ShapeError} that names places and never what stands there. */
function parseFiles(value: string): readonly FileSpec[] {
  const list = new Fields({
    files: parseJson(Buffer.from(value), MOST_BYTES),
  }).list("files", MOST_FILES, parseFile);
  const paths = new Set(list.map(({ path }) => path));
  if (paths.size < list.length) {
    throw new ShapeError("files", "must name each path once");
  }
  if (list.some(({ path }) => folders(path).some((one) => paths.has(one)))) {
    throw new ShapeError("files", "must not name a path below another file");
  }
  return list;
}

/** Every directory above a path. */
function folders(path: string): string[] {
  const parts = path.split("/");
  return parts.slice(1, -1).map((_, at) => parts.slice(0, at + 2).join("/"));
}

function parseFile(value: unknown, at: string): FileSpec {
  try {
    const fields = new Fields(value, at);
    const path = fields.text("path", absolutePath);
    const content = parseContent(fields, at);
    const mode = fields.optionalText("mode", {
      pattern: /^0?[0-7]{3}$/,
      form: "a mode such as 0400",
    });
    const owner = fields.optionalText("owner", {
      pattern: /^\d{1,9}:\d{1,9}$/,
      form: "a user and a group as numbers, such as 1000:1000",
    });
    fields.done();
    const [uid = "", gid = ""] = owner?.split(":") ?? [];
    return {
      path,
      content,
      mode: Number.parseInt(mode ?? "0400", 8),
      ...(owner === undefined
        ? {}
        : { owner: { uid: Number(uid), gid: Number(gid) } }),
    };
  } catch (error) {
    // The place is a part of what is expected here: there are many files in one variable.
    throw error instanceof ShapeError
      ? new ShapeError("files", error.message)
      : error;
  }
}

function parseContent(fields: Fields, at: string): FileContent {
  const path = fields.optionalText("secret", vaultPath);
  const template = fields.optionalText("template", { max: MOST_BYTES });
  const file = fields.optionalText("templateFile", absolutePath);
  const contents: FileContent[] = [
    ...(path === undefined ? [] : [{ kind: "secret", path } as const]),
    ...(template === undefined
      ? []
      : [{ kind: "template", text: template } as const]),
    ...(file === undefined
      ? []
      : [{ kind: "templateFile", path: file } as const]),
  ];
  const [content] = contents;
  if (content === undefined || contents.length > 1) {
    throw new ShapeError(
      at,
      "must have one of secret, template and templateFile",
    );
  }
  return content;
}

/** Puts the settings together. What doesn't fit goes into `faults`. */
export function readFilesPlan(
  values: {
    readonly files?: readonly FileSpec[];
    readonly filesDirectory?: string;
    readonly filesDisk?: "allow";
  },
  faults: string[],
): FilesPlan | undefined {
  const { files, filesDirectory: directory } = values;
  if (files === undefined) {
    return undefined;
  }
  if (directory === undefined) {
    if (!faults.some((fault) => fault.startsWith("WIS_FILES_DIR:"))) {
      faults.push("WIS_FILES_DIR: is required with WIS_FILES");
    }
    return undefined;
  }
  for (const [at, { path }] of files.entries()) {
    if (!path.startsWith(`${directory}/`)) {
      faults.push(`WIS_FILES: files[${at}].path: must be below WIS_FILES_DIR`);
    }
  }
  return { directory, disk: values.filesDisk === "allow", files };
}
