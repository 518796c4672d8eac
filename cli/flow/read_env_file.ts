/**
 * Files of variables, as `.env`: `NAME=value` lines, perhaps behind `export`. A value may stand in quotes,
 * and then go on over several lines; in double ones `\n`, `\r`, `\t`, `\"`, `\\` and `\$` are what they are in
 * a shell. Behind an unquoted value a comment begins with a blank and a `#`. Nothing is expanded: a `$` is one.
 */
import { decodeUtf8, reasonOf } from "../../_internal/text.ts";
import { lookAt } from "../files.ts";
import { quoted } from "../text/printable.ts";
import { checkVariableName, type Fail } from "./flow_values.ts";

const MOST_BYTES = 16 * 1024 * 1024;
const ASSIGNMENT = /(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*=[ \t]*/y;
const BLANK = /(?:[ \t\r\n]|#[^\n]*)*/y;
const REST_OF_LINE = /[^\n]*/y;
const AFTER_QUOTE = /[ \t]*(?:#[^\n]*|\r?)(?=\n|$)/y;
const ESCAPES: Readonly<Record<string, string>> = {
  n: "\n",
  r: "\r",
  t: "\t",
  '"': '"',
  "\\": "\\",
  $: "$",
};

/**
 * Reads a file of variables; `fail` says what is wrong. A name that stands twice has the value that stands
 * last. No message has a value in it.
 */
export function readEnvFile(path: string, fail: Fail): Record<string, string> {
  const ofFile: Fail = (problem) => fail(`has the env_file ${path}, ${problem}`);
  let text: string;
  try {
    // A pipe would be waited for, and a device has no end.
    const info = lookAt(path);
    if (info !== undefined && !info.isFile) ofFile("which is no file");
    if (info !== undefined && info.size > MOST_BYTES) ofFile("which has over 16MiB");
    text = decodeUtf8(Deno.readFileSync(path)).replace(/^\ufeff/, "");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return ofFile("which does not exist");
    if (error instanceof TypeError) return ofFile("which is not UTF-8");
    if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
    return ofFile(`which cannot be read: ${reasonOf(error)}`);
  }
  return parseEnvFile(text, ofFile);
}

/** Reads the text of a file of variables. */
export function parseEnvFile(text: string, fail: Fail): Record<string, string> {
  return new EnvFileParser(text, fail).variables();
}

class EnvFileParser {
  readonly #text: string;
  readonly #fail: Fail;
  #at = 0;

  constructor(text: string, fail: Fail) {
    this.#text = text;
    this.#fail = fail;
  }

  variables(): Record<string, string> {
    const variables = new Map<string, string>();
    for (this.#take(BLANK); this.#at < this.#text.length; this.#take(BLANK)) {
      const start = this.#at;
      const name = this.#take(ASSIGNMENT)?.[1];
      if (name === undefined) return this.#failAt(start, "is no NAME=value and no comment");
      checkVariableName(name, (problem) => {
        return this.#failAt(start, `sets the variable ${quoted(name)}, ${problem}`);
      });
      const value = this.#value();
      if (value.includes("\0")) this.#failAt(start, `has a NUL in the value of ${quoted(name)}`);
      variables.set(name, value);
    }
    return Object.fromEntries(variables);
  }

  #value(): string {
    const quote = this.#text.charAt(this.#at);
    if (quote === '"' || quote === "'" || quote === "`") return this.#quoted(quote);
    const rest = this.#take(REST_OF_LINE)?.[0] ?? "";
    return rest.replace(/(?:^|[ \t]+)#.*$/, "").trim();
  }

  #quoted(quote: string): string {
    const start = this.#at++;
    let value = "";
    for (let from = this.#at;; this.#at++) {
      const character = this.#text.charAt(this.#at);
      if (character === "") this.#failAt(start, `has a ${quote} without the one that ends it`);
      const isEnd = character === quote;
      const escaped = quote === '"' && character === "\\"
        ? ESCAPES[this.#text.charAt(this.#at + 1)]
        : undefined;
      if (!isEnd && escaped === undefined) continue;
      value += this.#text.slice(from, this.#at) + (escaped ?? "");
      if (escaped !== undefined) this.#at++;
      from = this.#at + 1;
      if (!isEnd) continue;
      this.#at++;
      if (this.#take(AFTER_QUOTE) !== null) return value;
      this.#failAt(this.#at, `has something behind the ${quote} that ends its value`);
    }
  }

  #take(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    this.#at += match?.[0].length ?? 0;
    return match;
  }

  #failAt(at: number, problem: string): never {
    return this.#fail(`whose line ${this.#text.slice(0, at).split("\n").length} ${problem}`);
  }
}
