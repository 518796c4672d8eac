/**
 * What the page of all runs shows, as one plain JSON document. Every text is fit to be shown, as those of the page
 * of a run are. It imports nothing: the script of the page is checked against it, and knows nothing of Deno.
 */

/** What the page of all runs shows. */
export interface RunsData {
  /** When the list was read, in milliseconds since 1970. */
  readMs: number;
  /** Where the runs are kept. */
  root: string;
  /** How many there are. */
  total: number;
  /** The newest of them, the one that began last at the end. */
  runs: RunRow[];
}

/** A run in the list. */
export interface RunRow {
  /** Its id, as it is shown. */
  id: string;
  /** Where its page is, behind the address of the list. */
  address: string;
  /** What was run; empty where that is not known. */
  name: string;
  /** What became of it, in the word of `taffrail ls`. */
  outcome: string;
  /** The same for people, or what it waits for. */
  text: string;
  /** What it runs, where that is one command, or why it cannot be read. */
  about: string;
  /** How many of its nodes have completed, of how many; left out where they were not counted. */
  nodes?: { completed: number; total: number };
  /** When it began, in milliseconds since 1970; null where that is not known. */
  beganMs: number | null;
  /** How long it took; null where it has no end. */
  durationMs: number | null;
  /** Whether it goes on taking time. */
  isLive: boolean;
}
