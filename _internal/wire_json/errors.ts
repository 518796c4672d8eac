import { encodeUtf8, memberPath } from "../text.ts";

/** What is wrong with a text, and where. */
interface SyntaxProblem {
  /** What is wrong, in the words of serde_json where it has words for it. */
  readonly problem: string;
  /** The value in which the problem was found, such as `$.events[0]`. */
  readonly path: string;
  /** Line of the problem, from 1. */
  readonly line: number;
  /**
   * How many bytes of the line had been read when the problem was found, as serde_json counts: from 1 for
   * a byte that is wrong; 0 where a line ended too early, or a newline is what is wrong.
   */
  readonly column: number;
  /** How many bytes of UTF-8 come before the problem. */
  readonly byteOffset: number;
}

/** Where in a text a problem is. */
interface SyntaxPlace {
  readonly problem: string;
  readonly path: JsonPath;
  readonly text: string;
  /** The index of the character that is wrong. */
  readonly position: number;
  /** Whether the text ends there too early, instead of going on with what is wrong. */
  readonly isEnd: boolean;
}

/** The text is not JSON, or JSON that two readers could understand differently. */
export class JsonSyntaxError extends SyntaxError {
  override readonly name = "JsonSyntaxError";
  readonly details: SyntaxProblem;

  constructor({ problem, path, text, position, isEnd }: SyntaxPlace) {
    const before = text.slice(0, position);
    const read = isEnd ? before : text.slice(0, position + 1);
    const line = read.split("\n").length;
    const lineStart = before.lastIndexOf("\n") + 1;
    const isBreak = !isEnd && text[position] === "\n";
    const details = {
      problem,
      path: formatPath(path),
      line,
      column: isBreak ? 0 : encodeUtf8(before.slice(lineStart)).length + (isEnd ? 0 : 1),
      byteOffset: encodeUtf8(before).length,
    };
    const { column, byteOffset } = details;
    const place = `line ${line}, column ${column} (byte ${byteOffset}, ${details.path})`;
    super(`Cannot parse JSON at ${place}: ${problem}`);
    this.details = details;
  }
}

type Verb = "print" | "read" | "use";

/** What is wrong with a value, and where. */
interface ValueProblem {
  /** What was to be done with it. */
  readonly verb: Verb;
  /** What is wrong, in the words of serde where it has words for it. */
  readonly problem: string;
  /** The value that is wrong, such as `$.events[0]`. */
  readonly path: string;
}

/** A value has another type than its place in the document demands, or cannot be said in JSON. */
export class JsonShapeError extends TypeError {
  override readonly name = "JsonShapeError";

  constructor(readonly details: ValueProblem) {
    super(messageOf(details));
  }
}

/** A number has the right type, but lies outside what its place in the document can hold. */
export class JsonRangeError extends RangeError {
  override readonly name = "JsonRangeError";

  constructor(readonly details: ValueProblem) {
    super(messageOf(details));
  }
}

function messageOf({ verb, path, problem }: ValueProblem): string {
  return `Cannot ${verb} ${path}: ${problem}`;
}

/** The way from the top of a document to one value: member names and array positions. */
export type JsonPath = readonly (string | number)[];

/** Prints a path for people, as {@linkcode memberPath} does. */
export function formatPath(path: JsonPath): string {
  return path.reduce<string>(memberPath, "$");
}

/** How deep objects and arrays may nest, as in serde_json. */
export const MAX_DEPTH = 127;

/** Where printing or reading stands in the document, so that a refusal can name the place. */
export class JsonPlace {
  /** The open objects and arrays, from the top down; whoever opens one pushes and pops. */
  readonly path: (string | number)[] = [];

  constructor(readonly verb: Verb) {}

  /** Throws the {@linkcode JsonShapeError} of this place. */
  refuse(problem: string): never {
    throw new JsonShapeError({ verb: this.verb, problem, path: formatPath(this.path) });
  }

  /** Throws the {@linkcode JsonRangeError} of this place. */
  refuseRange(problem: string): never {
    throw new JsonRangeError({ verb: this.verb, problem, path: formatPath(this.path) });
  }
}

/** Lists the names that would have been right, in serde's words: ``expected `a` or `b` ``. */
export function expectedNames(names: readonly string[], what: "fields" | "variants"): string {
  const quoted = names.map((name) => `\`${name}\``);
  if (quoted.length === 0) return `there are no ${what}`;
  if (quoted.length <= 2) return `expected ${quoted.join(" or ")}`;
  return `expected one of ${quoted.join(", ")}`;
}
