/**
 * What its two records tell of a run together: its log, and its capture journal, which is written first.
 *
 * What is always true:
 * - What the log says stands. From the journal comes what the log lacks: ends of attempts that it has as
 *   running or not at all, attempts that are or may be at work, and the begin and end of a sitting. What
 *   the log cannot hold comes from the journal alone: why nodes wait, waits, and records of the program.
 * - The two may be taken in any order, and each goes on to be taken while the run is at work. Whoever takes
 *   the log first needs the least memory; whoever reads it first sees a journal that is never behind it.
 * - Nothing is kept of an attempt besides what the fold keeps, once both have its end.
 */
import { defined, isObject } from "../_internal/errors.ts";
import { attemptChange, RunFold } from "../eventlog/derive_run_state.ts";
import type { RunEvent } from "../eventlog/run_event.ts";
import type {
  AttemptChange,
  AttemptInfo,
  NodeInfo,
  PipeState,
  RunState,
} from "../eventlog/run_state.ts";
import type {
  Constraints,
  DecisionNumbers,
  DecisionReason,
  RunTermination,
} from "../supervisor/types.ts";
import { attemptKey, errorKindOf } from "./attempt_key.ts";
import type { NodeAttempt } from "./types.ts";

/** Why a node had to wait before an attempt at it. */
export interface Deferral {
  /** What stood in its way. */
  reason: DecisionReason;
  /** The numbers behind that. */
  numbers: DecisionNumbers;
  /** When it is looked at again; left out when that does not depend on time. */
  until_ts?: string;
  /** How many times in a row that was decided for this reason; the rest is of the last time. */
  times: number;
}

/** Something that waits, or has waited: for a time, or for somebody to pass a gate. */
export interface Wait {
  /** What waits. */
  id: string;
  /** What for. */
  kind: "sleep" | "gate";
  /** Until when at the latest. */
  until_ts?: string;
  /** How that ended; left out as long as it waits. */
  how?: "passed" | "denied" | "due" | "timeout";
  /** What whoever passed the gate gave. */
  value?: unknown;
  /** Who that was. */
  by?: string;
}

/** The end of a run as the journal has it. */
export interface JournalEnd {
  /** When. */
  ts?: string;
  /** How. */
  state: PipeState;
  /** The node or step that failed first. */
  failed?: string;
  /** What was not begun, each with the reason. */
  skipped?: Record<string, string>;
  /** What the run gave. */
  output?: unknown;
}

/** What the log lacks of what the journal has. */
export interface MissingEvents {
  /** Whether the run was gone on with, and the log does not say so. */
  started: boolean;
  /** Attempts whose begin it lacks. */
  begins: NodeAttempt[];
  /** Attempts whose end it lacks. */
  ends: NodeAttempt[];
  /** Whether the end of the run is missing. */
  ended: boolean;
}

/** What the journal has of an attempt that the log does not have. */
interface Untold extends NodeAttempt {
  /** When it began, as far as the journal has that. */
  startedTs?: string;
}

/** One fold over the log and the capture journal of a run. */
export class RunHistory {
  readonly #fold = new RunFold();
  /** Attempts that have begun by the journal, and whose begin the log lacks. */
  readonly #begins = new Map<string, Untold>();
  /** Attempts of these that have no end. */
  readonly #open = new Map<string, Map<number, Untold>>();
  /** Attempts whose end the log lacks. */
  readonly #ends = new Map<string, Untold>();
  /** By episode that is not over, the event that it was made for. */
  readonly #episodes = new Map<number, string>();
  /** By event, the number of its first attempt, where that is not 1. */
  readonly #firstAttempts = new Map<string, number>();
  readonly #deferrals = new Map<string, Deferral[]>();
  readonly #deferred = new Set<string>();
  readonly #waits: Wait[] = [];
  readonly #records = new Map<string, { ts?: string; data: unknown }>();
  #limits: Constraints | undefined;
  #sittings = 0;
  /** The sitting whose end the journal had last. */
  #endedSitting = 0;
  #ended: JournalEnd | undefined;

  /** What both tell of attempts, and the log of the run as a whole. */
  get fold(): RunFold {
    return this.#fold;
  }

  /** The limits that the supervisor keeps to; undefined when the journal has not begun. */
  get limits(): Constraints | undefined {
    return this.#limits;
  }

  /** The end of the run in the journal; undefined when it has none, or was gone on with since. */
  get ended(): JournalEnd | undefined {
    return this.#ended;
  }

  /** Everything that waits or has waited, in order. */
  get waits(): readonly Wait[] {
    return this.#waits;
  }

  /** What the program itself has recorded, by id. */
  get records(): ReadonlyMap<string, { ts?: string; data: unknown }> {
    return this.#records;
  }

  /** What the log lacks; undefined when it lacks nothing. */
  get missing(): MissingEvents | undefined {
    const [begins, ends] = [this.#begins, this.#ends].map((untold) => {
      return Array.from(untold.values(), ({ nodeId, attempt }) => ({ nodeId, attempt }));
    }) as [NodeAttempt[], NodeAttempt[]];
    const state = this.#state();
    const logged = this.#fold.run.state;
    const started = state === "Running" && logged !== "Running";
    const ended = state !== "Running" && logged === "Running";
    const isBehind = started || ended || begins.length + ends.length > 0;
    return isBehind ? { started, begins, ends, ended } : undefined;
  }

  /** Whether the log lacks anything that the journal has. */
  get isBehind(): boolean {
    return this.missing !== undefined;
  }

  /** Takes the next event of the log. */
  take(event: RunEvent): void {
    this.#fold.take(event);
    if (this.#begins.size + this.#ends.size === 0) return;
    const change = attemptChange(event);
    if (change?.status === undefined || change.attempt === undefined) return;
    const attempt = { nodeId: change.node_id, attempt: change.attempt };
    this.#close(attempt);
    const untold = change.status === "Running" ? this.#begins : this.#ends;
    untold.delete(attemptKey(attempt));
  }

  /**
   * Takes the next line of the journal, as the object that its JSON is. What is of a type that is not known,
   * or lacks what a line of its type has, says nothing here: whoever needs the journal whole checks it.
   */
  takeLine(line: unknown): void {
    if (!isObject(line)) return;
    switch (line.type) {
      case "session":
        this.#episodes.clear();
        this.#sittings++;
        if (isObject(line.config)) this.#limits = line.config as unknown as Constraints;
        break;
      case "resumed":
        this.#sittings++;
        this.#ended = undefined;
        break;
      case "event":
        if (typeof line.event_id !== "string" || typeof line.first_attempt !== "number") break;
        if (line.first_attempt !== 1) this.#firstAttempts.set(line.event_id, line.first_attempt);
        break;
      case "decision":
        this.#decide(line);
        break;
      case "completion":
        this.#complete(line);
        break;
      case "ended":
        this.#endedSitting = this.#sittings;
        this.#ended = journalEnd(line);
        break;
      default:
        this.#note(line);
    }
  }

  /** The state of the run, as both together tell it. `live`: whether somebody has the run open. */
  state(options: { live?: boolean } = {}): RunState {
    const { run_id, pipe, last_ts } = this.#fold.run;
    const state = this.#state();
    const isOrphan = state === "Running" && options.live === false;
    return { run_id, pipe, state, nodes: [...this.nodes()], is_orphan: isOrphan, last_ts };
  }

  /** The nodes, each made when it is asked for. */
  *nodes(): Generator<NodeInfo, void> {
    const others = new Map(this.#open);
    for (const info of this.#fold.nodes()) {
      others.delete(info.id);
      yield this.#withOpen(info);
    }
    for (const id of others.keys()) yield this.#withOpen({ id, status: "Pending" });
  }

  /** All attempts at a node, by their numbers. */
  attemptsOf(nodeId: string): readonly AttemptInfo[] {
    const known = this.#fold.attemptsOf(nodeId);
    const open = this.#open.get(nodeId);
    if (open === undefined) return known;
    const more = Array.from(open.values(), ({ attempt, startedTs }): AttemptInfo => {
      return { attempt, status: "Running", ...defined({ started_ts: startedTs }) };
    });
    return [...known, ...more].sort((a, b) => a.attempt - b.attempt);
  }

  /** Why a node had to wait, in order. */
  deferralsOf(nodeId: string): readonly Deferral[] {
    return this.#deferrals.get(nodeId) ?? [];
  }

  /** Whether a node waits now, for the last of these reasons. */
  isDeferred(nodeId: string): boolean {
    return this.#deferred.has(nodeId);
  }

  /** The log's word, but for a begin or an end of a sitting that it does not have. */
  #state(): PipeState {
    const { run: { state }, sittings } = this.#fold;
    if (state === "Running") {
      return this.#ended !== undefined && sittings <= this.#sittings ? this.#ended.state : state;
    }
    const isGoneOnWith = this.#ended === undefined && this.#endedSitting > 0 &&
      sittings < this.#sittings;
    return isGoneOnWith && state !== "Completed" ? "Running" : state;
  }

  #withOpen(info: NodeInfo): NodeInfo {
    const open = this.#open.get(info.id);
    if (open === undefined) return info;
    const last = Math.max(...open.keys());
    if (last < (info.attempt ?? 0)) return info;
    const startedTs = open.get(last)?.startedTs;
    return { ...info, status: "Running", attempt: last, ...defined({ last_ts: startedTs }) };
  }

  #attemptOf(eventId: string, number: number): NodeAttempt {
    const first = this.#firstAttempts.get(eventId) ?? 1;
    return { nodeId: nodeOfEvent(eventId), attempt: first + number - 1 };
  }

  #decide(line: Record<string, unknown>): void {
    const { decision, episode_id: episode, origin_event_id: eventId, retry_count: retries } = line;
    if (typeof eventId !== "string" || typeof episode !== "number") return;
    const nodeId = nodeOfEvent(eventId);
    if (decision === "Defer") {
      this.#episodes.set(episode, eventId);
      this.#deferred.add(nodeId);
      return this.#defer(nodeId, line);
    }
    this.#deferred.delete(nodeId);
    if (decision === "Finish" || decision === "Skip") this.#episodes.delete(episode);
    if (decision === "Skip" && line.reason !== "withdrawn") this.#defer(nodeId, line);
    if (decision !== "Invoke" || typeof retries !== "number") return;
    this.#episodes.set(episode, eventId);
    const attempt = this.#attemptOf(eventId, retries + 1);
    if (this.#fold.attemptOf(nodeId, attempt.attempt) !== undefined) return;
    const { numbers } = line;
    const startedTs = isObject(numbers) ? timeText(numbers.now) : undefined;
    const untold = { ...attempt, ...defined({ startedTs }) };
    this.#begins.set(attemptKey(attempt), untold);
    const open = this.#open.get(nodeId) ?? new Map<number, Untold>();
    this.#open.set(nodeId, open.set(attempt.attempt, untold));
  }

  #defer(nodeId: string, line: Record<string, unknown>): void {
    const { reason, numbers, schedule_at: until } = line;
    if (typeof reason !== "string" || !isObject(numbers)) return;
    const deferrals = this.#deferrals.get(nodeId) ?? [];
    const last = deferrals.at(-1);
    const isAgain = last?.reason === reason;
    const deferral: Deferral = {
      reason: reason as DecisionReason,
      numbers: numbers as unknown as DecisionNumbers,
      ...defined({ until_ts: timeText(until) }),
      times: isAgain ? last.times + 1 : 1,
    };
    deferrals[deferrals.length - (isAgain ? 1 : 0)] = deferral;
    this.#deferrals.set(nodeId, deferrals);
  }

  #complete(line: Record<string, unknown>): void {
    const { episode_id: episode, attempt: number, termination, at } = line;
    const eventId = typeof episode === "number" ? this.#episodes.get(episode) : undefined;
    if (eventId === undefined || typeof number !== "number" || !isTermination(termination)) return;
    const attempt = this.#attemptOf(eventId, number);
    const key = attemptKey(attempt);
    const end = isObject(line.end) ? line.end : {};
    this.#close(attempt);
    // It was none: its number is given again.
    if (end.begun === false) return void this.#begins.delete(key);
    const logged = this.#fold.attemptOf(attempt.nodeId, attempt.attempt);
    if (logged !== undefined && logged.status !== "Running") return;
    const untold = this.#begins.get(key) ?? attempt;
    this.#ends.set(key, untold);
    const change = endChange(untold, { termination, end });
    this.#fold.takeAttempt(change, timeText(at));
  }

  /** An attempt is none any more that only the journal knows, and that may be at work. */
  #close({ nodeId, attempt }: NodeAttempt): void {
    const open = this.#open.get(nodeId);
    open?.delete(attempt);
    if (open?.size === 0) this.#open.delete(nodeId);
  }

  /** What depends on no decision. */
  #note(line: Record<string, unknown>): void {
    const { type, id, kind, how, by, value } = line;
    if (typeof id !== "string") return;
    if (type === "record") {
      this.#records.set(id, { ...defined({ ts: timeText(line.at) }), data: line.data });
    } else if (type === "wait" && (kind === "sleep" || kind === "gate")) {
      this.#waits.push({ id, kind, ...defined({ until_ts: timeText(line.until) }) });
    } else if (type === "waited") {
      const wait = this.#waits.findLast((each) => each.id === id && each.how === undefined);
      if (wait === undefined || !isHow(how)) return;
      Object.assign(wait, { how }, defined({ value, by: typeof by === "string" ? by : undefined }));
    }
  }
}

/** The node that an event asks for: its id, and from the second time on which time it is. */
function nodeOfEvent(eventId: string): string {
  return eventId.replace(/#\d+$/, "");
}

function isTermination(value: unknown): value is RunTermination {
  return value === "Completed" || value === "TimedOut" || value === "Aborted" ||
    (isObject(value) && typeof value.Failed === "string");
}

const HOWS: ReadonlySet<unknown> = new Set(["passed", "denied", "due", "timeout"]);

function isHow(how: unknown): how is NonNullable<Wait["how"]> {
  return HOWS.has(how);
}

/** The end of an attempt as the log would have it. */
function endChange(
  { nodeId, attempt, startedTs }: Untold,
  { termination, end }: { termination: RunTermination; end: Record<string, unknown> },
): AttemptChange {
  const { error } = end;
  const message = isObject(error) ? textOf(error.message) : undefined;
  const status: AttemptInfo["status"] = termination === "Completed" ? "Completed" : {
    Failed: { kind: errorKindOf(termination), ...defined({ message: message || undefined }) },
  };
  return {
    node_id: nodeId,
    attempt,
    status,
    ...defined({
      started_ts: startedTs,
      duration_ms: numberOf(end.duration_ms),
      exit_code: termination === "Completed" ? 0 : numberOf(end.exit_code),
      signal: textOf(end.signal),
      output_hash: textOf(end.output_hash),
      error_hash: textOf(end.error_hash),
    }),
  };
}

function journalEnd(line: Record<string, unknown>): JournalEnd {
  const { at, state, reason, failed, skipped, output } = line;
  return {
    state: state === "Completed" ? "Completed" : { Aborted: { reason: textOf(reason) ?? "" } },
    ...defined({
      ts: timeText(at),
      failed: textOf(failed),
      skipped: isObject(skipped) ? skipped as Record<string, string> : undefined,
      output,
    }),
  };
}

const LATEST_MS = 8.64e15;

/** A time of the journal as the log has times. */
function timeText(time: unknown): string | undefined {
  if (!isObject(time)) return undefined;
  const { secs, nanos } = time;
  if (typeof secs !== "number" || typeof nanos !== "number") return undefined;
  const milliseconds = secs * 1000 + Math.floor(nanos / 1e6);
  return Math.abs(milliseconds) <= LATEST_MS ? new Date(milliseconds).toISOString() : undefined;
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}
