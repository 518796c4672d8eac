import { CapturingSession, openCaptureJournal, writeCaptureBundle } from "../capture/mod.ts";
import {
  deriveRunState,
  type FileEventLog,
  newRunId,
  openEventLog,
  readRun,
  type RunEvent,
  type RunState,
} from "../eventlog/mod.ts";
import type { WorkerRuntime } from "../store/mod.ts";
import {
  type ConstraintsInit,
  createEvent,
  PumpDriver,
  type RuntimeInvoker,
  Supervisor,
  systemTimers,
} from "../supervisor/mod.ts";
import type { RedactTrace, TraceConfig, TraceFileError, TraceRecorder } from "../trace/mod.ts";
import { openRecords } from "./open_records.ts";
import { RecordingInvoker } from "./recording_invoker.ts";
import { runPaths } from "./run_paths.ts";
import { RunRecorder } from "./run_recorder.ts";

/** Options of {@linkcode openRun}. */
export interface OpenRunOptions {
  /** The directory that holds the runs; `.taffrail` is what the command looks for. */
  root: string;
  /** What is run, as a part of the run's id: letters, digits, `.`, `_` and `-`. */
  name: string;
  /** What the supervisor keeps to. */
  constraints: ConstraintsInit;
  /** Does the work of an event. What it throws is recorded as a failure, with its causes. */
  invoker: RuntimeInvoker;
  /**
   * When an event and a decision count as recorded; of the store and the trace it is always `"disk"`.
   *
   * @default {"os"}
   */
  durability?: "os" | "disk";
  /** What stands for the program in the recording, such as a digest of its sources (PRV-2). */
  runtimeProvenance?: string;
  /** How to trace; the file is `trace.json` in the run's directory. */
  trace?: Partial<TraceConfig>;
  /** Replaces secrets before the trace keeps anything. */
  redactTrace?: RedactTrace;
  /** Is told of a trace that could not be written; the run goes on. */
  onTraceError?: (error: TraceFileError) => void;
  /** Ends the run: nothing more is started, and what runs is told to stop. */
  signal?: AbortSignal;
}

/** What a {@linkcode Run} is made of. */
interface RunParts {
  root: string;
  log: FileEventLog<RunEvent>;
  runtime: WorkerRuntime;
  trace: TraceRecorder;
  session: CapturingSession<Supervisor>;
  recorder: RunRecorder;
  invoker: RecordingInvoker;
  opened: AsyncDisposableStack;
}

/**
 * Work that is supervised, recorded in all five ways and replayable; {@linkcode openRun} begins it. The
 * command shows such a run as it shows its own: `taffrail show`, `follow`, `replay`, `trace`, `verify`.
 */
export class Run implements AsyncDisposable {
  /** The run's id. */
  readonly runId: string;
  /** The event log. The lifecycle is in it; events of your own may be appended. */
  readonly log: FileEventLog<RunEvent>;
  /** The store: each attempt is a worker. */
  readonly runtime: WorkerRuntime;
  /** The trace: each attempt is a step. */
  readonly trace: TraceRecorder;
  /** The capture, with the supervisor. */
  readonly session: CapturingSession<Supervisor>;
  readonly #parts: RunParts;
  readonly #pump: PumpDriver;
  #end: Promise<RunState> | undefined;

  /** @internal */
  constructor(parts: RunParts) {
    this.runId = parts.log.runId;
    this.log = parts.log;
    this.runtime = parts.runtime;
    this.trace = parts.trace;
    this.session = parts.session;
    this.#parts = parts;
    const { supervisor } = parts.session;
    this.#pump = new PumpDriver({ supervisor, timers: systemTimers, eventId: pumpEventId });
  }

  /**
   * Hands work to the supervisor, which starts it when the constraints allow it.
   *
   * @param id The work's name: a node of the run. Each may be used once.
   * @param payload What the invoker gets as `context`, and the recording keeps: a JSON object.
   * @returns A promise that resolves when it is decided on, not when it is done.
   * @throws {TypeError} When the id was used before.
   */
  async submit(id: string, payload: Record<string, unknown> = {}): Promise<void> {
    this.#parts.invoker.add(id, payload);
    const at = systemTimers.now();
    const event = createEvent({ id, kind: "Command", at, payload: JSON.stringify(payload) });
    await this.session.onEvent(event);
  }

  /**
   * Waits until all work is done, seals the recording, and closes everything.
   *
   * @returns What became of the run: `Aborted` when some of the work did not complete.
   */
  finish(): Promise<RunState> {
    return this.#end ??= this.#finish();
  }

  /** A run that was not finished is recorded as aborted. */
  async [Symbol.asyncDispose](): Promise<void> {
    await (this.#end ??= this.#finish("it was not finished"));
  }

  async #finish(broken?: string): Promise<RunState> {
    const { root, log, session, recorder, invoker, opened } = this.#parts;
    await using _ = opened;
    if (broken === undefined) await this.#pump.drained();
    this.#pump.stop();
    await session.close();
    await writeCaptureBundle(runPaths(root, this.runId).bundle, session.intoBundle());
    const reason = broken ?? invoker.failure;
    if (reason === undefined) await recorder.pipeCompleted();
    else await recorder.pipeAborted(reason);
    const events: RunEvent[] = [];
    for await (const page of readRun(root, log.runId)) {
      events.push(...page.events.map(({ event }) => event));
    }
    return deriveRunState(events, { live: false });
  }
}

/**
 * Begins a run that uses all five modules: a supervisor decides what starts when, its inputs and
 * decisions go to a capture journal, the lifecycle to an event log, each attempt to the store as a
 * worker and to the trace as a step. It only connects them; each can be used alone.
 *
 * **Durability**: what an attempt did is recorded, in the order journal, log, store, before the
 * supervisor goes on; `durability` says what that means for the first two.
 *
 * **Permissions**: `--allow-read` and `--allow-write` for the root.
 *
 * @param options What to run, and where to record it.
 * @returns The run.
 * @throws {TypeError} When the name or the constraints are not allowed.
 * @throws {EventLogError} When the log cannot be opened.
 * @throws {RuntimeStoreError} When the store cannot be opened.
 *
 * @example Usage
 * ```ts
 * import { openRun } from "@taffrail/taffrail/run";
 * import { assertEquals } from "@std/assert";
 *
 * const run = await openRun({
 *   root: await Deno.makeTempDir(),
 *   name: "thumbnails",
 *   constraints: { max_in_flight: 2, max_retries: 1 },
 *   invoker: { run: ({ eventId }) => eventId === "b.png" ? "TimedOut" : "Completed" },
 * });
 * await run.submit("a.png", { width: 80 });
 * await run.submit("b.png", { width: 80 });
 * const { state, nodes } = await run.finish();
 * assertEquals(state, { Aborted: { reason: "node b.png failed: timeout" } });
 * assertEquals(nodes.map(({ id, attempt }) => [id, attempt]), [["a.png", 1], ["b.png", 2]]);
 * ```
 */
export async function openRun(options: OpenRunOptions): Promise<Run> {
  const { root, name, constraints, durability = "os", runtimeProvenance, signal } = options;
  const runId = await newRunId({ root, name });
  await using opening = new AsyncDisposableStack();
  const log = opening.use(await openEventLog({ root, runId, durability }));
  const records = opening.use(await openRecords({ ...options, log }));
  const recorder = new RunRecorder(records);
  const invoker = new RecordingInvoker(options.invoker, recorder);
  await recorder.pipeStarted({ name, nodes: [] });
  const session = new CapturingSession<Supervisor>({
    graphId: name,
    mode: "concurrent",
    constraints,
    decisionLog: invoker,
    invoker,
    createSupervisor: (ports) => new Supervisor(ports),
    runtimeProvenance: runtimeProvenance ?? "none",
    journal: openCaptureJournal(runPaths(root, runId).journal, { durability }),
    timers: systemTimers,
    ...(signal !== undefined && { signal }),
  });
  return new Run({
    root,
    log,
    runtime: records.workers.runtime,
    trace: records.traceRecorder,
    session,
    recorder,
    invoker,
    opened: opening.move(),
  });
}

/** The names of Pumps cannot be those of work. */
function pumpEventId(inputCount: number): string {
  return `:pump-${inputCount}`;
}
