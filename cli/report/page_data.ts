/**
 * What the page of a run shows, as one plain JSON document: the page has it inside, and is given a newer one by
 * whoever shows a run live. It is made anew for each page and kept nowhere, so its members are no format. What is
 * always true:
 *
 * - **Every text is fit to be shown**: what would steer a terminal or turn the direction of writing is written
 *   out, no surrogate stands alone, and what is long is cut, with a word on how much there was.
 * - **Times are milliseconds behind the begin of the run**, {@linkcode PageRun.beganMs}.
 * - **Nodes know each other by their places in `nodes`**, which only grows while a run goes on. Who keeps one in
 *   mind beyond that goes by {@linkcode PageNode.key}.
 * - **It is bounded**: outputs have their ends only, and all of them together {@linkcode PageData.left} says what
 *   there was no room for.
 *
 * It imports nothing: the script of the page is checked against it, and knows nothing of Deno.
 */

/** What the page of a run shows. */
export interface PageData {
  /** When the records were read, in milliseconds since 1970. */
  readMs: number;
  /** The run as a whole. */
  run: PageRun;
  /** Its nodes or steps, in the order of the flow where that is recorded, otherwise of their begins. */
  nodes: PageNode[];
  /** What the length of the run came from. */
  critical: CriticalPath;
  /** How often what was decided for which reason. */
  decisions: PageDecision[];
  /** Gates and sleeps, the oldest first. */
  waits: PageWait[];
  /** What a program has recorded, in order. */
  records: PageRecord[];
  /** Spans in which nobody worked on the run, from its being left to its being gone on with. */
  pauses: [fromMs: number, toMs: number][];
  /** How many attempts printed something of which there is nothing here, as there was no room. */
  left: number;
}

/** A run as a whole. */
export interface PageRun {
  /** Its id. */
  id: string;
  /** What was run; `log`: another program wrote it, with events of its own. */
  kind: "flow" | "program" | "log";
  /** The name of the flow or program; empty where that is not known. */
  name: string;
  /** What became of it, in the word of `taffrail ls`. */
  outcome: string;
  /** The same for people. */
  outcomeText: string;
  /** Why it is so, a line each; none where all went well. */
  why: string[];
  /** What to do about it first, then what else can be looked at. */
  next: PageHint[];
  /** What prints all that its commands printed; the id of a node behind it, what that one did. */
  logs?: string;
  /** Whether somebody works on it: what is shown is how it stood when it was read. */
  isLive: boolean;
  /** When it began, in milliseconds since 1970; null where that is not known. */
  beganMs: number | null;
  /** How long it took, without the times in which nobody worked on it; null where it has no end. */
  durationMs: number | null;
  /** What is wrong with its records, or was left out of them, a line each. */
  damage: string[];
  /** What else is known of it: names and values, in the order in which they are shown. */
  about: PageFact[];
  /** What a program gave in the end, as JSON. */
  output?: string;
}

/** A name and what is known by it. */
export type PageFact = [name: string, value: string];

/** Something to type, or to do where there is nothing to type. */
export interface PageHint {
  /** What it does. */
  text: string;
  /** What to type. */
  command?: string;
  /** Whether it does something about how the run stands, and does not only look at it. */
  isFirst?: true;
}

/** What is the state of a node or an attempt; every one has a mark and a word of its own. */
export type PageState =
  | "completed"
  | "failed"
  | "cancelled"
  | "running"
  | "waiting"
  | "skipped"
  | "pending";

/** A node of a flow, or a step of a program. */
export interface PageNode {
  /** Its id, as it is shown. */
  id: string;
  /** What it is known by; left out where that is its id. */
  key?: string;
  /** How it stands. */
  state: PageState;
  /** The same in the words of `taffrail show`; empty where the state says all. */
  text: string;
  /** What it runs or asks. */
  command?: string;
  /** What else is known of it. */
  about: PageFact[];
  /** The nodes that it needs. */
  needs: number[];
  /** Why it had to wait, in order. */
  deferrals: { text: string; count: number }[];
  /** Its attempts, in order. */
  attempts: PageAttempt[];
  /** Whether it may fail, and has no part in what becomes of the run. */
  mayFail?: true;
}

/** An attempt at a node. */
export interface PageAttempt {
  /** Which, from 1. */
  number: number;
  /** How it stands. */
  state: PageState;
  /** The same in the words of `taffrail show`; empty where the state says all. */
  text: string;
  /** Since when it could have begun; left out where that is not known. */
  readyMs?: number;
  /** When it began; left out where that is not known. */
  startMs?: number;
  /** When it ended, or how far it is known to have come; left out as long as it runs. */
  endMs?: number;
  /** Nobody saw its end. */
  isCutOff?: true;
  /** It waited for people, and took nobody's place. */
  isGate?: true;
  /** What is kept of what it printed, each by its end. */
  outputs: PageOutput[];
  /** What a step gave, as JSON, and who has passed a gate. */
  result?: string;
  /** Why it failed, a line each, where it printed nothing that says so. */
  error: string[];
}

/** The end of an output. */
export interface PageOutput {
  /** Which. */
  stream: "stdout" | "stderr";
  /** Its last lines. */
  text: string;
  /** What is not there of it; left out where all is. */
  note?: string;
}

/** What decided how long the run took: nodes of which each began when the one before it had ended. */
export interface CriticalPath {
  /** Their places, the first to begin first. */
  nodes: number[];
  /** Whether what they need tells it, or only their times, as of the steps of a program. */
  by: "needs" | "times";
}

/** What was decided for a reason. */
export interface PageDecision {
  /** What was decided. */
  decision: string;
  /** Why, for people. */
  reason: string;
  /** How often. */
  count: number;
}

/** A gate or a sleep. */
export interface PageWait {
  /** Its id. */
  id: string;
  /** What it waits for. */
  kind: "gate" | "sleep";
  /** Since when. */
  fromMs: number;
  /** Until when it has waited; left out as long as it waits. */
  toMs?: number;
  /** How that stands or ended, for people. */
  text: string;
  /** What lets it pass; left out where it does not wait. */
  command?: string;
}

/** Something that a program has recorded. */
export interface PageRecord {
  /** Which record. */
  id: string;
  /** When. */
  atMs: number;
  /** What it says, as JSON. */
  text: string;
}
