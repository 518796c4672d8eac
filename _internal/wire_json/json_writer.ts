import { JsonPlace, MAX_DEPTH } from "./json_place.ts";

/** How a text is laid out: on one line, or with two spaces for each level (J-1). */
export type JsonStyle = "compact" | "pretty";

/**
 * Puts a JSON text together. The caller opens a container, announces each member or item before it
 * writes its value, and closes the container; commas, line breaks and the path for errors follow.
 */
export class JsonWriter extends JsonPlace {
  /** Whether everything goes on one line, so that a codec may write a whole list in one piece. */
  readonly isCompact: boolean;
  #text = "";
  #lineBreak: string;
  #isEmpty = true;
  readonly #indentation: string;
  readonly #colon: string;
  readonly #containers: object[] = [];
  /** Names come again and again, and looking one up costs a third of quoting it. */
  readonly #quotedNames = new Map<string, string>();

  constructor(style: JsonStyle) {
    super("print");
    this.isCompact = style === "compact";
    this.#lineBreak = style === "pretty" ? "\n" : "";
    this.#indentation = style === "pretty" ? "  " : "";
    this.#colon = style === "pretty" ? ": " : ":";
  }

  /** Everything written so far. */
  get text(): string {
    return this.#text;
  }

  /** Writes the text of one value. */
  write(text: string): void {
    this.#text += text;
  }

  /** Writes a string value (J-3). */
  writeString(value: string): void {
    this.#text += this.#quote(value);
  }

  /** Opens an object or array; `container` is what is being printed, to notice cycles. */
  open(bracket: "{" | "[", container: object): void {
    if (this.#containers.includes(container)) this.refuse("circular reference");
    if (this.#containers.length === MAX_DEPTH) {
      this.refuse(`nesting deeper than ${MAX_DEPTH} levels`);
    }
    this.#containers.push(container);
    this.path.push(0);
    this.#text += bracket;
    this.#lineBreak += this.#indentation;
    this.#isEmpty = true;
  }

  /** Announces the next item of the array. */
  item(index: number): void {
    this.path[this.path.length - 1] = index;
    this.#separate();
  }

  /** Announces the next member of the object. */
  member(name: string): void {
    this.path[this.path.length - 1] = name;
    let quoted = this.#quotedNames.get(name);
    if (quoted === undefined) {
      quoted = this.#quote(name) + this.#colon;
      this.#quotedNames.set(name, quoted);
    }
    this.#separate();
    this.#text += quoted;
  }

  /** Closes the object or array opened last. */
  close(bracket: "}" | "]"): void {
    this.#containers.pop();
    this.path.pop();
    if (this.#indentation !== "") {
      this.#lineBreak = this.#lineBreak.slice(0, -this.#indentation.length);
      if (!this.#isEmpty) this.#text += this.#lineBreak;
    }
    this.#text += bracket;
    this.#isEmpty = false;
  }

  #separate(): void {
    this.#text += this.#isEmpty ? this.#lineBreak : `,${this.#lineBreak}`;
    this.#isEmpty = false;
  }

  #quote(value: string): string {
    const quoted = JSON.stringify(value);
    // A lone surrogate is escaped, so only a text with an escape can hold one.
    if (quoted.length !== value.length + 2 && !value.isWellFormed()) {
      this.refuse("lone surrogate in a string");
    }
    return quoted;
  }
}
