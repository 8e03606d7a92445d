// The files that a container asks for, from the settings to what is written: which things in Vault they need, and what
// each of them holds once those were read.

import { Secret } from "@vaultbuddy/common";
import { Failure, systemCode } from "../exit.ts";
import { quote } from "../find.ts";
import { Assembly } from "../plan.ts";
import type { OwnPlan } from "../plan.ts";
import type { Answers, Needs } from "../read.ts";
import { sourceId } from "../reference.ts";
import type { Reference, Source } from "../reference.ts";
import { expected } from "../settings.ts";
import { preparePlaces, writeFiles } from "./place.ts";
import type { Place } from "./place.ts";
import type { FileSpec, FilesPlan } from "./settings.ts";
import { compileTemplate } from "./template.ts";
import type { Resolved, Tag, Template } from "./template.ts";

type Opened = FileSpec & {
  readonly holds:
    | { readonly kind: "secret"; readonly source: Source }
    | { readonly kind: "template"; readonly template: Template };
};

type Content = Place & { readonly content: Secret };

/** The files of a container that asks for none. */
export const noFiles: FilesPlan = { directory: "/", disk: false, files: [] };

/** Reads a small file whole, as text. */
type ReadFile = (path: string) => string;

/**
 * Reads the templates, and looks whether the files can be written. Rejects with the {@link Failure} `settings` or
 * `file_unwritable`.
 */
export async function openFiles(
  plan: FilesPlan,
  own: OwnPlan,
  readFile: ReadFile,
): Promise<Files> {
  const opened: Opened[] = [];
  for (const [at, file] of plan.files.entries()) {
    const holds = await open(file, `WIS_FILES: files[${at}]`, readFile);
    opened.push({ ...file, holds });
  }
  const files = new Files(opened, own);
  if (files.needs.ciphertexts.length > 0 && own.decryptPath === undefined) {
    throw new Failure(
      "settings",
      "VAULT_TRANSIT_KEY_ID: is required to decrypt what WIS_FILES holds",
    );
  }
  if (opened.length > 0) {
    const { directory, disk } = plan;
    preparePlaces(
      { directory, disk, allowedBy: "WIS_FILES_DISK=allow" },
      opened,
    );
  }
  return files;
}

async function open(
  { content }: FileSpec,
  at: string,
  readFile: ReadFile,
): Promise<Opened["holds"]> {
  if (content.kind === "secret") {
    return { kind: "secret", source: { kind: "read", path: content.path } };
  }
  const template = textOf(content, at, readFile);
  try {
    return { kind: "template", template: await compileTemplate(template) };
  } catch (error) {
    throw new Failure("settings", `${at}.${content.kind}: ${expected(error)}`);
  }
}

function textOf(
  content: Exclude<FileSpec["content"], { kind: "secret" }>,
  at: string,
  readFile: ReadFile,
): string {
  if (content.kind === "template") {
    return content.text;
  }
  try {
    return readFile(content.path);
  } catch (error) {
    throw new Failure(
      "settings",
      `${at}.templateFile: the file cannot be read (${systemCode(error)})`,
    );
  }
}

/** Files that can be written as soon as their contents are there. */
export class Files {
  readonly #files: readonly Opened[];
  readonly #own: OwnPlan;
  readonly #references: readonly Reference[];
  /** What to ask Vault for. */
  readonly needs: Needs;

  constructor(files: readonly Opened[], own: OwnPlan) {
    this.#files = files;
    this.#own = own;
    const tags = files.flatMap(({ holds }) =>
      holds.kind === "template" ? holds.template.tags : [],
    );
    this.#references = tags.flatMap((tag) =>
      tag.kind === "each" ? [] : [tag.reference],
    );
    this.needs = {
      sources: [
        ...files.flatMap(({ holds }) =>
          holds.kind === "secret" ? [holds.source] : [],
        ),
        ...tags.flatMap((tag) => (tag.kind === "each" ? [tag.source] : [])),
        ...this.#references.flatMap((one) =>
          one.kind === "key" ? [one.source] : [],
        ),
      ],
      ciphertexts: this.#references.flatMap((one) =>
        one.kind === "ciphertext" ? [one.ciphertext] : [],
      ),
    };
  }

  /** Whether the application gets the token in one of them. */
  get givesToken(): boolean {
    return this.#references.some(({ kind }) => kind === "token");
  }

  /**
   * Writes them; answers what removes them again. Throws {@link Failure} `secret_unusable`, which names paths and keys
   * and never a value, or `file_unwritable`.
   */
  write(answers: Answers, token: Secret): () => void {
    return writeFiles(this.contents(answers, token));
  }

  /** What they are to hold. Throws likewise. */
  contents(answers: Answers, token: Secret): Content[] {
    const faults = new Set<string>();
    const contents = this.#files.map((file) => {
      const assembly = new Assembly(this.#own, answers, token);
      const content = contentOf(file, answers, assembly);
      for (const fault of assembly.faults) {
        faults.add(fault);
      }
      return { ...file, content };
    });
    if (faults.size > 0) {
      throw new Failure("secret_unusable", [...faults].join("; "));
    }
    return contents;
  }
}

function contentOf(
  { path, holds }: Opened,
  answers: Answers,
  assembly: Assembly,
): Secret {
  const name = `the file ${quote(path)}`;
  if (holds.kind === "secret") {
    const whole = answers.contents.get(sourceId(holds.source))?.json;
    if (whole === undefined) {
      assembly.faults.add(
        `${quote(holds.source.path)} holds nothing, which ${name} is to hold`,
      );
    }
    return whole ?? new Secret("");
  }
  const resolved = holds.template.tags.map((tag) =>
    resolve(tag, name, answers, assembly),
  );
  return new Secret(
    assembly.faults.size > 0 ? "" : holds.template.render(resolved),
  );
}

function resolve(
  tag: Tag,
  name: string,
  answers: Answers,
  assembly: Assembly,
): Resolved {
  switch (tag.kind) {
    case "value":
      return assembly.resolve(tag.reference, name);
    case "test":
      return tag.reference.kind === "key"
        ? answers.contents
            .get(sourceId(tag.reference.source))
            ?.values.get(tag.reference.key)
        : assembly.resolve(tag.reference, name);
    case "each":
      return [
        ...(answers.contents.get(sourceId(tag.source))?.values ?? []),
      ].flatMap(([key, value]) =>
        value === undefined ? [] : [{ key, value }],
      );
  }
}
