import { JsonRangeError, JsonShapeError } from "./errors.ts";

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
