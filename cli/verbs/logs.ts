import type { RunFold } from "../../eventlog/derive_run_state.ts";
import { attemptChange } from "../../eventlog/attempt_change.ts";
import { defined } from "../../_internal/errors.ts";
import { encodeUtf8 } from "../../_internal/text.ts";
import type { NodeCompleted, RunEvent } from "../../eventlog/run_event.ts";
import { attemptKey } from "../../run/attempt_key.ts";
import type { NodeAttempt, OutputRef, RunView } from "../../run/types.ts";
import { optionError, UsageError } from "../exit_codes.ts";
import { wait } from "../process/end_processes.ts";
import { type OutputOf, type OutputPiece, RunOutputs } from "../reading/attempt_outputs.ts";
import { findReadableRun } from "../reading/find_run.ts";
import { isRedacted, openRoot } from "../reading/open_root.ts";
import { readRunHistory } from "../reading/run_history.ts";
import { eventProblem } from "../../run/engine/run_log.ts";
import {
  decodeLoosely,
  LineSplitter,
  OutputLabels,
  type OutputLine,
} from "../text/output_lines.ts";
import { listed, printableLine, quoted } from "../text/printable.ts";
import { Reader, READER_GONE_CODE } from "../text/reader.ts";
import { Screen } from "../text/screen.ts";
import { parseCountOption } from "../text/units.ts";
import { numberOption, type OptionTable, readArguments, type Verb } from "../text/arguments.ts";

const OPTIONS = {
  follow: {
    letter: "f",
    text: "go on with what comes, until nobody works on the run any more, or nobody reads it",
  },
  attempt: { value: "N", text: "only of attempt N" },
  tail: { value: "N", text: "only the last N lines of what is there" },
  stdout: { text: "only this output" },
  stderr: { text: "only this output" },
} as const satisfies OptionTable;

/** `taffrail logs`: prints what the commands of a run printed. */
export const logsVerb: Verb = {
  summary: "print what the commands of a run printed",
  help: {
    about: `Prints what the commands of a run printed, or the one of a node: whole lines,
each behind its node, in the order in which they came, of both outputs. Behind
"build | " stands what build printed to its standard output, behind "build ! "
to its standard error; "build#2 | " is the second attempt. What would steer a
terminal is taken out. A step of a durable program has what it gave for its
output, as JSON in a line. Where the middle of an output was not kept, for
--max-output, a line says how much is missing. The files that "output" of
taffrail show --json names have the bytes as they were. RUN is the id of a run,
its beginning where no other begins so, or the name of a flow for its newest
run.`,
    usage: ["[options] RUN [NODE]"],
    options: OPTIONS,
    operands: ["RUN", "NODE"],
    exitCodes: `0 it is printed, whatever became of the run, 1 there is no such run, node or
attempt, or something of it cannot be read, 2 called wrongly, 141 nobody reads
it any more, as a shell says it.`,
    json: `one JSON object a line: { "node", "attempt", "stream", "at", "text" }, where
stream is "out", "err" or "result" and at is when the end of the line came, null
where that was not kept; with "continued": true the next one goes on with the
same line. Instead of "text" there is "missing", a number of bytes, where they
were not kept.`,
  },

  async run(args) {
    const { root, json, options, operands } = readArguments("logs", args, OPTIONS);
    const [operand, node, ...more] = operands;
    if (operand === undefined || more.length > 0) {
      throw new UsageError(
        "taffrail logs takes a run and perhaps a node; see taffrail logs --help",
      );
    }
    if (options.stdout && options.stderr) {
      throw new UsageError("Give --stdout or --stderr, or neither for both");
    }
    const attempt = numberOption(options, "attempt", parseCountOption);
    if (attempt === 0) throw optionError("attempt", "0", "the first one is 1");
    const tail = numberOption(options, "tail", parseCountOption);
    await using runs = await openRoot(root);
    const runId = await findReadableRun({ root, runs }, operand);
    const streams = options.stdout
      ? ["out"] as const
      : options.stderr
      ? ["err"] as const
      : undefined;
    const wanted = { node, attempt, streams };
    const logs = new Logs(runs.view(runId), { wanted, json, tail });
    return await logs.print({ follow: options.follow ?? false });
  },
};

/** What is to be printed. */
interface Wanted {
  node: string | undefined;
  attempt: number | undefined;
  streams: readonly ("out" | "err")[] | undefined;
}

/** How often to look what has come. */
const LOOK_MS = 100;
const LOOKS_PER_HOLDER = 10;

/** What a step of a program gave. */
interface GivenResult extends NodeAttempt {
  atMs: number;
  end: { result?: unknown; result_hash?: string };
}

/** The outputs of a run, and how far they were printed. */
class Logs {
  readonly #view: RunView;
  readonly #wanted: Wanted;
  readonly #outputs: RunOutputs;
  readonly #options: { json: boolean; tail: number | undefined };
  readonly #screen = new Screen(Deno.stdout);
  /** Results of steps that have come and are to be printed. */
  readonly #given: GivenResult[] = [];
  /** Those of which the results were printed: the journal tells of them before the log. */
  readonly #told = new Set<string>();

  constructor(
    view: RunView,
    { wanted, ...options }: { wanted: Wanted; json: boolean; tail: number | undefined },
  ) {
    this.#view = view;
    this.#wanted = wanted;
    this.#options = options;
    this.#outputs = new RunOutputs(view, wanted.streams);
  }

  /** Prints what is there, and with `follow` what comes, and returns the exit code. */
  async print({ follow }: { follow: boolean }): Promise<number> {
    // Asked first: what a run that ends in between has printed is then read to its end.
    const isLive = await this.#view.holder() !== undefined;
    const { fold, lastSeq, program } = await readRunHistory(this.#view);
    const nodeIds = Array.from(fold.nodes(), ({ id }) => id);
    this.#check(fold, nodeIds, { isLive });
    for (const id of nodeIds) this.#takeAttempts(fold, id);
    if (!isLive) this.#outputs.leave();
    const { node } = this.#wanted;
    const labels = new OutputLabels(this.#screen, node === undefined ? nodeIds : [node]);
    const { json, tail } = this.#options;
    const printer = new LinePrinter(this.#screen, { labels, json, tail });
    using reader = new Reader(this.#screen);
    await this.#printPieces(printer, reader);
    for (const { nodeId, attempt, at, end } of program?.ends ?? []) {
      await this.#printResult(printer, { nodeId, attempt, atMs: at, end });
      if (this.#screen.isUnread && reader.look()) break;
    }
    printer.endTail();
    if (follow && isLive) await this.#follow(fold, { after: lastSeq, printer, reader });
    if (reader.look()) return READER_GONE_CODE;
    const { runId } = this.#view;
    if (await isRedacted(this.#view)) {
      this.#note(`${runId}: it was redacted, so that what it printed and gave is left out`);
    } else if (!printer.hasPrinted) this.#note(`${runId}: nothing was printed`);
    return printer.hasLacked ? 1 : 0;
  }

  /** A node or an attempt that is not there is an error, unless it may still come. */
  #check(fold: RunFold, nodeIds: readonly string[], { isLive }: { isLive: boolean }): void {
    const { node, attempt } = this.#wanted;
    if (node === undefined) return;
    const { runId } = this.#view;
    if (!nodeIds.includes(node)) {
      const known = nodeIds.length === 0 ? "it has none" : `it has ${listed(nodeIds)}`;
      throw new Error(`Cannot find node ${quoted(node)} in run ${runId}: ${known}`);
    }
    if (attempt === undefined || isLive || fold.attemptOf(node, attempt) !== undefined) return;
    const count = fold.attemptsOf(node).length;
    throw new Error(
      `Cannot find attempt ${attempt} of node ${node} in run ${runId}: there were ${count}`,
    );
  }

  #takeAttempts(fold: RunFold, nodeId: string): void {
    const { node, attempt: only } = this.#wanted;
    if (node !== undefined && node !== nodeId) return;
    for (const info of fold.attemptsOf(nodeId)) {
      const { attempt, started_ts: startedTs } = info;
      if (!Number.isSafeInteger(attempt) || (only !== undefined && only !== attempt)) continue;
      const startedMs = Date.parse(startedTs ?? "") || 0;
      this.#outputs.take({ nodeId, attempt, startedMs }, info);
    }
  }

  async #printPieces(printer: LinePrinter, reader: Reader): Promise<void> {
    using _batch = this.#screen.batch();
    for await (const piece of this.#outputs.pieces()) {
      printer.piece(piece);
      if (this.#screen.isUnread && reader.look()) return;
    }
  }

  /** What a step of a program gave is all that it prints: JSON, in a line. */
  async #printResult(
    printer: LinePrinter,
    { nodeId, attempt, atMs, end }: GivenResult,
  ): Promise<void> {
    const { node, attempt: only, streams } = this.#wanted;
    if (streams !== undefined || (node !== undefined && node !== nodeId)) return;
    if (only !== undefined && only !== attempt) return;
    const key = attemptKey({ nodeId, attempt });
    if (this.#told.has(key)) return;
    this.#told.add(key);
    const of = { nodeId, attempt, stream: "result" } as const;
    const bytes = end.result_hash === undefined
      ? end.result === undefined ? new Uint8Array() : encodeUtf8(JSON.stringify(end.result))
      : await this.#view.output(of);
    printer.result(of, atMs, bytes);
  }

  /** Goes on until nobody works on the run, or nobody reads. */
  async #follow(
    fold: RunFold,
    { after, printer, reader }: { after: number; printer: LinePrinter; reader: Reader },
  ): Promise<void> {
    let seq = after;
    let isLive = true;
    for (let looks = 1; isLive && !reader.look(); looks++) {
      await wait(LOOK_MS, reader.gone);
      // Whether somebody works on it takes longest to find out, while somebody does.
      const mayBeOver = fold.run.state !== "Running" || looks % LOOKS_PER_HOLDER === 0;
      isLive = !mayBeOver || await this.#view.holder() !== undefined;
      seq = await this.#takeEvents(fold, seq);
      if (!isLive) this.#outputs.leave();
      await this.#printPieces(printer, reader);
      for (const given of this.#given.splice(0)) await this.#printResult(printer, given);
    }
  }

  /** Takes the events behind a seq, and returns the last one. */
  async #takeEvents(fold: RunFold, after: number): Promise<number> {
    let seq = after;
    for (let hasMore = true; hasMore;) {
      const page = await this.#view.events.read({ after: seq, limit: 1000 });
      for (const { event } of page.events) this.#takeEvent(fold, event);
      seq = Math.max(seq, page.events.at(-1)?.seq ?? 0, page.gaps.at(-1)?.seq ?? 0);
      ({ hasMore } = page);
    }
    return seq;
  }

  #takeEvent(fold: RunFold, event: RunEvent): void {
    if (eventProblem(event) !== undefined) return;
    fold.take(event);
    const nodeId = attemptChange(event)?.node_id;
    if (nodeId === undefined) return;
    this.#takeAttempts(fold, nodeId);
    if (event.type !== "node.completed") return;
    const { output: result, result_hash, attempt = 1 } = event as NodeCompleted;
    const end = defined({ result, result_hash });
    this.#given.push({ nodeId, attempt, atMs: Date.parse(event.ts), end });
  }

  #note(text: string): void {
    new Screen(Deno.stderr).line(printableLine(text));
  }
}

/** Prints lines of outputs, as text or as JSON. */
class LinePrinter {
  /** Whether something was printed that is not there any more. */
  hasLacked = false;
  /** Whether there was a line to print. */
  hasPrinted = false;
  readonly #screen: Screen;
  readonly #labels: OutputLabels;
  readonly #json: boolean;
  /** Each result is whole. */
  readonly #results = new LineSplitter();
  /** The outputs that may have begun a line, and when the last of it came. */
  readonly #begun = new Map<string, { splitter: LineSplitter; atMs: number | undefined }>();
  /** The last lines of what is there, as long as that is read; undefined when all are printed. */
  #tail: { lines: string[]; most: number; next: number } | undefined;

  constructor(
    screen: Screen,
    { labels, json, tail }: { labels: OutputLabels; json: boolean; tail: number | undefined },
  ) {
    this.#screen = screen;
    this.#labels = labels;
    this.#json = json;
    if (tail !== undefined) this.#tail = { lines: [], most: tail, next: 0 };
  }

  /** Something was printed, or is missing. */
  piece(piece: OutputPiece): void {
    const { of, atMs } = piece;
    const key = `${of.attempt} ${of.stream} ${of.nodeId}`;
    if ("bytes" in piece) {
      const splitter = this.#begun.get(key)?.splitter ?? new LineSplitter();
      this.#begun.set(key, { splitter, atMs });
      for (const line of splitter.lines(piece.bytes)) this.#line(of, atMs, line);
      return;
    }
    if ("heldBack" in piece) return this.#note(of, "goes on; the rest is shown when it has ended");
    // What is missing, or nothing more, ends a line.
    const begun = this.#begun.get(key);
    for (const line of begun?.splitter.end() ?? []) this.#line(of, begun?.atMs, line);
    this.#begun.delete(key);
    if ("missing" in piece) this.#missing(of, atMs, piece.missing);
    if ("isGone" in piece) {
      this.hasLacked = true;
      this.#note(of, "is gone: taffrail verify tells more");
    }
  }

  /** A step has given something; `bytes`: undefined where it is gone. */
  result(of: OutputRef, atMs: number, bytes: Uint8Array | undefined): void {
    if (bytes === undefined) {
      this.hasLacked = true;
      const what = `what ${of.nodeId} gave in attempt ${of.attempt} is gone`;
      new Screen(Deno.stderr).line(printableLine(`${what}: taffrail verify tells more`));
      return;
    }
    for (const line of this.#results.lines(bytes)) this.#line(of, atMs, line);
    for (const line of this.#results.end()) this.#line(of, atMs, line);
  }

  /** Prints the last lines of what was there; all others come as they are. */
  endTail(): void {
    const tail = this.#tail;
    this.#tail = undefined;
    if (tail === undefined) return;
    using _batch = this.#screen.batch();
    const { lines, next } = tail;
    for (const line of [...lines.slice(next), ...lines.slice(0, next)]) this.#screen.line(line);
  }

  #line(of: OutputRef, atMs: number | undefined, { bytes, isContinued }: OutputLine): void {
    if (!this.#json) return this.#print(this.#labels.line(of, bytes));
    const continued = isContinued ? { continued: true } : {};
    this.#print(JSON.stringify({ ...place(of, atMs), text: decodeLoosely(bytes), ...continued }));
  }

  #missing(of: OutputOf, atMs: number | undefined, missing: number): void {
    if (this.#json) return this.#print(JSON.stringify({ ...place(of, atMs), missing }));
    const text = this.#screen.paint(`[taffrail: ${missing} bytes are missing]`, "yellow");
    this.#print(this.#labels.note(of, text));
  }

  #note({ nodeId, attempt, stream }: OutputOf, text: string): void {
    const what = `what ${nodeId} printed to std${stream} in attempt ${attempt} ${text}`;
    new Screen(Deno.stderr).line(printableLine(what));
  }

  #print(line: string): void {
    this.hasPrinted = true;
    const tail = this.#tail;
    if (tail === undefined) return this.#screen.line(line);
    if (tail.most === 0) return;
    tail.lines[tail.next] = line;
    tail.next = (tail.next + 1) % tail.most;
  }
}

function place({ nodeId, attempt, stream }: OutputRef, atMs: number | undefined) {
  const at = atMs === undefined ? null : new Date(atMs).toISOString();
  return { node: nodeId, attempt, stream, at };
}
