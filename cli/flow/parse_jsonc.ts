import { fitTo, quoted } from "../text/printable.ts";

const TOKEN = /-?\d[\d.eE+-]*|true|false|null/y;
const SPACE = /[ \t\r\n]*/y;
const MOST_DEPTH = 64;
const MOST_SHOWN = 200;

/** An array of JSON, an object as a map in the order of the text, or a simple value. */
export type Json = string | number | boolean | null | Json[] | Map<string, Json>;

/** What else than JSON is read. */
interface ParseJsoncOptions {
  /** Comments, and commas behind the last member or item, as in `deno.jsonc`. */
  comments?: boolean;
}

/**
 * Parses JSON that people write, and says at which line and column it is wrong. A key that stands twice in one object
 * is wrong too: `JSON.parse` would drop the first without a word. What programs have recorded is
 * parsed by `_internal/wire_json`, whose words are those of the v1 format.
 *
 * @throws {SyntaxError} Its message says what is wrong, and where.
 */
export function parseJsonc(text: string, options: ParseJsoncOptions = {}): Json {
  return new JsoncParser(text, options).document();
}

class JsoncParser {
  readonly #text: string;
  readonly #comments: boolean;
  readonly #path: string[] = [];
  #at = 0;

  constructor(text: string, { comments = false }: ParseJsoncOptions) {
    this.#text = text;
    this.#comments = comments;
  }

  document(): Json {
    const value = this.#value();
    if (this.#peek() !== "") this.#fail("nothing may follow the value");
    return value;
  }

  #value(): Json {
    if (this.#path.length > MOST_DEPTH) this.#fail("it is nested too deeply");
    switch (this.#peek()) {
      case "{":
        return this.#object();
      case "[":
        return this.#array();
      default:
        return this.#simple("a value is missing");
    }
  }

  #object(): Map<string, Json> {
    const members = new Map<string, Json>();
    this.#items("}", () => {
      if (this.#peek() !== '"') this.#fail('a name in double quotes or "}" is missing');
      const start = this.#at;
      const key = this.#simple("") as string;
      if (members.has(key)) {
        const where = this.#path.length === 0
          ? ""
          : ` in ${fitTo(this.#path.join("."), MOST_SHOWN)}`;
        this.#fail(`${quoted(key)} stands here for the second time${where}`, start);
      }
      if (!this.#take(":")) this.#fail('":" is missing');
      this.#path.push(key);
      members.set(key, this.#value());
      this.#path.pop();
    });
    return members;
  }

  #array(): Json[] {
    const items: Json[] = [];
    this.#items("]", () => {
      this.#path.push(String(items.length));
      items.push(this.#value());
      this.#path.pop();
    });
    return items;
  }

  /** What stands between two brackets, with commas between. */
  #items(end: "}" | "]", item: () => void): void {
    this.#at++;
    if (this.#take(end)) return;
    do item(); while (this.#take(",") && !(this.#comments && this.#peek() === end));
    if (!this.#take(end)) this.#fail(`"," or "${end}" is missing`);
  }

  #simple(missing: string): string | number | boolean | null {
    const token = this.#peek() === '"' ? this.#textToken() : this.#wordToken(missing);
    try {
      const value = JSON.parse(token);
      this.#at += token.length;
      return value;
    } catch {
      this.#fail(`${fitTo(token, MOST_SHOWN)} is no JSON`);
    }
  }

  #wordToken(missing: string): string {
    TOKEN.lastIndex = this.#at;
    return TOKEN.exec(this.#text)?.[0] ?? this.#fail(missing);
  }

  /** A text may be longer than what a regular expression can step through. */
  #textToken(): string {
    const text = this.#text;
    for (let end = this.#at;;) {
      end = text.indexOf('"', end + 1);
      if (end === -1) this.#fail("this text has no closing quote");
      let backslashes = 0;
      while (text[end - 1 - backslashes] === "\\") backslashes++;
      if (backslashes % 2 === 0) return text.slice(this.#at, end + 1);
    }
  }

  /** The next character that is not blank; empty at the end. */
  #peek(): string {
    for (;;) {
      SPACE.lastIndex = this.#at;
      this.#at += SPACE.exec(this.#text)![0].length;
      const end = this.#comments ? this.#endOfComment() : undefined;
      if (end === undefined) return this.#text.charAt(this.#at);
      this.#at = end;
    }
  }

  /** Where a comment that begins here ends; undefined when none does. */
  #endOfComment(): number | undefined {
    const text = this.#text;
    if (text.startsWith("//", this.#at)) {
      const end = text.indexOf("\n", this.#at);
      return end === -1 ? text.length : end;
    }
    if (!text.startsWith("/*", this.#at)) return undefined;
    const end = text.indexOf("*/", this.#at + 2);
    return end === -1 ? this.#fail("this comment has no end") : end + 2;
  }

  #take(character: string): boolean {
    if (this.#peek() !== character) return false;
    this.#at++;
    return true;
  }

  #fail(problem: string, at = this.#at): never {
    const before = this.#text.slice(0, at);
    const lines = before.split("\n").length;
    const place = `line ${lines}, column ${at - before.lastIndexOf("\n")}`;
    throw new SyntaxError(`${place}: ${problem}`);
  }
}
