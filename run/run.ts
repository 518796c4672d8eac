import { writeCaptureBundle } from "../capture/bundle/write_capture_bundle.ts";
import type { CapturingSession } from "../capture/session/capturing_session.ts";
import { deriveRunState } from "../eventlog/derive_run_state.ts";
import type { RunState } from "../eventlog/run_state.ts";
import type { FileEventLog } from "../eventlog/file_event_log.ts";
import { readRun } from "../eventlog/read_run.ts";
import type { RunEvent } from "../eventlog/run_event.ts";
import type { WorkerRuntime } from "../store/runtime/worker_runtime.ts";
import { createEvent } from "../supervisor/core/create_event.ts";
import { PumpDriver } from "../supervisor/driver/pump_driver.ts";
import type { Supervisor } from "../supervisor/driver/supervisor.ts";
import { systemTimers } from "../supervisor/driver/timers.ts";
import type { TraceRecorder } from "../trace/trace_recorder.ts";
import { messageOf, type RecordingInvoker } from "./recording_invoker.ts";
import { runPaths } from "../_internal/root_layout.ts";
import { reasonOf } from "../_internal/text.ts";
import { refuseLoss, stringifyVisiting } from "../_internal/visit_json.ts";
import type { RunRecorder } from "./run_recorder.ts";

/** What a {@linkcode Run} is made of. */
interface RunParts {
  root: string;
  log: FileEventLog<RunEvent>;
  runtime: WorkerRuntime;
  trace: TraceRecorder;
  session: CapturingSession<Supervisor>;
  recorder: RunRecorder;
  invoker: RecordingInvoker;
  /** Ends the run from inside. */
  halt: AbortController;
  /** Aborts when anybody ends the run. */
  stop: AbortSignal;
  opened: AsyncDisposableStack;
}

/** A byte of a payload is up to two in the journal, whose lines have 16 MiB at most. */
const MOST_PAYLOAD_BYTES = 2 * 1024 * 1024;

/**
 * Work that is supervised, recorded in all five ways and replayable; `openRun` begins it. The
 * command shows such a run as it shows its own: `taffrail show`, `follow`, `replay`, `trace`, `verify`.
 * It is not resumed: who begins it again begins a new run.
 *
 * @example A run that is given up
 * ```ts
 * import { openRun } from "@taffrail/taffrail/run";
 * import { deriveRunState, readRunSync } from "@taffrail/taffrail/eventlog";
 * import { assertEquals } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * let runId = "";
 * {
 *   await using run = await openRun({
 *     root,
 *     name: "import",
 *     constraints: { max_retries: 0 },
 *     invoker: { run: () => "Completed" },
 *   });
 *   runId = run.runId;
 *   await run.submit("part-1");
 *   // What is left without `await run.finish()`, as by an error, is recorded as aborted.
 * }
 * const events = [...readRunSync(root, runId)].flatMap((page) => page.events);
 * assertEquals(deriveRunState(events.map(({ event }) => event)).state, {
 *   Aborted: { reason: "it was not finished" },
 * });
 * ```
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
  #isOver = false;
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
    const pump = new PumpDriver({ supervisor, timers: systemTimers, eventId: pumpEventId });
    this.#pump = pump;
    // What waits for its time would be waited for otherwise.
    if (parts.stop.aborted) pump.stop();
    const onAbort = () => pump.stop();
    parts.stop.addEventListener("abort", onAbort);
    parts.opened.defer(() => parts.stop.removeEventListener("abort", onAbort));
  }

  /**
   * Hands work to the supervisor, which starts it when the constraints allow it.
   *
   * @param id The work's name: a node of the run. Each may be used once; it is not blank, does not begin
   * with `:` and has at most 1,000 characters.
   * @param payload What the invoker gets as `payload`, and the recording keeps: a JSON object. What JSON
   * would change without a word, such as NaN or a `Map`, is refused.
   * @returns A promise that resolves when it is decided on, not when it is done.
   * @throws {TypeError} When the id is none or was used before, the payload is no JSON object, or the run
   * has been finished.
   * @throws {ExternalEventPayloadError} When the payload cannot be recorded.
   * @throws {RangeError} When the payload has more than 2 MiB.
   * @throws {Error} What the run broke off with, or the reason of the signal that ended it.
   */
  async submit(id: string, payload: Record<string, unknown> = {}): Promise<void> {
    if (this.#isOver) throw new TypeError(`Cannot submit ${JSON.stringify(id)}: the run is over`);
    const text = payloadText(payload);
    const event = createEvent({ id, kind: "Command", at: systemTimers.now(), payload: text });
    if (event.payload.length > MOST_PAYLOAD_BYTES) {
      throw new RangeError(
        `Cannot submit ${JSON.stringify(id)}: its payload has ${event.payload.length} bytes, ` +
          `and ${MOST_PAYLOAD_BYTES} is the most; name a file in it instead`,
      );
    }
    this.#parts.invoker.add(id, JSON.parse(text));
    await this.session.onEvent(event);
  }

  /**
   * Waits until all work is done, seals the recording, and closes everything, whatever happens. Work may
   * be submitted meanwhile. Called again, it gives the same promise.
   *
   * When something could not be recorded the run breaks off there: what still runs is asked to stop and not
   * waited for, and the log gets its end if that is possible. `taffrail verify` looks at such a run as at
   * any other.
   *
   * @returns What became of the run: `Aborted` when some of the work did not complete.
   * @throws {EventLogError} When the log could not be written.
   * @throws {RuntimeStoreError} When the store could not be written.
   * @throws {CaptureJournalError} When the capture journal could not be written.
   * @throws {CaptureWriteError} When the bundle could not be written.
   * @throws {TypeError} When it is called from inside the invoker, where it would wait for itself. The
   * run breaks off.
   */
  finish(): Promise<RunState> {
    return this.#end ??= this.#finish();
  }

  /**
   * Ends a run that was not finished, which is recorded as aborted: what runs is asked to stop. After
   * {@linkcode Run.finish}, whose caller knows how that went, it only waits for its end.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#end !== undefined) return await this.#end.then(() => {}, () => {});
    this.#end = this.#finish("it was not finished");
    await this.#end;
  }

  async #finish(broken?: string): Promise<RunState> {
    const { root, opened } = this.#parts;
    try {
      await this.#complete(broken);
    } catch (error) {
      await this.#breakOff(error);
      throw error;
    }
    await opened.disposeAsync();
    const events: RunEvent[] = [];
    for await (const page of readRun(root, this.runId)) {
      events.push(...page.events.map(({ event }) => event));
    }
    return deriveRunState(events, { live: false });
  }

  async #complete(broken: string | undefined): Promise<void> {
    const { root, session, recorder, invoker, halt, stop } = this.#parts;
    if (broken !== undefined) halt.abort(new DOMException(`Cannot go on: ${broken}`, "AbortError"));
    await this.#pump.drained().catch((error) => {
      // A Pump was refused; closing reports anything else.
      if (!stop.aborted) throw error;
    });
    this.#isOver = true;
    this.#pump.stop();
    await session.close();
    await invoker.endUnrun();
    await writeCaptureBundle(runPaths(root, this.runId).bundle, session.intoBundle());
    const reason = broken ?? invoker.reason;
    if (reason === undefined) await recorder.pipeCompleted();
    else await recorder.pipeAborted(reason);
  }

  /** Records that the run broke off, and lets go of everything. The error says why; what fails here is not reported. */
  async #breakOff(error: unknown): Promise<void> {
    const { session, recorder, invoker, halt, opened } = this.#parts;
    const why = messageOf(error);
    this.#isOver = true;
    this.#pump.stop();
    halt.abort(error);
    await session.close().catch(() => {});
    await invoker.abandon(why);
    await recorder.pipeAborted(why).catch(() => {});
    await opened.disposeAsync().catch(() => {});
  }
}

/** The text of a payload, which is to be the same for the invoker and the recording. */
function payloadText(payload: Record<string, unknown>): string {
  let text: string | undefined;
  try {
    text = stringifyVisiting(payload, refuseLoss);
  } catch (cause) {
    throw new TypeError(`Cannot submit this payload: ${reasonOf(cause)}`, { cause });
  }
  if (text?.startsWith("{")) return text;
  throw new TypeError("Cannot submit this payload: it is not a JSON object");
}

/** The names of Pumps cannot be those of work. */
function pumpEventId(inputCount: number): string {
  return `:pump-${inputCount}`;
}
