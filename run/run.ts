import { describe, isObject, isOneOf } from "../_internal/errors.ts";
import { contextOfPayload } from "../_internal/event_payload.ts";
import { encodeUtf8, reasonOf } from "../_internal/text.ts";
import { refuseLoss, stringifyVisiting } from "../_internal/visit_json.ts";
import { ERROR_KINDS, PLAIN_TERMINATIONS } from "../_internal/wire_names.ts";
import type { RunFold } from "../eventlog/derive_run_state.ts";
import type { RunState } from "../eventlog/run_state.ts";
import { PumpDriver } from "../supervisor/driver/pump_driver.ts";
import type {
  ConstraintsInit,
  RunRequest,
  RunTermination,
  RuntimeInvoker,
} from "../supervisor/types.ts";
import { isAskable, pumpEventId } from "./engine/asks.ts";
import { RunEngine } from "./engine/run_engine.ts";
import type { Decided, RunEnding } from "./engine/types.ts";
import { errorRecordOf, messageOf } from "./error_record.ts";
import type { AttemptEnd, HeldRun, RunView } from "./types.ts";
import type { RunTrace } from "./run_trace.ts";

/** What a {@linkcode Run} is made of. */
interface RunParts {
  held: HeldRun;
  name: string;
  constraints: ConstraintsInit;
  invoker: RuntimeInvoker;
  durability: "os" | "disk";
  runtimeProvenance: string;
  trace: RunTrace;
  /** What the log has. */
  fold: RunFold;
  /** Ends the run from outside. */
  stop: AbortSignal;
  /** What is open: taken over when the run has begun. */
  opened: AsyncDisposableStack;
}

/** So that a payload stays far below what a line of the journal may have. */
const MOST_PAYLOAD_BYTES = 2 * 1024 * 1024;

/**
 * Work that is supervised, recorded in all five ways and replayable; `openRun` begins it. The
 * command shows such a run as it shows its own: `taffrail show`, `follow`, `replay`, `trace`, `verify`.
 * It cannot be gone on with yet: who begins it
 * again begins a new run.
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
  /** The records of the run, as anybody can read them. */
  readonly view: RunView;
  readonly #parts: RunParts;
  readonly #opened: AsyncDisposableStack;
  readonly #engine: RunEngine;
  readonly #pump: PumpDriver;
  readonly #work = new SubmittedWork();
  /** Ends the run from inside. */
  readonly #halt = new AbortController();
  #isOver = false;
  #end: Promise<RunState> | undefined;

  /** @internal */
  constructor(parts: RunParts) {
    const { held, trace, invoker } = parts;
    this.runId = held.view.runId;
    this.view = held.view;
    this.#parts = parts;
    const signal = AbortSignal.any([parts.stop, this.#halt.signal]);
    this.#engine = RunEngine.begin({
      ...parts,
      nodes: [],
      invoke: (request) => invokeRecorded(invoker, request),
      isOutside: false,
      describe: (nodeId) => ({ kind: "command", task: nodeId }),
      onDecided: (decided) => this.#work.take(decided, { isStopped: signal.aborted }),
      observer: {
        attemptBegan: (attempt, { text, payload, at }) => {
          trace.begin(attempt, { text, input: payload, at });
        },
        attemptEnded: (attempt, end) => trace.end(attempt, end),
      },
      signal,
    });
    const { session: { supervisor }, timers, stop } = this.#engine;
    const pump = new PumpDriver({ supervisor, timers, eventId: pumpEventId });
    this.#pump = pump;
    // What waits for its time would be waited for otherwise.
    if (stop.aborted) pump.stop();
    const onAbort = () => pump.stop();
    stop.addEventListener("abort", onAbort);
    this.#opened = parts.opened.move();
    this.#opened.defer(() => stop.removeEventListener("abort", onAbort));
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
    const bytes = encodeUtf8(text);
    if (bytes.length > MOST_PAYLOAD_BYTES) {
      throw new RangeError(
        `Cannot submit ${JSON.stringify(id)}: its payload has ${bytes.length} bytes, ` +
          `and ${MOST_PAYLOAD_BYTES} is the most; name a file in it instead`,
      );
    }
    // Refused here, so that the id can be used for another.
    contextOfPayload(bytes);
    this.#work.add(id);
    await this.#engine.ask(id, text);
    if (this.#parts.durability === "disk") await this.#engine.session.barrier();
  }

  /**
   * Waits until all work is done, seals the recording, and closes everything, whatever happens. Work may
   * be submitted meanwhile. Called again, it gives the same promise.
   *
   * When something could not be recorded the run breaks off there: what still runs is asked to stop and not
   * waited for, and the log gets its end if that is possible. `taffrail verify` looks at such a run as at
   * any other. What is made from the journal and the log, the bundle and the store, breaks nothing off: where
   * it could not be written this rejects when everything else is done, and `taffrail repair` makes it.
   *
   * @returns What became of the run: `Aborted` when some of the work did not complete.
   * @throws {RunError} When the journal, the log, the bundle or the store could not be written.
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
    try {
      await this.#complete(broken);
    } catch (error) {
      await this.#breakOff(error);
      throw error;
    }
    await this.#opened.disposeAsync();
    return this.#parts.fold.state({ live: false });
  }

  async #complete(broken: string | undefined): Promise<void> {
    const engine = this.#engine;
    if (broken !== undefined) {
      this.#halt.abort(new DOMException(`Cannot go on: ${broken}`, "AbortError"));
    }
    let count: number;
    do {
      count = this.#work.count;
      await this.#pump.drained().catch((error) => {
        // A Pump was refused; closing reports anything else.
        if (!engine.stop.aborted) throw error;
      });
      // What was submitted since is to be done too.
    } while (count !== this.#work.count);
    this.#isOver = true;
    this.#pump.stop();
    const ending = broken === undefined
      ? this.#work.ending({ isStopped: engine.stop.aborted })
      : { reason: broken };
    await engine.withdrawDeferred();
    await engine.end(ending);
    await this.#parts.trace.finish(ending.reason);
  }

  /** Records that the run broke off, and lets go of everything. The error says why; what fails here is not reported. */
  async #breakOff(error: unknown): Promise<void> {
    this.#isOver = true;
    this.#pump.stop();
    await this.#engine.breakOff(error);
    await this.#parts.trace.finish(messageOf(error)).catch(() => {});
    await this.#opened.disposeAsync().catch(() => {});
  }
}

/** Makes an attempt with what the program gave; whatever it throws is recorded. */
async function invokeRecorded(invoker: RuntimeInvoker, request: RunRequest): Promise<AttemptEnd> {
  const startedMs = performance.now();
  const ended = (termination: RunTermination, end: AttemptEnd["end"]): AttemptEnd => {
    return { termination, end: { ...end, duration_ms: Math.round(performance.now() - startedMs) } };
  };
  try {
    const answer: unknown = await invoker.run(request);
    // What else is recorded of the end is the run's own to say.
    const termination = hasTermination(answer) ? answer.termination : answer;
    const problem = answerProblem(termination);
    if (problem === undefined) return ended(termination as RunTermination, {});
    return ended({ Failed: "RuntimeError" }, { error: { message: problem } });
  } catch (error) {
    return ended({ Failed: "RuntimeError" }, { error: errorRecordOf(error) });
  }
}

function hasTermination(answer: unknown): answer is { termination: unknown } {
  return typeof answer === "object" && answer !== null && "termination" in answer;
}

/** What is wrong with an answer that the supervisor takes for a failure; undefined if nothing is. */
function answerProblem(answer: unknown): string | undefined {
  if (isOneOf(PLAIN_TERMINATIONS, answer)) return undefined;
  const isFailure = isObject(answer) && "Failed" in answer && Object.keys(answer).length === 1;
  if (isFailure && isOneOf(ERROR_KINDS, answer.Failed)) return undefined;
  const found = isFailure ? `{ Failed: ${describe(answer.Failed)} }` : describe(answer);
  const expected = `"Completed", "TimedOut", "Aborted" or { Failed }, which is one of ` +
    ERROR_KINDS.join(", ");
  return messageOf(`the invoker answered ${found}; expected is ${expected}`);
}

const MOST_ID_LENGTH = 1000;

/** The work of a run, and what became of it. */
class SubmittedWork {
  readonly #ids = new Set<string>();
  /** The work whose end is not decided on. */
  readonly #left = new Set<string>();
  #failure: RunEnding | undefined;

  /** How much was submitted so far. */
  get count(): number {
    return this.#ids.size;
  }

  /** Work is to come. */
  add(id: string): void {
    const problem = idProblem(id);
    if (problem !== undefined) {
      throw new TypeError(`Cannot submit ${JSON.stringify(id)}: ${problem}`);
    }
    if (this.#ids.has(id)) {
      throw new TypeError(
        `Cannot submit ${JSON.stringify(id)} twice: attempts at it could not be told apart`,
      );
    }
    this.#ids.add(id);
    this.#left.add(id);
  }

  /** Takes a decision. */
  take(
    { nodeId, decision, reason, termination, errorKind }: Decided,
    { isStopped }: { isStopped: boolean },
  ): void {
    if (reason === "withdrawn") return;
    if (decision === "Skip") {
      this.#failure ??= { reason: `node ${nodeId} was skipped: ${reason}`, failed: nodeId };
    } else if (decision !== "Finish" || termination === null) return;
    else if (termination === "Aborted" && isStopped) return;
    else if (termination !== "Completed") {
      this.#failure ??= { reason: `node ${nodeId} failed: ${errorKind}`, failed: nodeId };
    }
    this.#left.delete(nodeId);
  }

  /** How the run ends when nothing more is done. */
  ending({ isStopped }: { isStopped: boolean }): RunEnding {
    if (this.#failure !== undefined) return this.#failure;
    const [left] = this.#left;
    if (left === undefined) return { reason: undefined };
    return { reason: isStopped ? "cancelled" : `node ${left} was never done` };
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

function idProblem(id: string): string | undefined {
  if (typeof id !== "string" || id.trim() === "") return "an id is a text that is not blank";
  if (id.startsWith(":")) return "what begins with ':' is for the supervisor";
  if (id.length > MOST_ID_LENGTH) return `an id has at most ${MOST_ID_LENGTH} characters`;
  if (!isAskable(id)) return "what ends with '#' and digits is for work that is asked for again";
  return id.isWellFormed() ? undefined : "it has a lone surrogate";
}
