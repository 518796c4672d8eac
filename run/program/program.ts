/**
 * A program and its run: what the program asks for goes to the engine, and what comes of it back to the program.
 *
 * What is always true:
 * - **What is recorded is given and not done again**; only what is not over is asked for.
 * - **The program learns nothing that is not on disk**, and learns it in the order in which it is recorded.
 * - **From a stop on nothing more is recorded for the program**: every call that waits, and every later one,
 *   rejects with the reason of the stop, which is never a `StepError`.
 * - A run has one end: whoever ends it, by `finish`, by a failure or by letting go of it, the first counts.
 */
import { microtasks } from "../../_internal/barrier.ts";
import { defined } from "../../_internal/errors.ts";
import type { WaitedRecord } from "../../capture/types.ts";
import { PumpDriver } from "../../supervisor/driver/pump_driver.ts";
import type { ConstraintsInit, RunRequest } from "../../supervisor/types.ts";
import { idProblem, pumpEventId } from "../engine/asks.ts";
import type { JournalHistory } from "../engine/journal_history.ts";
import { finishAll, followed } from "../engine/followed.ts";
import type { RunEngine } from "../engine/run_engine.ts";
import type { Decided, EngineOptions, RunEnding, RunFollower } from "../engine/types.ts";
import { messageOf } from "../error_record.ts";
import { RunError, runError } from "../run_error.ts";
import { failedStepOf } from "../step_error.ts";
import type { TraceParent } from "../attempt_queue.ts";
import type {
  AttemptEnd,
  CheckedStepOptions,
  FinishedRun,
  HeldRun,
  NodeAttempt,
  StepOptions,
  WaitForOptions,
} from "../types.ts";
import { type Learner, Learning } from "./learning.ts";
import { MOST_INPUT_BYTES, textForLine } from "../program_json.ts";
import type { ProgramParts } from "./program_options.ts";
import { RecordedProgram } from "./recorded_program.ts";
import { recordedResult } from "./recorded_result.ts";
import { StepCall, type StepWork } from "./step_call.ts";
import { describeStep, invokeRecorded, payloadText, SubmittedWork } from "./submitted_work.ts";
import { checkOf, checkWaitOptions, untilOf, valueOfGate } from "./wait_call.ts";

/** A run that is at work. */
interface AtWork {
  engine: RunEngine;
  pump: PumpDriver;
  followers: readonly RunFollower[];
}

/** A step that was asked for and is not over. */
interface OpenStep {
  call: StepCall;
  learner: Learner;
}

/** Why a run ended that its program has let go of. */
const NOT_FINISHED = "not finished";

/** A program at work, or one whose run has completed and only gives what is recorded. */
export class Program {
  readonly parts: ProgramParts;
  readonly #work = new SubmittedWork();
  /** What was asked for this time. */
  readonly #ids = new Set<string>();
  readonly #steps = new Map<string, OpenStep>();
  /** What has failed for good by what another process had recorded, and not decided on. */
  readonly #failedNow = new Set<string>();
  /** Ends the run from inside. */
  readonly #halt = new AbortController();
  #recorded!: RecordedProgram;
  #learning!: Learning;
  #atWork: AtWork | undefined;
  /** The step whose function is being called. */
  #calling: string | undefined;
  #stop: AbortSignal;
  #isOver = false;
  /** Whether something was asked for that the program did not get, as the run was to end. */
  #isCut = false;
  #output: unknown;
  #end: Promise<FinishedRun> | undefined;

  constructor(parts: ProgramParts) {
    this.parts = parts;
    this.#stop = AbortSignal.any([parts.stop, this.#halt.signal]);
  }

  /** Aborts when the run is to end. */
  get signal(): AbortSignal {
    return this.#stop;
  }

  /** What its engine works with. */
  engineOptions(
    held: HeldRun,
    { constraints, runtimeProvenance, followers }: {
      constraints: ConstraintsInit;
      runtimeProvenance: string;
      followers: readonly RunFollower[];
    },
  ): EngineOptions {
    const { name, fold } = this.parts;
    return followed({
      held,
      name,
      nodes: [],
      constraints,
      runtimeProvenance,
      invoke: (request, attempt) => this.#invoke(request, attempt, held),
      isOutside: false,
      describe: describeStep,
      mayBegin: ({ nodeId, attempt }) => this.#steps.get(nodeId)?.call.mayBegin(attempt) ?? true,
      onDecided: (decided) => this.#take(decided),
      observer: {
        attemptBegan: () => {},
        attemptEnded: (attempt, end) => {
          if (end.isLast) this.#tellEnd(attempt, end);
        },
      },
      fold,
      signal: this.signal,
    }, followers);
  }

  /** From now on the program may ask: of its engine, or, where the run has completed, of the recording alone. */
  open(
    engine: { engine: RunEngine; followers: readonly RunFollower[] } | undefined,
    history: JournalHistory | undefined,
  ): void {
    const { view: { runId }, accept, retryFailed } = this.parts;
    const failedNow = this.#failedNow;
    // Of a run that has completed nothing is made again, and all that is recorded stands.
    const rules = { accept, retryFailed: engine && retryFailed };
    this.#recorded = new RecordedProgram({ runId, history, failedNow, ...rules });
    this.#learning = new Learning(this.#recorded.size, () => this.signal);
    if (engine === undefined) return;
    const { session: { supervisor }, timers, stop } = engine.engine;
    const pump = new PumpDriver({ supervisor, timers, eventId: pumpEventId });
    this.#atWork = { ...engine, pump };
    this.#stop = stop;
    // What waits for its time would be waited for otherwise.
    const onStop = () => {
      pump.stop();
      this.#rejectAll(stop.reason);
    };
    if (stop.aborted) onStop();
    stop.addEventListener("abort", onStop, { once: true });
    // Whoever stops many runs by one signal would keep all of them.
    this.parts.opened.defer(() => stop.removeEventListener("abort", onStop));
  }

  /** Gives the result of a step: what is recorded, or what it does now. */
  step(
    id: string,
    work: StepWork,
    options: StepOptions | CheckedStepOptions<unknown> = {},
  ): Promise<unknown> {
    return this.#learn(id, (learner) => {
      const call = new StepCall(id, work, options);
      const end = this.#recorded.stepEnd(id, call.payload);
      if (end === undefined) return this.#askFor(call, learner);
      const { view } = this.parts;
      const recorded = this.#recorded;
      const result = () => recordedResult(call, end.ended, { view, recorded });
      if (!recorded.isAskedAgain(id)) return this.#learning.give(learner, result, end.place);
      // Its result may be gone, and then it is made again.
      this.#learning.put(end.place, async () => {
        await result().then((value) => this.#learning.resolve(learner, value), () => {
          this.#askFor(call, learner);
        });
      });
    });
  }

  #askFor(call: StepCall, learner: Learner): void {
    const { engine } = this.#engineFor(call.id);
    const { id, payload, eventRetry: retry, maxAttempts } = call;
    this.#steps.set(id, { call, learner });
    engine.ask(id, payload, defined({ retry, maxAttempts })).catch((error) => {
      this.#steps.delete(id);
      this.#learning.reject(learner, error);
    });
  }

  /** Waits until a time, or for so many milliseconds from when that was first asked for. */
  sleep(id: string, until: number | Date): Promise<unknown> {
    return this.#learn(id, (learner) => {
      const untilFrom = untilOf(id, until);
      const end = this.#recorded.waitEnd(id, "sleep");
      if (end !== undefined) return this.#learning.give(learner, () => undefined, end.place);
      if (this.#wasLeft(id)) return this.#refuseLast(id, learner);
      const { engine } = this.#engineFor(id);
      const onTold = () => this.#learning.give(learner, () => undefined);
      void engine.waits.sleep(id, untilFrom, { onTold });
    });
  }

  /** Waits until somebody passes a gate. */
  waitFor(gate: string, options: WaitForOptions = {}): Promise<unknown> {
    return this.#learn(gate, (learner) => {
      const { schema, timeoutMs } = checkWaitOptions(options);
      const end = this.#recorded.waitEnd(gate, "gate");
      const valueOf = (waited: WaitedRecord, asks: number) => {
        return valueOfGate(waited, { schema, asks, recorded: this.#recorded });
      };
      if (end?.waited !== undefined) {
        const { waited, place } = end;
        const asks = this.#recorded.asksOf(gate);
        return this.#learning.give(learner, () => valueOf(waited, asks), place);
      }
      if (this.#wasLeft(gate)) return this.#refuseLast(gate, learner);
      const { engine } = this.#engineFor(gate);
      const onTold = (waited: WaitedRecord, asks: number) => {
        this.#learning.give(learner, () => valueOf(waited, asks));
      };
      void engine.waits.wait(gate, { timeoutMs, check: checkOf(schema), onTold });
    });
  }

  /** Records something of the program's own, once. */
  record(id: string, data: unknown): Promise<unknown> {
    return this.#learn(id, (learner) => {
      const what = `the record ${JSON.stringify(id)}`;
      const text = textForLine(data, {
        what,
        details: { nodeId: id },
        mostBytes: MOST_INPUT_BYTES,
      });
      const give = (place?: number) => this.#learning.give(learner, () => undefined, place);
      const place = this.#recorded.placeOfRecord(id);
      if (place !== undefined) return give(place);
      const { engine } = this.#engineFor(id);
      const note = { type: "record", id, data: JSON.parse(text ?? "null") } as const;
      const noted = engine.session.note({ ...note, at: engine.timers.now() });
      noted.catch((error) => engine.fail(error));
      engine.teller.tell({ then: () => give() });
    });
  }

  /** Hands work to the supervisor, which has the invoker of the program do it. */
  async submit(id: string, payload: Record<string, unknown>): Promise<void> {
    this.#checkId(id, "submit");
    const text = payloadText(id, payload);
    this.#ids.add(id);
    if (this.#recorded.hasCompleted(id)) return;
    const { engine } = this.#engineFor(id);
    if (this.parts.invoker === undefined) {
      throw new TypeError(
        `Cannot submit ${JSON.stringify(id)}: the run was opened without an invoker`,
      );
    }
    this.#work.add(id);
    await engine.ask(id, text);
    if (this.parts.durability === "disk") await engine.session.barrier();
  }

  /** Has somebody learn something, unless the run is over or is to end. */
  #learn(id: string, begin: (learner: Learner) => void): Promise<unknown> {
    const learner = this.#learning.begin();
    try {
      this.#checkId(id, "ask for");
      begin(learner);
      this.#ids.add(id);
    } catch (error) {
      this.#learning.reject(learner, error);
    }
    return learner.promise;
  }

  /** Refuses an id for something that is asked for now. */
  #checkId(id: string, verb: string): void {
    const problem = idProblem(id);
    const what = `Cannot ${verb} ${JSON.stringify(id)}`;
    if (problem !== undefined) throw new TypeError(`${what}: ${problem}`);
    if (this.signal.aborted) {
      this.#isCut = true;
      throw this.signal.reason;
    }
    if (this.#isOver) throw new TypeError(`${what}: the run is over`);
    if (this.#calling !== undefined) {
      const outer = JSON.stringify(this.#calling);
      throw new TypeError(`${what} inside of the step ${outer}: ask for it when that is over`);
    }
    if (this.#ids.has(id)) {
      const remedy = "a step, a sleep, a gate or a record needs an id of its own";
      throw new TypeError(`${what} twice: ${remedy}`);
    }
  }

  /** Whether a run that has completed was still waiting for something. */
  #wasLeft(id: string): boolean {
    return this.#atWork === undefined && this.#recorded.isWaiting(id);
  }

  /** The program that has completed had no need for it: it is refused behind all that it had. */
  #refuseLast(id: string, learner: Learner): void {
    learner.promise.catch(() => {});
    this.#learning.give(learner, () => this.#engineFor(id));
  }

  #engineFor(id: string): AtWork {
    if (this.#atWork !== undefined) return this.#atWork;
    const { runId } = this.parts.view;
    const problem = `Cannot begin ${JSON.stringify(id)}: the run ${runId} has completed without it`;
    throw runError("mismatch", problem, {
      details: { runId, nodeId: id },
      remedy: "begin a new run for another program",
    });
  }

  async #invoke(
    request: RunRequest,
    { trace, ...attempt }: NodeAttempt & { trace?: TraceParent },
    held: HeldRun,
  ): Promise<AttemptEnd> {
    const { root, invoker } = this.parts;
    const step = this.#steps.get(attempt.nodeId);
    if (step === undefined) return await invokeRecorded(invoker!, request, attempt);
    let made: Promise<AttemptEnd>;
    this.#calling = attempt.nodeId;
    try {
      made = step.call.run(request, attempt, { held, root, stop: this.signal, trace });
    } finally {
      this.#calling = undefined;
    }
    return await made;
  }

  #take(decided: Decided): void {
    const { nodeId, decision, termination } = decided;
    const isFailure = decision === "Finish" && termination !== null &&
      termination !== "Completed" && termination !== "Aborted";
    if (this.#atWork === undefined) {
      if (isFailure) this.#failedNow.add(nodeId);
      return;
    }
    // How steps end is told.
    if (!this.#steps.has(nodeId)) this.#work.take(decided, { isStopped: this.signal.aborted });
  }

  /** The last attempt at a step has ended, and that is on disk. */
  #tellEnd({ nodeId, attempt }: NodeAttempt, { termination, end }: AttemptEnd): void {
    const step = this.#steps.get(nodeId);
    if (step === undefined) return;
    this.#steps.delete(nodeId);
    const { call, learner } = step;
    this.#learning.give(learner, () => {
      if (termination === "Completed") return call.givenBy(attempt);
      throw call.failureOf({ attempt, termination, end });
    });
  }

  #rejectAll(reason: unknown): void {
    this.#isCut ||= this.#learning.isAwaited;
    this.#learning.rejectAll(reason);
    this.#steps.clear();
  }

  /** With what the run has ended well, as it is recorded. */
  get output(): unknown {
    return this.#atWork === undefined ? this.#recorded.output : this.#output;
  }

  /** Ends the run well, when all that was asked for is done. */
  finish(value?: unknown): Promise<FinishedRun> {
    return this.#end ??= this.#finish(value);
  }

  /**
   * The same for a program that has no use for how else it ended.
   *
   * @throws {RunError} When it was stopped, or some of the submitted work did not complete.
   */
  async finishWell(value: unknown): Promise<void> {
    const { state } = await this.finish(value);
    if (typeof state !== "object") return;
    this.signal.throwIfAborted();
    const { runId } = this.parts.view;
    const problem = `The run ${runId} has not completed: ${state.Aborted.reason}`;
    throw runError("stopped", problem, { details: { runId } });
  }

  /** Ends the run because of an error of the program. */
  fail(error: unknown): Promise<FinishedRun> {
    const failed = failedStepOf(error, this.#learning.errors);
    const ending = { reason: messageOf(error), ...defined({ failed }) };
    return this.#end ??= this.#endAs(ending).catch((failure) => {
      // That it could not be written hides no error of the program.
      if (failure === error) throw error;
      throw new SuppressedError(failure, error, messageOf(failure));
    });
  }

  /** Ends a run that nobody has finished. */
  async leave(): Promise<void> {
    if (this.#end !== undefined) return await this.#end.then(() => {}, () => {});
    await (this.#end = this.#endAs({ reason: NOT_FINISHED }));
  }

  async #finish(value: unknown): Promise<FinishedRun> {
    try {
      const { runId } = this.parts.view;
      const what = "what the run ends with";
      const text = textForLine(value, { what, details: { runId }, mostBytes: MOST_INPUT_BYTES });
      this.#output = text === undefined ? undefined : JSON.parse(text);
    } catch (error) {
      await this.#endAs({ reason: messageOf(error) });
      throw error;
    }
    return await this.#endAs(undefined);
  }

  /** Ends the run; `broken`: why it is not to go on, where it could. */
  async #endAs(broken: RunEnding | undefined): Promise<FinishedRun> {
    const { fold, opened } = this.parts;
    try {
      if (this.#atWork !== undefined) await this.#endWork(this.#atWork, broken);
      this.#isOver = true;
    } catch (error) {
      await this.#breakOff(error);
      throw error;
    }
    await opened.disposeAsync();
    return { ...fold.state({ live: false }), unasked: this.#recorded.without(this.#ids) };
  }

  async #endWork(atWork: AtWork, broken: RunEnding | undefined): Promise<void> {
    const { engine, pump, followers } = atWork;
    const wasStopped = this.parts.stop.aborted;
    if (broken !== undefined) {
      const { runId } = this.parts.view;
      const problem = `Cannot go on: ${broken.reason}`;
      this.#halt.abort(runError("stopped", problem, { details: { runId } }));
    }
    await this.#untilDone(atWork);
    this.#isOver = true;
    pump.stop();
    const ending = wasStopped && broken !== undefined
      ? { reason: stopWords(this.parts.stop.reason) }
      : broken ?? this.#ending();
    await engine.withdrawDeferred();
    await engine.end(ending);
    await finishAll(followers, ending.reason);
    // What nobody has waited for.
    this.#rejectAll(runError("stopped", "Cannot go on: the run is over", {}));
  }

  /** How it ends when its program wants it to end well. */
  #ending(): RunEnding {
    const isStopped = this.signal.aborted;
    const ending = this.#work.ending({ isStopped });
    const { reason } = ending;
    const isCancelled = isStopped && (this.#isCut || reason === "cancelled");
    if (isCancelled) return { reason: stopWords(this.signal.reason) };
    return reason === undefined ? { reason, output: this.#output } : ending;
  }

  /** Resolves when nothing runs any more, and nothing was asked for meanwhile. */
  async #untilDone({ engine, pump }: AtWork): Promise<void> {
    const asked = () => this.#ids.size + engine.session.supervisor.inputCount;
    let count: number;
    do {
      count = asked();
      await pump.drained().catch((error) => {
        // A Pump was refused; closing reports anything else.
        if (!engine.stop.aborted) throw error;
      });
      await engine.teller.told();
      await this.#learning.given();
      await microtasks();
      // What was asked for since is to be done too.
    } while (count !== asked());
  }

  /** Records that the run broke off, and lets go of everything. The error says why; what fails here is not reported. */
  async #breakOff(error: unknown): Promise<void> {
    this.#isOver = true;
    const { opened } = this.parts;
    if (this.#atWork !== undefined) {
      const { engine, pump, followers } = this.#atWork;
      pump.stop();
      await engine.breakOff(error);
      await finishAll(followers, messageOf(error)).catch(() => {});
    }
    await opened.disposeAsync().catch(() => {});
  }
}

/** What the records say of a run that was stopped. */
function stopWords(reason: unknown): string {
  const signal = reason instanceof RunError ? reason.details.signal : undefined;
  return signal === undefined ? "cancelled" : `cancelled by ${signal}`;
}
