import type {
  EventLog,
  EventPage,
  FollowOptions,
  Gap,
  ReadOptions,
  StandardSchema,
  Stored,
} from "../eventlog/types.ts";
import type { GateMethod, RunEvent } from "../eventlog/run_event.ts";
import type { RunState } from "../eventlog/run_state.ts";
import type { RunPeek } from "../eventlog/read_run.ts";
import type { RunTermination } from "../supervisor/types.ts";
import type { AttemptQueue, JobSource, TraceParent } from "./attempt_queue.ts";

/** One attempt at a node of a run, however often that was resumed. */
export interface NodeAttempt {
  /** The node. */
  nodeId: string;
  /** Which attempt at it: the first of the run is 1. */
  attempt: number;
}

/** What is known of a run before it begins; it becomes `run.json`. */
export interface RunAbout {
  /** What is run: the name of a flow or a program. */
  name: string;
  /** Where it was begun. */
  cwd?: string;
  /** The command that goes on with it, where it is a program. */
  command?: readonly string[];
  /** The version of the program. */
  version?: string;
}

/** Who holds a run now. */
export interface RunHolder {
  /** The machine, where that is known. */
  host: string | undefined;
  /** The process; undefined where that is not known. */
  pid: number | undefined;
  /** Since when, as milliseconds since 1970; undefined where that is not known. */
  since: number | undefined;
  /**
   * Its {@linkcode HeldRun.token}, which a message that asks it to stop names; a list may leave it out. Undefined on
   * a root of files, whose holders are processes of this machine and are asked by a signal.
   */
  token?: bigint;
}

/** One run in a list of runs. */
export interface RunListing {
  /** The run. */
  runId: string;
  /** When it was made, as its `run.json` says it. */
  createdAt?: string;
  /** Who holds it. */
  holder?: RunHolder;
  /** Its first event. */
  first?: RunEvent;
  /** Its newest event. */
  last?: RunEvent;
  /** When its log was made and when it was written last, in milliseconds since 1970, where that is kept. */
  log?: { madeMs?: number; writtenMs?: number };
  /** What {@linkcode RunView.peek} gives; where it costs nothing also if it was not asked for. */
  peek?: RunPeek<RunEvent>;
  /** How many bytes it takes. */
  size?: number;
}

/**
 * What a list tells of each run besides its id: when it was created, who holds it, the ends of its log as
 * `first`, `last` and `log`, and what costs more, `peek` and `size`.
 */
export type ListingField = "created" | "holder" | "ends" | "peek" | "size";

/** Options of {@linkcode RunsRoot.list}. */
export interface ListOptions {
  /** Only runs whose ids begin so. */
  prefix?: string;
  /** Only runs behind this one, in the order that is asked for. */
  after?: string;
  /** Only these runs, as far as they are there. */
  runIds?: readonly string[];
  /**
   * How many runs a page has at most: up to 10,000.
   *
   * @default {100}
   */
  limit?: number;
  /**
   * Whether the greatest ids come first.
   *
   * @default {false}
   */
  newestFirst?: boolean;
  /**
   * What is told of each run.
   *
   * @default {["created", "holder", "ends"]}
   */
  fields?: readonly ListingField[];
}

/** What somebody leaves for the holder of a run, who may come later. */
export type InboxMessage =
  & {
    /** What tells this message from all others: the same one, left twice, counts once. */
    op: string;
    /** Who left it. */
    by?: string;
  }
  & (
    | {
      /** The gate that is passed, or with `denied` is not. */
      gate: string;
      /** What whoever waits at the gate gets. */
      value?: unknown;
      /** The gate is not passed. */
      denied?: true;
      /** By which way that is said; by a program where it is left out. */
      method?: GateMethod;
    }
    | {
      /** The signal by which the run is to be stopped. */
      stop: Deno.Signal;
      /** The holder that is meant: {@linkcode HeldRun.token}. */
      token: string;
    }
  );

/** The streams of lines of a run that are no events. */
export type RunStream = "capture" | "processes" | "inbox";

/** The documents of a run. */
export type RunDocument = "run.json" | "flow.json" | "trace.json" | "capture.json";

/** What an attempt gives: its two outputs, and the result of a step. */
export interface OutputRef {
  /** The node. */
  nodeId: string;
  /** Which attempt at it, from 1. */
  attempt: number;
  /** Which of its outputs. */
  stream: "out" | "err" | "result";
}

/** A part of an output: its end, or a number of bytes from an offset on. */
export type OutputRange = { last: number } | { from: number; length: number };

/** When and how much of which output came, in the order in which it came. */
export interface OutputChunk {
  /** When, in milliseconds since 1970. */
  atMs: number;
  /** Which output. */
  stream: "out" | "err";
  /** How many bytes. */
  byteLength: number;
}

/** Options of {@linkcode RunsRoot.create} and {@linkcode RunsRoot.hold}. */
export interface HoldOptions {
  /**
   * When what is appended counts as recorded, if nobody asks for a barrier.
   *
   * @default {"os"}
   */
  durability?: "os" | "disk";
  /** How long to wait for whoever holds the run, in milliseconds. */
  timeoutMs?: number;
  /** Takes the run from a holder that cannot be reached; a root of files, where death is seen, has no use for it. */
  takeOver?: boolean;
}

/**
 * Where runs are recorded: a directory, or a database. All that a run keeps is one of four things: lines,
 * documents, outputs, and being held.
 */
export interface RunsRoot extends AsyncDisposable {
  /** A path, or a URL without its password. */
  readonly name: string;
  /** The runs, in the order of their ids or, with `newestFirst`, in the opposite one, a page at a time. */
  list(options?: ListOptions): Promise<{ runs: RunListing[]; next?: string }>;
  /** Begins a run and holds it; one that is there is kind `exists`. */
  create(options: { about: RunAbout; runId?: string } & HoldOptions): Promise<HeldRun>;
  /** Holds a run that is there, always alone: kinds `live`, `format`, `missing`, and `damaged` for a redacted one. */
  hold(runId: string, options?: HoldOptions): Promise<HeldRun>;
  /** Reads a run, whether it is held or not. */
  view(runId: string): RunView;
  /** Leaves a message for whoever holds the run, now or later; it is on disk when this resolves. */
  post(runId: string, message: InboxMessage): Promise<void>;
  /** Takes a run from another root in, under this id; one that is there is kind `exists`. */
  receive(runId: string): Promise<ReceivedRun>;
  /** Removes a run that nobody holds. */
  remove(runId: string): Promise<void>;
  /** Removes what is left of runs whose removal, or whose way in, was cut off; returns how many that were. */
  sweep(): Promise<number>;
  /** The key for digests of values that are not recorded, made when it is first asked for. */
  digestKey(): Promise<{ id: string; key: Uint8Array }>;
  /** Has attempts of a run that is held here made by workers; a root of files has none. */
  queue?(held: HeldRun): AttemptQueue;
  /** Gives attempts to a worker that has a name, which people are shown, and labels; a root of files has none. */
  jobs?(worker: { name: string; labels: readonly string[]; leaseMs: number }): JobSource;
}

/** The events of a run, as they can be read. */
export interface RunEvents extends Pick<EventLog<RunEvent>, "read" | "lastSeq"> {
  /**
   * As {@linkcode EventLog.follow}; with `untilEnd` it ends behind a terminal event that no `pipe.started`
   * follows, or when nobody holds the run any more.
   */
  follow(
    options?: FollowOptions & { untilEnd?: boolean },
  ): AsyncIterableIterator<Stored<RunEvent> | Gap>;
}

/** A run as it can be read. Reading changes nothing and works beside the holder. */
export interface RunView {
  /** The run. */
  readonly runId: string;
  /** Who holds it now: the truth, never a record. */
  holder(): Promise<RunHolder | undefined>;
  /** Its first and its newest event. */
  peek(): Promise<RunPeek<RunEvent>>;
  /** Its events. */
  readonly events: RunEvents;
  /** A page of one of its other streams. */
  lines(stream: RunStream, options?: ReadOptions): Promise<EventPage<unknown>>;
  /** The lines of a stream as they were appended, each as its bytes, or why it cannot be had. */
  raw(stream: RunStream | "events"): AsyncIterable<Uint8Array | { unreadable: string }>;
  /** What a killed writer has left behind the last line of a stream, as `raw` gives a line; none in a database. */
  tail(stream: RunStream | "events"): Promise<Uint8Array | { unreadable: string } | undefined>;
  /** The last line of a stream; undefined where it has none, or that is damaged. Nothing else is read. */
  lastLine(stream: RunStream): Promise<unknown>;
  /** Its capture journal, for the functions of `capture` that read one. */
  readonly journal: string | AsyncIterable<string | Uint8Array | { unreadable: string }>;
  /** Whether it has a document. */
  has(name: RunDocument): Promise<boolean>;
  /** A document; undefined when it has none of that name. */
  document(name: RunDocument): Promise<Uint8Array | undefined>;
  /** An output, or a part of it; undefined when there is none. */
  output(of: OutputRef, range?: OutputRange): Promise<Uint8Array | undefined>;
  /** In which order and when the outputs of an attempt came; undefined where that was not kept. */
  times(of: { nodeId: string; attempt: number }): Promise<OutputChunk[] | undefined>;
  /** How many bytes it takes. */
  size(): Promise<number>;
}

/** Lines to be appended, each the text of one JSON object without a newline. */
export interface RunLines {
  /** Of the capture journal. */
  capture?: readonly string[];
  /** Of the event log. */
  events?: readonly string[];
  /** Of the processes. */
  processes?: readonly string[];
}

/** A run that this process alone writes. */
export interface HeldRun extends AsyncDisposable {
  /** The run, to be read. */
  readonly view: RunView;
  /** Grows with each holder: what an older one sends is refused. */
  readonly token: bigint;
  /** Aborts when the run is no longer held: begin nothing more, and end what runs. */
  readonly lost: AbortSignal;
  /**
   * Appends lines, in this order: capture, events, processes. Calls need not be waited for to be in order. On a
   * root of files the lines are in the files when this returns, before the promise resolves. Behind a call that
   * has lines for capture and fails, every other one that has fails too, also one that was made before that was
   * known: no line stands behind one that is missing.
   */
  append(lines: RunLines): Promise<void>;
  /**
   * Resolves when everything that was appended before is on disk; `of` asks only for these streams. Who
   * asks at the same time shares one sync, which begins when the microtasks of the turn are over.
   */
  barrier(options?: { of?: readonly ("capture" | "events" | "processes")[] }): Promise<void>;
  /** Replaces a document as a whole, or removes it: what is `undefined`. It is on disk when this resolves. */
  putDocument(name: RunDocument, bytes: Uint8Array | undefined): Promise<void>;
  /** Takes an output as it comes. */
  openOutput(of: OutputRef, options: { maxBytes: number }): OutputSink;
}

/**
 * A run that comes from another root. It is none before {@linkcode ReceivedRun.commit}: nobody sees it, and of one
 * that is disposed of before, or whose process dies, nothing stays.
 */
export interface ReceivedRun extends AsyncDisposable {
  /** Appends lines to a stream as they are, each without its newline, also those that are no text or no JSON. */
  appendLines(stream: RunStream | "events", lines: readonly Uint8Array[]): Promise<void>;
  /** Takes what stands behind the last line of a stream, if it can be kept: in a database, what only lacks its newline. */
  putTail(stream: RunStream | "events", bytes: Uint8Array): Promise<boolean>;
  /** Takes a document. */
  putDocument(name: RunDocument, bytes: Uint8Array): Promise<void>;
  /** Appends to an output; one is taken whole before the next. */
  appendOutput(of: OutputRef, bytes: Uint8Array): Promise<void>;
  /** Takes in which order and when the outputs of an attempt came. */
  putTimes(of: NodeAttempt, chunks: readonly OutputChunk[]): Promise<void>;
  /** Makes it a run that is whole, on disk, and held by nobody; kind `exists` where there is one meanwhile. */
  commit(): Promise<void>;
}

/** How an output was kept. */
export interface KeptOutput {
  /** The digest of what is kept, as 64 hexadecimal digits. */
  sha256: string;
  /** How many bytes are kept. */
  bytes: number;
  /** Whether something was left out between the first and the last half. */
  cut: boolean;
  /** How many bytes that were; 0 where nothing was. */
  leftOut: number;
}

/** Takes one output. Nothing is made for an output without a byte. */
export interface OutputSink {
  /** Takes a chunk, which came at this time in milliseconds since 1970. */
  write(chunk: Uint8Array, atMs: number): void;
  /** Resolves when more may be written without piling up. */
  ready(): Promise<void>;
  /** Ends the output; with `sync` it is on disk, name and bytes, when this resolves. */
  close(options?: { sync?: boolean }): Promise<KeptOutput>;
}

/** The end of an attempt as its process saw it: what the journal has, and the log is made from. */
export interface EndRecord {
  /** False when the attempt was ended before its work began: then it was none. */
  begun?: false;
  /** The exit code, where it was a command that ended by itself. */
  exit_code?: number;
  /** The signal that ended it. */
  signal?: string;
  /** How many milliseconds it took. */
  duration_ms?: number;
  /** The digest of what it gave: of a command what is kept of its output. */
  output_hash?: string;
  /** The same of what it printed as errors. */
  error_hash?: string;
  /** How many bytes of its output were left out, where it was too long to be kept whole. */
  output_cut?: number;
  /** The same of what it printed as errors. */
  error_cut?: number;
  /** Whether secret values stood in its output, which are not kept. */
  output_masked?: true;
  /** What it printed went to the terminal that it shared, and was not recorded. */
  terminal?: true;
  /** What a step gave, any JSON; left out where it gave nothing, or what is long or nested deeply. */
  result?: unknown;
  /** The digest of that, where it is kept as an output: the text of one JSON value. */
  result_hash?: string;
  /** The worker that made it, where one did. */
  worker?: string;
  /** Why it failed. */
  error?: ErrorRecord;
}

/** What was thrown, or why a command failed, in the form in which it is recorded. */
export interface ErrorRecord {
  /** The name of the error's class. */
  name?: string;
  /** Its message. */
  message: string;
  /** Its code, where it has one. */
  code?: string;
  /** Its kind, where it has one. */
  kind?: string;
  /** Its causes, the nearest first. */
  causes?: { name?: string; message: string }[];
}

/** How an attempt ended. */
export interface AttemptEnd {
  /** What the supervisor decides by. */
  termination: RunTermination;
  /** What is recorded beside it. */
  end: EndRecord;
}

/** One attempt to be made. */
export interface AttemptRequest {
  /** The node or step. */
  nodeId: string;
  /** Which attempt at it, from 1. */
  attempt: number;
  /** What the event that asks for it carries. */
  payload: Readonly<Record<string, unknown>>;
  /** Aborts when the attempt is to end: its deadline has passed, or the run is stopped. */
  signal: AbortSignal;
  /** The span that it is, for what it starts; left out where nobody makes spans. */
  trace?: TraceParent;
}

/** Where attempts are made: in this process, by a command, or by a worker anywhere. */
export interface AttemptPlace {
  /**
   * Makes an attempt. It is called when its begin is on disk, and begins the work before it returns. What
   * it throws counts as a failure of the attempt.
   */
  run(attempt: AttemptRequest): Promise<AttemptEnd>;
}

/** What an attempt at a step is given. */
export interface StepContext<I = unknown> {
  /** The step. */
  readonly stepId: string;
  /** The run. */
  readonly runId: string;
  /**
   * Which attempt it is: the first is 1. Attempts that were cut off count; with the run's id and the step's
   * it makes a key by which another system tells what it has done already.
   */
  readonly attempt: number;
  /** The input that the step was given. */
  readonly input: I;
  /** Aborts when the attempt is to end: its time is over, or the run is stopped. */
  readonly signal: AbortSignal;
  /** What a program that the step starts has to find in its environment, to be known as a part of the run. */
  readonly env: Readonly<Record<string, string>>;
}

/** How a step that throws is tried again. */
export interface StepRetry {
  /**
   * How many further attempts it gets, counted anew whenever the run is gone on with.
   *
   * @default {the `max_retries` of the run's constraints}
   */
  maxRetries?: number;
  /**
   * How many attempts may be begun at all, those that were cut off among them: 1 has a step run at most
   * once, which then fails where nobody has seen its end.
   *
   * @default {no limit}
   */
  maxAttempts?: number;
  /**
   * How long the first retry waits, in milliseconds.
   *
   * @default {0}
   */
  delayMs?: number;
  /**
   * By how much each further one waits longer: a whole number up to 1,000.
   *
   * @default {1}
   */
  factor?: number;
  /**
   * The longest of these times, in milliseconds.
   *
   * @default {a day}
   */
  maxDelayMs?: number;
  /** Whether an error is worth another attempt; only those that `maxRetries` allows are asked about. */
  if?: (error: unknown) => boolean;
}

/** Options of a step. */
export interface StepOptions<I = unknown> {
  /**
   * What the step is about: JSON of at most 2 MiB. It is recorded, and given to the step. With another one
   * the recorded result does not stand: that is kind `mismatch`.
   */
  input?: I;
  /** How it is tried again. */
  retry?: StepRetry;
  /**
   * How long an attempt may take, in milliseconds. Then its signal aborts, and it counts as failed.
   *
   * @default {the `deadline` of the run's constraints}
   */
  timeoutMs?: number;
}

/** Options of a step whose result is checked. */
export interface CheckedStepOptions<T, I = unknown> extends StepOptions<I> {
  /** What the result has to be; what it makes of that is what the program gets. */
  schema: StandardSchema<T>;
}

/** Options of {@linkcode Run.waitFor}. */
export interface WaitForOptions<T = unknown> {
  /** What the value has to be that comes with passing; with another one the wait goes on. */
  schema?: StandardSchema<T>;
  /**
   * How long to wait, in milliseconds, counted from when it was first asked for.
   *
   * @default {for ever}
   */
  timeoutMs?: number;
}

/** How a run has ended. */
export interface FinishedRun extends RunState {
  /** What was recorded and the program did not ask for this time, such as steps that it has no more. */
  unasked: readonly string[];
}
