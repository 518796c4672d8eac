import { defined } from "../_internal/errors.ts";
import { isUlid } from "../_internal/root_layout.ts";
import { NumberTable, PackedValues } from "../_internal/text.ts";
import { attemptChange, numberOf, textOf } from "./attempt_change.ts";
import {
  type ErrorKind,
  isKnownRunEvent,
  type PipeAborted,
  type PipeCompleted,
  type PipeStarted,
  type RunEvent,
} from "./run_event.ts";
import type {
  AttemptChange,
  AttemptInfo,
  NodeInfo,
  PipeState,
  RunState,
  SittingSpan,
} from "./run_state.ts";

/**
 * Derives the state of a run from its events, and from nothing else (OST-3). Events of unknown
 * types count for the time only. A run that was gone on with behind its end runs again.
 *
 * @param events The events, in order; gaps are left out by the caller.
 * @param options `live`: whether somebody has the run open, as {@linkcode isLive} tells; a run
 * without a terminal event that is not live is an orphan.
 * @returns The state.
 *
 * @example Usage
 * ```ts
 * import { deriveRunState } from "@taffrail/taffrail/eventlog";
 * import { assertEquals } from "@std/assert";
 *
 * const base = { id: "01kpfntqeej7vhn935kc0tm9vp", ts: "2026-04-15T12:00:00Z", run_id: "ci-1" };
 * const state = deriveRunState([
 *   { ...base, type: "pipe.started", pipe: "ci", inputs: [], distro_version: "2.0.0" },
 *   { ...base, type: "node.started", node_id: "lint", kind: "command" },
 * ], { live: false });
 * assertEquals(state.state, "Running");
 * assertEquals(state.nodes[0]?.status, "Running");
 * assertEquals(state.is_orphan, true);
 * ```
 */
export function deriveRunState(
  events: Iterable<RunEvent>,
  options: { live?: boolean } = {},
): RunState {
  const fold = new RunFold();
  for (const event of events) fold.take(event);
  return fold.state(options);
}

/** What {@linkcode RunFold} keeps of a node, and of an attempt. */
const [LAST_ATTEMPT, TOLD_NUMBER, KIND, LAST_TS] = [0, 1, 2, 3];
const NODE_CELLS = 4;
const [NUMBER, STATUS, MESSAGE, STARTED, DURATION, EXIT_CODE, SIGNAL] = [0, 1, 2, 3, 4, 5, 6];
const [OUTPUT_HASH, ERROR_HASH, EARLIER] = [7, 8, 9];
const ATTEMPT_CELLS = 10;

/** A status is one of these, behind which come the kinds of failures; and what is in place of a row. */
const [RUNNING, COMPLETED, FAILED] = [0, 1, 2];
const NONE = -1;
/** In place of the digest of an output that was not recorded. */
const TO_TERMINAL = -1;

/**
 * All that the events of a run tell of it, taken one after the other: {@linkcode deriveRunState} is its
 * state, and besides that it knows every attempt. It is what everything that shows or goes on with a
 * run is built on, so that all of them understand a log in the same way.
 *
 * The state is what the last event of the run as a whole says: one that was gone on with runs again. What
 * tells of an attempt is taken by its node and number, never by its place: when a run is gone on with, the
 * begins and ends that the log lacked are written behind whatever it has. A node is what its attempt with
 * the highest number is.
 *
 * It keeps numbers, not objects: a million events take some 100 bytes each attempt and each node.
 *
 * @example How long each attempt at a node took
 * ```ts
 * import { RunFold } from "@taffrail/taffrail/eventlog";
 * import { assertEquals } from "@std/assert";
 *
 * const base = { id: "01kpfntqeej7vhn935kc0tm9vp", ts: "2026-04-15T12:00:00Z", run_id: "ci-1" };
 * const lint = { ...base, node_id: "lint", attempt: 1 };
 * const fold = new RunFold();
 * fold.take({ ...lint, type: "node.started", kind: "command" });
 * fold.take({ ...lint, type: "node.failed", error: { kind: "timeout" }, duration_ms: 50 });
 * fold.take({ ...lint, type: "node.started", kind: "command", attempt: 2 });
 * assertEquals(fold.attemptsOf("lint").map(({ duration_ms }) => duration_ms), [50, undefined]);
 * assertEquals(fold.state().nodes[0]?.status, "Running");
 * ```
 */
export class RunFold {
  readonly #run: Omit<RunState, "nodes" | "is_orphan"> = {
    run_id: "",
    pipe: "",
    state: "Running",
    last_ts: null,
  };
  readonly #rows = new Map<string, number>();
  readonly #nodes = new NumberTable(NODE_CELLS);
  readonly #names: (string | undefined)[] = [];
  readonly #attempts = new NumberTable(ATTEMPT_CELLS);
  /** What was left out of outputs, by the rows of the attempts: of few anything is. */
  readonly #cuts = new Map<
    number,
    Pick<AttemptInfo, "output_cut" | "error_cut" | "output_masked">
  >();
  readonly #values = new PackedValues();
  readonly #damaged: [first: number, last: number][] = [];
  readonly #spans: (SittingSpan | undefined)[] = [];
  /** Why nodes were skipped, of a run that has ended. */
  #skipped: ReadonlyMap<string, string> = new Map();
  /** Those that nothing else tells of: they are none any more once they are not skipped. */
  readonly #onlySkipped = new Set<string>();
  #startedTs: string | undefined;
  #sittings = 0;
  #sittingTs: string | undefined;
  #earlierMs = 0;
  #sittingMs = NaN;
  #lastEventId: string | undefined;

  /** The state of the run without its nodes. */
  get run(): Readonly<Omit<RunState, "nodes" | "is_orphan">> {
    return this.#run;
  }

  /** The time of the first event of a known type; undefined when there is none. */
  get startedTs(): string | undefined {
    return this.#startedTs;
  }

  /** Whether the begin of the run is among the events. */
  get hasBegun(): boolean {
    return this.#sittings > 0;
  }

  /** How often the run was begun or gone on with. */
  get sittings(): number {
    return this.#sittings;
  }

  /** When that happened last; undefined when there is no event of a known type. */
  get sittingTs(): string | undefined {
    return this.#sittingTs;
  }

  /**
   * How long the run was worked on, in milliseconds: the sum of its sittings, of which one that was cut off
   * counts to its last event. Undefined when it has no end, or that cannot be told.
   */
  get durationMs(): number | undefined {
    const milliseconds = this.#earlierMs + this.#sittingMs;
    return this.#run.state === "Running" || Number.isNaN(milliseconds) ? undefined : milliseconds;
  }

  /** The lines of the log that whoever went on with the run found damaged, from the first to the last. */
  get damaged(): readonly (readonly [first: number, last: number])[] {
    return this.#damaged;
  }

  /** The span of each sitting in a distributed trace; undefined where it had none. */
  get spans(): readonly (SittingSpan | undefined)[] {
    return this.#spans;
  }

  /** The id of the last event that has a ULID. */
  get lastEventId(): string | undefined {
    return this.#lastEventId;
  }

  /**
   * Takes the next event. No schema has seen it: what it lacks, in spite of its type, must not hide the
   * others, and a member that is of another type than it should be counts as missing.
   *
   * @param event The event; of an unknown type it counts for the time only.
   */
  take(event: RunEvent): void {
    const run = this.#run;
    const ts = textOf(event.ts);
    const lastTs = run.last_ts;
    if (run.run_id === "") run.run_id = textOf(event.run_id) ?? "";
    run.last_ts = ts ?? lastTs;
    if (typeof event.id === "string" && isUlid(event.id)) this.#lastEventId = event.id;
    if (!isKnownRunEvent(event)) return;
    this.#startedTs ??= ts;
    this.#sittingTs ??= ts;
    switch (event.type) {
      case "pipe.started":
        this.#begin(event, { ts, lastTs });
        break;
      case "pipe.completed":
        this.#end("Completed", event);
        break;
      case "pipe.aborted":
        this.#end({ Aborted: { reason: textOf(event.reason) ?? "" } }, event);
        break;
      default: {
        const change = attemptChange(event);
        if (change !== undefined) this.#takeAttempt(change, ts);
      }
    }
  }

  /**
   * The state of the run, as {@linkcode deriveRunState} gives it.
   *
   * @param options `live`: whether somebody has the run open.
   * @returns The state; it does not change any more.
   */
  state(options: { live?: boolean } = {}): RunState {
    const { run_id, pipe, state, last_ts } = this.#run;
    const isOrphan = state === "Running" && options.live === false;
    return { run_id, pipe, state, nodes: [...this.nodes()], is_orphan: isOrphan, last_ts };
  }

  /**
   * The nodes of the run, each made when it is asked for, so that many need no memory.
   *
   * @returns What {@linkcode RunFold.state} has as `nodes`.
   */
  *nodes(): Generator<NodeInfo, void> {
    for (const [id, node] of this.#rows) {
      const values = this.#values;
      const last = this.#nodes.get(node, LAST_ATTEMPT);
      if (last === NONE && this.#onlySkipped.has(id) && !this.#skipped.has(id)) continue;
      yield {
        id,
        ...defined({
          kind: values.text(this.#nodes.get(node, KIND)) as NodeInfo["kind"],
          status: last === NONE ? "Pending" as const : this.#statusOf(last),
          last_ts: unpackTime(values, this.#nodes.get(node, LAST_TS)),
          attempt: numberOf(this.#nodes.get(node, TOLD_NUMBER)),
          duration_ms: this.#lastDuration(last),
          skipped: this.#skipped.get(id),
        }),
      };
    }
  }

  /**
   * All attempts at a node.
   *
   * @param nodeId The node.
   * @returns Its attempts, by their numbers; none when it has not been started.
   */
  attemptsOf(nodeId: string): readonly AttemptInfo[] {
    return Array.from(this.#attemptRows(nodeId), (row) => this.#attemptInfo(row)).reverse();
  }

  /**
   * One attempt at a node.
   *
   * @param nodeId The node.
   * @param attempt Which, from 1.
   * @returns The attempt; undefined when nothing is told of it.
   */
  attemptOf(nodeId: string, attempt: number): AttemptInfo | undefined {
    for (const row of this.#attemptRows(nodeId)) {
      if (this.#attempts.get(row, NUMBER) === attempt) return this.#attemptInfo(row);
    }
    return undefined;
  }

  /**
   * What a node does, for people.
   *
   * @param nodeId The node.
   * @returns The name that its last attempt began with; undefined when none had one.
   */
  nameOf(nodeId: string): string | undefined {
    return this.#names[this.#rows.get(nodeId) ?? NONE];
  }

  #begin(
    event: PipeStarted,
    { ts, lastTs }: { ts: string | undefined; lastTs: string | null },
  ): void {
    const run = this.#run;
    if (this.#sittings > 0) {
      const wasCutOff = run.state === "Running";
      this.#earlierMs += wasCutOff
        ? Math.max(0, millisecondsBetween(this.#sittingTs, lastTs))
        : this.#sittingMs;
      this.#sittingTs = ts ?? this.#sittingTs;
    }
    this.#sittings++;
    this.#skipped = new Map();
    run.state = "Running";
    run.pipe = textOf(event.pipe) ?? run.pipe;
    if (Array.isArray(event.nodes)) {
      for (const id of event.nodes) {
        if (typeof id !== "string") continue;
        this.#rowOf(id);
        this.#onlySkipped.delete(id);
      }
    }
    this.#damaged.push(...damagedLines(event));
    const traceparent = textOf(event.traceparent);
    const parentSpanId = textOf(event.parent_span_id);
    this.#spans.push(
      traceparent === undefined ? undefined : {
        traceparent,
        ...defined({ parentSpanId }),
      },
    );
  }

  #end(state: PipeState, event: PipeCompleted | PipeAborted): void {
    const { ts, duration_ms: durationMs } = event;
    this.#run.state = state;
    this.#skipped = skippedNodes(event);
    for (const id of this.#skipped.keys()) {
      if (!this.#rows.has(id)) this.#onlySkipped.add(id);
      this.#rowOf(id);
    }
    this.#sittingMs = numberOf(durationMs) ??
      millisecondsBetween(this.#sittingTs, textOf(ts) ?? null);
  }

  /** A begin of what has begun, or has ended, changes nothing. */
  #takeAttempt(change: AttemptChange, ts: string | undefined): void {
    const { node_id: id, status, attempt: told, kind, name } = change;
    const [node, cells] = [this.#rowOf(id), this.#nodes];
    const isBegin = status === "Running";
    const last = cells.get(node, LAST_ATTEMPT);
    const lastNumber = last === NONE ? 0 : this.#attempts.get(last, NUMBER);
    const number = told ?? Math.max(1, isBegin ? lastNumber + 1 : lastNumber);
    const row = this.#attemptRow(node, number);
    const isLate = isBegin && this.#attempts.get(row, STATUS) !== RUNNING;
    this.#setAttempt(row, change);
    if (number < lastNumber) return;
    if (told !== undefined) cells.set(node, TOLD_NUMBER, told);
    if (kind !== undefined) cells.set(node, KIND, this.#values.ofText(kind));
    if (name !== undefined && name !== this.#names[node]) this.#names[node] = name;
    if (ts !== undefined && !isLate) cells.set(node, LAST_TS, packTime(this.#values, ts));
  }

  #rowOf(id: string): number {
    let row = this.#rows.get(id);
    if (row === undefined) {
      this.#rows.set(id, row = this.#nodes.add());
      this.#nodes.set(row, LAST_ATTEMPT, NONE);
    }
    return row;
  }

  /** The rows of the attempts at a node, from the highest number down. */
  *#attemptRows(nodeId: string): Generator<number, void> {
    const node = this.#rows.get(nodeId);
    if (node === undefined) return;
    let row = this.#nodes.get(node, LAST_ATTEMPT);
    for (; row !== NONE; row = this.#attempts.get(row, EARLIER)) yield row;
  }

  /** The row of an attempt, a new one where it has none. */
  #attemptRow(node: number, number: number): number {
    const cells = this.#attempts;
    let later = NONE;
    let row = this.#nodes.get(node, LAST_ATTEMPT);
    while (row !== NONE && cells.get(row, NUMBER) > number) {
      later = row;
      row = cells.get(row, EARLIER);
    }
    if (row !== NONE && cells.get(row, NUMBER) === number) return row;
    const added = cells.add();
    cells.set(added, NUMBER, number);
    cells.set(added, STATUS, RUNNING);
    cells.set(added, EARLIER, row);
    if (later === NONE) this.#nodes.set(node, LAST_ATTEMPT, added);
    else cells.set(later, EARLIER, added);
    return added;
  }

  #setAttempt(row: number, change: AttemptChange): void {
    const { status, started_ts: startedTs } = change;
    const [cells, values] = [this.#attempts, this.#values];
    const set = (cell: number, value: number | undefined) => {
      if (value !== undefined && !Number.isNaN(value)) cells.set(row, cell, value);
    };
    if (Number.isNaN(cells.get(row, STARTED))) set(STARTED, packTime(values, startedTs));
    if (status === undefined || status === "Running") return;
    if (status === "Completed") set(STATUS, COMPLETED);
    else {
      set(STATUS, FAILED + values.ofText(status.Failed.kind));
      set(MESSAGE, values.ofText(status.Failed.message));
    }
    set(DURATION, change.duration_ms);
    set(EXIT_CODE, change.exit_code);
    set(SIGNAL, values.ofText(change.signal));
    set(OUTPUT_HASH, change.terminal ? TO_TERMINAL : values.ofDigest(change.output_hash));
    set(ERROR_HASH, values.ofDigest(change.error_hash));
    const { output_cut, error_cut, output_masked } = change;
    const cut = defined({ output_cut, error_cut, output_masked });
    if (Object.keys(cut).length > 0) this.#cuts.set(row, cut);
  }

  #statusOf(row: number): AttemptInfo["status"] {
    const status = this.#attempts.get(row, STATUS);
    if (status === RUNNING) return "Running";
    if (status === COMPLETED) return "Completed";
    const kind = this.#values.text(status - FAILED) as ErrorKind;
    const message = this.#values.text(this.#attempts.get(row, MESSAGE));
    return { Failed: { kind, ...defined({ message }) } };
  }

  #attemptInfo(row: number): AttemptInfo {
    const [cells, values] = [this.#attempts, this.#values];
    const output = cells.get(row, OUTPUT_HASH);
    const isUnrecorded = output === TO_TERMINAL;
    return {
      attempt: cells.get(row, NUMBER),
      status: this.#statusOf(row),
      ...defined({
        started_ts: unpackTime(values, cells.get(row, STARTED)),
        duration_ms: numberOf(cells.get(row, DURATION)),
        exit_code: numberOf(cells.get(row, EXIT_CODE)),
        signal: values.text(cells.get(row, SIGNAL)),
        output_hash: isUnrecorded ? undefined : values.digest(output),
        error_hash: values.digest(cells.get(row, ERROR_HASH)),
        terminal: isUnrecorded || undefined,
      }),
      ...this.#cuts.get(row),
    };
  }

  /** How long the last of these attempts that has ended took. */
  #lastDuration(last: number): number | undefined {
    let row = last;
    while (row !== NONE && this.#attempts.get(row, STATUS) === RUNNING) {
      row = this.#attempts.get(row, EARLIER);
    }
    return row === NONE ? undefined : numberOf(this.#attempts.get(row, DURATION));
  }
}

/** A busy log has many events of one time. */
let lastPacked = { ts: "", number: 0 };

/** Milliseconds since 1970, and a half where the text has none; negative for a text of another form. */
function packTime(values: PackedValues, ts: string | undefined): number {
  if (ts === undefined) return NaN;
  if (ts === lastPacked.ts) return lastPacked.number;
  const number = Date.parse(ts) + (ts.includes(".") ? 0 : 0.5);
  if (!(number >= 0 && timeText(number) === ts)) return -1 - values.ofText(ts);
  lastPacked = { ts, number };
  return number;
}

function unpackTime(values: PackedValues, number: number): string | undefined {
  if (Number.isNaN(number)) return undefined;
  return number < 0 ? values.text(-1 - number) : timeText(number);
}

function timeText(number: number): string {
  const text = new Date(Math.floor(number)).toISOString();
  return Number.isInteger(number) ? text : `${text.slice(0, -".000Z".length)}Z`;
}

function millisecondsBetween(from: string | undefined, to: string | null): number {
  return Date.parse(to ?? "") - Date.parse(from ?? "");
}

/** The lines that whoever went on with a run found damaged; what is no pair of numbers is left out. */
export function damagedLines({ damaged }: PipeStarted): [first: number, last: number][] {
  if (!Array.isArray(damaged)) return [];
  return damaged.filter((lines) => {
    return Array.isArray(lines) && lines.length === 2 && lines.every(Number.isSafeInteger);
  });
}

/** The nodes that were skipped, by the end of their run; what is no text is left out. */
function skippedNodes({ skipped }: { skipped?: unknown }): ReadonlyMap<string, string> {
  if (typeof skipped !== "object" || skipped === null) return new Map();
  const reasons: [id: string, reason: unknown][] = Object.entries(skipped);
  return new Map(
    reasons.filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}
