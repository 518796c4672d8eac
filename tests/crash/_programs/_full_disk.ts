/** What the full-disk program is told, and what it answers. */

/** What to do: `form` says how. */
export interface Command {
  form:
    | "open"
    | "sync"
    | "async"
    | "group"
    | "batch"
    | "fill"
    | "tear"
    | "remove"
    | "show"
    | "list";
  /** How many events to append. */
  events: number;
  /** The bytes of every line with its newline, or of the beginning of one. */
  lineBytes: number;
  /** What to write, remove, show or list. */
  path?: string;
}

/** Why an append failed. */
export interface Failure {
  kind: string;
  cause: string;
}

/** What became of it. */
export interface Answer {
  /** How many events were acknowledged. */
  done: number;
  failure?: Failure;
  text?: string;
}
