// Templates in mustache: text with references into Vault, in the form they have in variables, `{{vault:secret/db#password}}`.
// Nothing is escaped as HTML, there are no partials and no functions, and a reference that is not there is an error and not
// an empty place. The engine is loaded by the first template, after the port is open.

import { ShapeError } from "@vaultbuddy/common";
import type { Secret } from "@vaultbuddy/common";
import type { default as Mustache } from "mustache";
import { parseValue, parseWhole } from "../reference.ts";
import type { Reference, Source } from "../reference.ts";

/** What a tag of a template stands for. */
export type Tag =
  | { readonly kind: "value"; readonly reference: Reference }
  /** A section that is there when the key is there and its value not empty. */
  | { readonly kind: "test"; readonly reference: Reference }
  /** A section that is repeated for each key of a whole secret. */
  | { readonly kind: "each"; readonly source: Source };

/** What a tag became: a value, the entries of a whole secret, or nothing. */
export type Resolved =
  | Secret
  | readonly { readonly key: string; readonly value: Secret }[]
  | undefined;

/** A template that was read. */
export interface Template {
  readonly tags: readonly Tag[];
  /** Puts the values in, which are asked for in the order of `tags`. */
  render(resolved: readonly Resolved[]): string;
}

type Engine = typeof Mustache;
type Context = InstanceType<Engine["Context"]>;
type Writer = InstanceType<Engine["Writer"]>;
type Token = readonly [string, string, number, number, (readonly Token[])?];

/** Reads a template. Rejects with {@link ShapeError}, which quotes nothing. */
export async function compileTemplate(text: string): Promise<Template> {
  const { default: engine } = await import("mustache");
  const writer = new engine.Writer();
  const tags = new Map<string, Tag>();
  collect(parse(writer, text), tags, false);
  return {
    tags: [...tags.values()],
    render: (resolved) => {
      const values = new Map(
        [...tags.keys()].map((name, at) => [name, resolved[at]] as const),
      );
      return writer.render(text, contextOf(engine, values), undefined, {
        escape: String,
      });
    },
  };
}

function parse(writer: Writer, text: string): readonly Token[] {
  try {
    return writer.parse(text) as readonly Token[];
  } catch {
    // The engine's message quotes the template.
    throw new ShapeError(
      "",
      "must be a mustache template with all tags closed",
    );
  }
}

/** Finds what every tag stands for. `inEach`: inside of a whole secret's section. */
function collect(
  tokens: readonly Token[],
  tags: Map<string, Tag>,
  inEach: boolean,
): void {
  for (const [type, name, , , inner = []] of tokens) {
    switch (type) {
      case "name":
      case "&":
        if (!(inEach && /^(?:key|value)$/.test(name))) {
          // Asked for as a value it must be there, wherever else it is only asked whether it is.
          tags.set(valueName(name), {
            kind: "value",
            reference: referenceIn(name),
          });
        }
        break;
      case "#":
      case "^": {
        const whole = /^vault:[^#]+$/.test(name) && !SPECIAL.test(name);
        tags.set(
          sectionName(name),
          whole
            ? { kind: "each", source: parseWhole(name.slice("vault:".length)) }
            : { kind: "test", reference: referenceIn(name) },
        );
        collect(inner, tags, inEach || (whole && type === "#"));
        break;
      }
      case ">":
        throw new ShapeError(
          "",
          "must have no partials (write a reference that begins with >> as {{& >>vault:…}})",
        );
      default:
    }
  }
}

/** Without a key these are no paths. */
const SPECIAL = /^vault:(?:login$|v\d+:)/;
// One tag may be both a value and a section.
const valueName = (name: string): string => `value ${name}`;
const sectionName = (name: string): string => `section ${name}`;

function referenceIn(name: string): Reference {
  const parts = parseValue(name) ?? [];
  const [reference] = parts;
  if (parts.length !== 1 || typeof reference !== "object") {
    throw new ShapeError(
      "",
      "must have references such as {{vault:secret/db#password}} in its tags",
    );
  }
  return reference;
}

/** What the engine asks for values: by the whole text of a tag, not by its parts between the dots. */
function contextOf(
  engine: Engine,
  values: ReadonlyMap<string, Resolved>,
): Context {
  class References extends engine.Context {
    override push(view: unknown): Context {
      return new References(view, this);
    }

    override lookup(name: string): unknown {
      if (name === "key" || name === "value") {
        const view: unknown = this.view;
        const entry = typeof view === "object" && view !== null;
        return entry ? Reflect.get(view, name) : this.parent?.lookup(name);
      }
      const value =
        values.get(valueName(name)) ?? values.get(sectionName(name));
      return isEntries(value)
        ? value.map((one) => ({ key: one.key, value: one.value.expose() }))
        : value?.expose();
    }
  }
  return new References(null);
}

function isEntries(
  value: Resolved,
): value is Exclude<Resolved, Secret | undefined> {
  return Array.isArray(value);
}
