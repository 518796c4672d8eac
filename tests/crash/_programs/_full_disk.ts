/** What the full-disk program is told, and what it answers. */

/** What to do: `form` says how. */
export interface Command {
  form: "open" | "sync" | "async" | "group" | "batch" | "file" | "remove" | "show";
  /** How many events to append. */
  events: number;
  /** The bytes of every line with its newline, or of the file. */
  lineBytes: number;
  /** The file to write, remove or show. */
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
