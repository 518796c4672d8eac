/**
 * Whether a run kept the write-ahead rule, by the system calls that it made: whatever the world can see
 * of it (a command that starts, a line of its log, a printed line) came when the lines of the capture
 * journal that say so were on disk.
 */

import {
  commandLineOf,
  descriptorOf,
  isSync,
  pathOf,
  type SystemCall,
  writtenText,
} from "../_util/system_calls.ts";

/** What a run let the world see, and what it should have had on disk before. */
export interface WriteAheadFindings {
  /** What was seen too early, in words; empty when the rule was kept. */
  tooEarly: string[];
  /** How often each kind of thing was seen: a rule that nothing was held to is not kept. */
  seen: { spawned: number; told: number; printed: number };
}

/** A line of the journal: when it was written, and when a sync that covers it was over. */
interface JournalLine {
  readonly record: Record<string, unknown>;
  readonly synced: number;
}

/** One thing that the world saw. */
interface Sight {
  readonly what: string;
  readonly at: number;
  /** The line that it depends on; undefined when the journal has none. */
  readonly line: JournalLine | undefined;
}

/** A printed line: the begin of an attempt, its end, the end of the run. */
const PRINTED_BEGIN = /^▸ (\S+): /;
const PRINTED_END = /^[✓✗] (\S+) /;
const PRINTED_RUN = /^(?:\S+ {2}(?:completed|failed)$|\{"run_id":)/;

/** Looks at all calls of `taffrail` and its children. `nodeOf` tells which node a command line is. */
export function checkWriteAhead(
  calls: readonly SystemCall[],
  nodeOf: (commandLine: readonly string[]) => string | undefined,
): WriteAheadFindings {
  const journal = new Journal(calls);
  const spawned = spawnsIn(calls, nodeOf, journal);
  const told = toldIn(calls, journal);
  const printed = printedIn(calls, journal);
  const tooEarly = [...spawned, ...told, ...printed]
    .filter(({ at, line }) => line === undefined || line.synced > at)
    .map(({ what, line }) =>
      line === undefined
        ? `${what}: the journal has no line for it`
        : `${what}: its line of the journal was not on disk: ${JSON.stringify(line.record)}`
    );
  return {
    tooEarly,
    seen: { spawned: spawned.length, told: told.length, printed: printed.length },
  };
}

/** The lines of the journal, by the node that they are about. */
class Journal {
  readonly #begins = new Map<string, JournalLine[]>();
  readonly #ends = new Map<string, JournalLine[]>();
  /** The line that ends the run. */
  ended: JournalLine | undefined;
  /** The line before that: with it all that the end of the run is about. */
  beforeEnd: JournalLine | undefined;

  constructor(calls: readonly SystemCall[]) {
    const nodes = new Map<unknown, string>();
    const lines = journalLines(calls);
    for (const [index, line] of lines.entries()) {
      const { type, episode_id, decision, event_id, origin_event_id, end } = line.record;
      if (type === "decision" && decision === "Invoke") {
        const node = String(origin_event_id ?? event_id).replace(/#\d+$/, "");
        nodes.set(episode_id, node);
        append(this.#begins, node, line);
      }
      if (type === "completion") {
        const node = nodes.get(episode_id) ?? "";
        // An attempt that was ended before its work began is none, and told to nobody.
        const isNone = (end as { begun?: boolean } | undefined)?.begun === false;
        if (isNone) this.#begins.get(node)?.pop();
        else append(this.#ends, node, line);
      }
      if (type === "ended") [this.beforeEnd, this.ended] = [lines[index - 1], line];
    }
  }

  /** The decision of the `index`-th attempt at a node. */
  begin(node: string, index: number): JournalLine | undefined {
    return this.#begins.get(node)?.[index];
  }

  /** The end of the `index`-th attempt at a node. */
  end(node: string, index: number): JournalLine | undefined {
    return this.#ends.get(node)?.[index];
  }
}

function append<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}

function journalLines(calls: readonly SystemCall[]): JournalLine[] {
  const ofJournal = calls.filter((call) => pathOf(call)?.endsWith("/capture.jsonl"));
  const syncs = ofJournal.filter(isSync);
  return linesIn(ofJournal).map(({ text, call }) => {
    const synced = syncs.filter(({ began }) => began > call.ended).map(({ ended }) => ended);
    return { record: JSON.parse(text), synced: Math.min(Infinity, ...synced) };
  });
}

/** The whole lines that calls wrote, each with the call that ended it. */
function linesIn(calls: readonly SystemCall[]): { text: string; call: SystemCall }[] {
  let rest = "";
  return calls.flatMap((call) => {
    const lines = (rest + (writtenText(call) ?? "")).split("\n");
    rest = lines.pop()!;
    return lines.map((text) => ({ text, call }));
  });
}

/** Counts by name, from 0. */
class Counter {
  readonly #counts = new Map<string, number>();

  /** How often the name was counted before. */
  next(name: string): number {
    const count = this.#counts.get(name) ?? 0;
    this.#counts.set(name, count + 1);
    return count;
  }

  /** How often it will have been counted before the next time. */
  peek(name: string): number {
    return this.#counts.get(name) ?? 0;
  }
}

function spawnsIn(
  calls: readonly SystemCall[],
  nodeOf: (commandLine: readonly string[]) => string | undefined,
  journal: Journal,
): Sight[] {
  const attempts = new Counter();
  // The first one started the run itself.
  return calls.slice(1).filter(({ name }) => name === "execve").flatMap((call) => {
    const node = nodeOf(commandLineOf(call));
    if (node === undefined) return [];
    // What was not found in one folder of PATH is looked for in the next: that is one attempt.
    const index = call.result === 0 ? attempts.next(node) : attempts.peek(node);
    const what = `attempt ${index + 1} of ${node} was spawned`;
    return [{ what, at: call.began, line: journal.begin(node, index) }];
  });
}

function toldIn(calls: readonly SystemCall[], journal: Journal): Sight[] {
  const begins = new Counter();
  const ends = new Counter();
  const ofLog = calls.filter((call) => /\/runs\/[^/]+\/events\.jsonl$/.test(pathOf(call) ?? ""));
  return linesIn(ofLog).flatMap(({ text, call: { began: at } }) => {
    const { type, node_id: node, reason } = JSON.parse(text);
    const what = `the log was told ${type} ${node ?? ""}`.trimEnd();
    if (type === "node.started") {
      return [{ what, at, line: journal.begin(node, begins.next(node)) }];
    }
    if (/^node\.(completed|failed)$/.test(type)) {
      return [{ what, at, line: journal.end(node, ends.next(node)) }];
    }
    // The end of the run is appended to journal and log and both are synced then: it claims nothing but
    // what stands before it. That the journal itself failed claims nothing at all.
    if (type === "pipe.completed" || (type === "pipe.aborted" && reason !== "sync")) {
      return [{ what, at, line: journal.beforeEnd }];
    }
    return [];
  });
}

function printedIn(calls: readonly SystemCall[], journal: Journal): Sight[] {
  const begins = new Counter();
  const ends = new Counter();
  const [first] = calls;
  const commands = new Set(
    calls.filter((call) => call.name === "execve" && call.result === 0 && call !== first)
      .map(({ pid }) => pid),
  );
  const own = calls.filter((call) => !commands.has(call.pid));
  return [1, 2].flatMap((descriptor) =>
    linesIn(own.filter((call) => descriptorOf(call) === descriptor))
  ).toSorted((a, b) => a.call.began - b.call.began).flatMap(({ text, call: { began: at } }) => {
    const what = `"${text.slice(0, 60)}" was printed`;
    const begun = PRINTED_BEGIN.exec(text)?.[1];
    if (begun !== undefined) return [{ what, at, line: journal.begin(begun, begins.next(begun)) }];
    const ended = PRINTED_END.exec(text)?.[1];
    if (ended !== undefined) return [{ what, at, line: journal.end(ended, ends.next(ended)) }];
    return PRINTED_RUN.test(text) ? [{ what, at, line: journal.ended }] : [];
  });
}
