import { encodeUtf8, memberPath } from "../text.ts";

/** What {@linkcode JsonSyntaxError} is made of. */
export interface SyntaxProblem {
  problem: string;
  path: JsonPath;
  /** The text up to the problem, or more. */
  text: string;
  /** Where the problem is in the text, in UTF-16 code units from 0. */
  position: number;
}

/** The text is not JSON, or JSON that two readers could understand differently. */
export class JsonSyntaxError extends SyntaxError {
  override readonly name = "JsonSyntaxError";
  /** What is wrong, in the words of serde_json where it has words for it. */
  readonly problem: string;
  /** The value in which the problem was found, such as `$.events[0]`. */
  readonly path: string;
  /** Line of the problem, from 1. */
  readonly line: number;
  /** Column of the problem in UTF-16 code units, as editors count, from 1. */
  readonly column: number;
  /** How many bytes of UTF-8 come before the problem. */
  readonly byteOffset: number;

  constructor({ problem, path, text, position }: SyntaxProblem) {
    const before = text.slice(0, position);
    const line = before.split("\n").length;
    const column = position - before.lastIndexOf("\n");
    const byteOffset = encodeUtf8(before).length;
    const place = `line ${line}, column ${column} (byte ${byteOffset}, ${formatPath(path)})`;
    super(`Cannot parse JSON at ${place}: ${problem}`);
    this.problem = problem;
    this.path = formatPath(path);
    this.line = line;
    this.column = column;
    this.byteOffset = byteOffset;
  }
}

/** What {@linkcode JsonShapeError} and {@linkcode JsonRangeError} are made of. */
export interface ValueProblem {
  verb: "print" | "read";
  problem: string;
  path: JsonPath;
}

/** A value has another type than its place in the document demands, or cannot be said in JSON. */
export class JsonShapeError extends TypeError {
  override readonly name = "JsonShapeError";
  /** What is wrong, in the words of serde where it has words for it. */
  readonly problem: string;
  /** The value that is wrong, such as `$.events[0]`. */
  readonly path: string;

  constructor({ verb, problem, path }: ValueProblem) {
    super(`Cannot ${verb} ${formatPath(path)}: ${problem}`);
    this.problem = problem;
    this.path = formatPath(path);
  }
}

/** A number has the right type, but lies outside what its place in the document can hold. */
export class JsonRangeError extends RangeError {
  override readonly name = "JsonRangeError";
  /** What is wrong, in the words of serde where it has words for it. */
  readonly problem: string;
  /** The value that is wrong, such as `$.events[0]`. */
  readonly path: string;

  constructor({ verb, problem, path }: ValueProblem) {
    super(`Cannot ${verb} ${formatPath(path)}: ${problem}`);
    this.problem = problem;
    this.path = formatPath(path);
  }
}

/** The way from the top of a document to one value: member names and array positions. */
export type JsonPath = readonly (string | number)[];

/** Prints a path for people, as {@linkcode memberPath} does. */
export function formatPath(path: JsonPath): string {
  return path.reduce<string>(memberPath, "$");
}

/** How deep objects and arrays may nest. serde_json itself refuses the 128th level already. */
export const MAX_DEPTH = 128;

/** Where printing or reading stands in the document, so that a refusal can name the place. */
export class JsonPlace {
  /** The open objects and arrays, from the top down; whoever opens one pushes and pops. */
  readonly path: (string | number)[] = [];
  readonly #verb: "print" | "read";

  constructor(verb: "print" | "read") {
    this.#verb = verb;
  }

  /** Throws the {@linkcode JsonShapeError} of this place. */
  refuse(problem: string): never {
    throw new JsonShapeError({ verb: this.#verb, problem, path: this.path });
  }

  /** Throws the {@linkcode JsonRangeError} of this place. */
  refuseRange(problem: string): never {
    throw new JsonRangeError({ verb: this.#verb, problem, path: this.path });
  }
}

/** Lists the names that would have been right, in serde's words: ``expected `a` or `b` ``. */
export function expectedNames(names: readonly string[], what: "fields" | "variants"): string {
  const quoted = names.map((name) => `\`${name}\``);
  if (quoted.length === 0) return `there are no ${what}`;
  if (quoted.length <= 2) return `expected ${quoted.join(" or ")}`;
  return `expected one of ${quoted.join(", ")}`;
}
