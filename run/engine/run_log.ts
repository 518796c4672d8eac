import { isStringArray } from "../../_internal/errors.ts";
import { RunFold } from "../../eventlog/derive_run_state.ts";
import { readRunSync } from "../../eventlog/read_run.ts";
import { isKnownRunEvent, type RunEvent } from "../../eventlog/run_event.ts";
import type { EventPage } from "../../eventlog/types.ts";
import type { RunStream, RunView } from "../types.ts";

/** What was read from the log of a run. */
export interface RunLog {
  /** Its events, put together. */
  fold: RunFold;
  /** The line number of the last line that was read; 0 when there is none. */
  lastSeq: number;
  /** How many lines cannot be used. */
  damagedLines: number;
  /** Which they are: each part from its first line to its last. */
  damaged: (readonly [first: number, last: number])[];
  /** What is wrong with the first of them. */
  firstDamage: string | null;
}

/** A page has this many lines at most. */
const PAGE = 2500;

/**
 * Reads the whole log of a run. Lines that cannot be used are skipped, and counted, unless they were found
 * damaged when the run was gone on with: what they told was told again.
 */
export function readRunLog(root: string, runId: string): RunLog {
  const reading = new LogReading();
  for (const page of readRunSync<RunEvent>(root, runId)) reading.take(page);
  return reading.log;
}

/** The same of a run on any root; `onEvent` is given each event, for whoever wants to know more of them. */
export async function readLogOf(
  view: Pick<RunView, "events">,
  onEvent?: (event: RunEvent) => void,
): Promise<RunLog> {
  const reading = new LogReading();
  for await (const page of pagesOf(view)) {
    reading.take(page);
    if (onEvent !== undefined) { for (const { event } of page.events) onEvent(event); }
  }
  return reading.log;
}

/** The whole log of a run, page by page. */
export function pagesOf(
  { events }: Pick<RunView, "events">,
): AsyncGenerator<EventPage<RunEvent>, void> {
  return pages((options) => events.read(options));
}

/** A stream of a run behind a line, page by page. */
export function linePagesOf(
  view: Pick<RunView, "lines">,
  stream: RunStream,
  after?: number,
): AsyncGenerator<EventPage<unknown>, void> {
  return pages((options) => view.lines(stream, options), after);
}

async function* pages<E>(
  read: (options: { after: string | number; limit: number }) => Promise<EventPage<E>>,
  after: string | number = 0,
): AsyncGenerator<EventPage<E>, void> {
  for (let hasMore = true; hasMore;) {
    const page = await read({ after, limit: PAGE });
    yield page;
    after = page.next;
    hasMore = page.hasMore;
  }
}

/** A log that is read page by page. */
class LogReading {
  readonly #fold = new RunFold();
  readonly #damage: { seq: number; problem: string }[] = [];
  #lastSeq = 0;

  take({ events, gaps }: Pick<EventPage<RunEvent>, "events" | "gaps">): void {
    for (const { seq, reason, message } of gaps) {
      this.#damage.push({ seq, problem: `${reason}: ${message}` });
    }
    for (const { seq, event } of events) {
      const problem = eventProblem(event);
      if (problem === undefined) this.#fold.take(event);
      else this.#damage.push({ seq, problem });
    }
    this.#lastSeq = Math.max(this.#lastSeq, gaps.at(-1)?.seq ?? 0, events.at(-1)?.seq ?? 0);
  }

  get log(): RunLog {
    const fold = this.#fold;
    const unknown = this.#damage.filter(({ seq }) => {
      return !fold.damaged.some(([first, last]) => first <= seq && seq <= last);
    });
    const [first] = unknown;
    const firstDamage = first === undefined ? null : `line ${first.seq}: ${first.problem}`;
    const damaged = partsOf(unknown.map(({ seq }) => seq));
    const damagedLines = unknown.length;
    return { fold, lastSeq: this.#lastSeq, damagedLines, damaged, firstDamage };
  }
}

/** Numbers that grow, as parts without gaps. */
function partsOf(numbers: readonly number[]): [first: number, last: number][] {
  const parts: [first: number, last: number][] = [];
  for (const number of numbers) {
    const part = parts.at(-1);
    if (part !== undefined && part[1] === number - 1) part[1] = number;
    else parts.push([number, number]);
  }
  return parts;
}

/**
 * What keeps a JSON object from being an event that can be shown: members that are missing or of
 * another kind. Any program may write to a log.
 */
export function eventProblem(event: RunEvent): string | undefined {
  const missing = ["type", "id", "ts", "run_id"].find((name) => !isText(event, name));
  if (missing !== undefined) return `the event has no text as "${missing}"`;
  if (!isKnownRunEvent(event) || event.type === "pipe.completed") return undefined;
  if (event.type === "node.failed" && !isText(event.error, "kind")) {
    return 'the event has no kind of "error"';
  }
  const name = OWN_TEXTS[event.type] ?? "node_id";
  if (!isText(event, name)) return `the event has no text as "${name}"`;
  if (event.type !== "pipe.started" || event.nodes === undefined || isStringArray(event.nodes)) {
    return undefined;
  }
  return 'the event has something else than texts as "nodes"';
}

/** The text that events of a run as a whole must have; those of a node have its id. */
const OWN_TEXTS: Partial<Record<string, string>> = {
  "pipe.started": "pipe",
  "pipe.aborted": "reason",
};

function isText(value: unknown, name: string): boolean {
  return typeof value === "object" && value !== null &&
    typeof (value as Record<string, unknown>)[name] === "string";
}
