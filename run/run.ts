import type { Program } from "./program/program.ts";
import type {
  CheckedStepOptions,
  FinishedRun,
  RunView,
  StepContext,
  StepOptions,
  WaitForOptions,
} from "./types.ts";

/**
 * A run of a program: its steps are supervised and recorded, and a program that was killed anywhere goes on
 * where it was. `openRun` and `durable` give it. The command shows such a run as it shows its own: `taffrail
 * show`, `follow`, `logs`, `replay`, `trace`, `verify`.
 *
 * What the program asks for by an id is asked for once in a run: a step, a sleep, a gate, a record. From a stop
 * on, by a signal or by whatever keeps the run from being recorded, every call that waits and every later one
 * rejects with the reason of {@linkcode Run.signal}, and records nothing.
 *
 * @example A program that is gone on with
 * ```ts
 * import { openRun } from "@taffrail/taffrail/run";
 * import { assertEquals } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * const begun: string[] = [];
 * async function work() {
 *   await using run = await openRun({ root, runId: "import-1", name: "import" });
 *   const files = await run.step("list", () => {
 *     begun.push("list");
 *     return ["a.csv", "b.csv"];
 *   });
 *   if (begun.length === 1) return; // What is left without `finish` is unfinished.
 *   for (const file of files) {
 *     await run.step(`import ${file}`, () => void begun.push(file), { input: { file } });
 *   }
 *   return await run.finish({ files: files.length });
 * }
 * assertEquals(await work(), undefined);
 * begun.push("again");
 * assertEquals((await work())?.state, "Completed");
 * assertEquals(begun, ["list", "again", "a.csv", "b.csv"]);
 * ```
 */
export class Run implements AsyncDisposable {
  /** The run's id. */
  readonly runId: string;
  /** The records of the run, as anybody can read them. */
  readonly view: RunView;
  readonly #program: Program;

  /** @internal */
  constructor(program: Program) {
    this.#program = program;
    this.view = program.parts.view;
    this.runId = this.view.runId;
  }

  /**
   * Aborts when the run is to end: by SIGINT, SIGTERM or SIGHUP, by the signal that it was opened with, or since
   * it cannot be recorded any more.
   */
  get signal(): AbortSignal {
    return this.#program.signal;
  }

  /**
   * Does a piece of work, once: when its end is recorded, its recorded result is given and the function is not
   * called again. One that was cut off, by a kill or a power cut, is called again when the run is gone on with.
   *
   * @typeParam T What the step gives: JSON, or nothing.
   * @typeParam I What the step is about.
   * @param id The step's name, of which there is one in a run. It is not blank, does not begin with `:`, does
   * not end with `#` and digits, and has at most 1,000 characters.
   * @param work Does the work. What it returns has to be JSON: what that would change, such as a `Date`, is a
   * failure that is not tried again. It may be `undefined`.
   * @param options What the step is about, how it is tried again, how long it may take.
   * @returns What the function gave, as it is recorded: a copy. It is on disk when this resolves.
   * @throws {StepError} When it has failed for good, now or as it is recorded.
   * @throws {RunError} `mismatch`, when it is recorded with another input; `damaged`, when its result is gone;
   * `not-json` and `too-large`, of its input; otherwise why the run was stopped.
   * @throws {TypeError} When the id is none or was used before, a step is asked for by the function of another
   * one before that awaits anything, or an option is of the wrong type.
   * @throws {RangeError} When an option is out of range.
   *
   * @example Tried again, and given up
   * ```ts
   * import { durable } from "@taffrail/taffrail/run";
   * import { assertEquals } from "@std/assert";
   *
   * const seen: number[] = [];
   * const result = await durable({ root: Deno.makeTempDirSync(), name: "fetch" }, (run) =>
   *   run.step("page", ({ attempt, input }) => {
   *     seen.push(attempt);
   *     if (attempt < 3) throw new Error("busy");
   *     return { status: 200, url: input.url };
   *   }, { input: { url: "https://example.com/" }, retry: { maxRetries: 5 } }));
   * assertEquals(result, { status: 200, url: "https://example.com/" });
   * assertEquals(seen, [1, 2, 3]);
   * ```
   */
  step<T, I = undefined>(
    id: string,
    work: (context: StepContext<I>) => unknown,
    options: CheckedStepOptions<T, I>,
  ): Promise<T>;
  /**
   * The same of a step whose result no schema checks.
   *
   * @typeParam T What the step gives: JSON, or nothing.
   * @typeParam I What the step is about.
   * @param id The step's name.
   * @param work Does the work.
   * @param options What the step is about, how it is tried again, how long it may take.
   * @returns What the function gave, as it is recorded.
   */
  step<T, I = undefined>(
    id: string,
    work: (context: StepContext<I>) => T | Promise<T>,
    options?: StepOptions<I>,
  ): Promise<T>;
  step<T, I>(
    id: string,
    work: (context: StepContext<I>) => unknown,
    options?: StepOptions<I> | CheckedStepOptions<T, I>,
  ): Promise<T> {
    return this.#program.step(id, work as (context: StepContext) => unknown, options) as Promise<T>;
  }

  /**
   * Waits. Until when is fixed when it is first asked for: a run that is gone on with waits for what is left.
   *
   * @param id The name of the wait, as of a step.
   * @param until How long, in milliseconds, or until when.
   * @returns A promise that resolves when the time has come, and that is on disk.
   * @throws {TypeError} When the id is none or was used before.
   * @throws {RangeError} When it is no time.
   * @throws {RunError} Why the run was stopped.
   *
   * @example Usage
   * ```ts
   * import { durable } from "@taffrail/taffrail/run";
   *
   * await durable({ root: Deno.makeTempDirSync(), name: "settle" }, async (run) => {
   *   await run.sleep("settle", 10);
   *   await run.sleep("past", new Date(0));
   * });
   * ```
   */
  sleep(id: string, until: number | Date): Promise<void> {
    return this.#program.sleep(id, until) as Promise<void>;
  }

  /**
   * Waits until somebody passes a gate: by `taffrail pass RUN GATE --value JSON`, or by `passGate`. It may be
   * passed before it is waited for, and while the program does not run.
   *
   * @typeParam T The value that comes with it.
   * @param gate The name of the gate, as of a step.
   * @param options What the value has to be, and how long to wait at most.
   * @returns The value; `undefined` where none was given. That it was passed is on disk when this resolves.
   * @throws {StepError} When it was denied, or nobody has passed it in time: the `code` of its cause is
   * `gate-denied` or `gate-timeout`.
   * @throws {RunError} `mismatch`, when the recorded value is not what the schema says; otherwise why the run was
   * stopped.
   * @throws {TypeError} When the name is none or was used before.
   * @throws {RangeError} When `timeoutMs` is out of range.
   *
   * @example Usage
   * ```ts
   * import { durable, passGate } from "@taffrail/taffrail/run";
   * import { assertEquals } from "@std/assert";
   *
   * const root = Deno.makeTempDirSync();
   * const by = await durable({ root, name: "deploy" }, async (run) => {
   *   await passGate(root, run.runId, "approved", { value: { by: "ada" } });
   *   return (await run.waitFor<{ by: string }>("approved")).by;
   * });
   * assertEquals(by, "ada");
   * ```
   */
  waitFor<T = unknown>(gate: string, options?: WaitForOptions<T>): Promise<T> {
    return this.#program.waitFor(gate, options) as Promise<T>;
  }

  /**
   * Records something of the program's own in the journal of the run, once: where it is recorded already,
   * nothing is. `taffrail show` and `follow` tell it; nothing depends on it.
   *
   * @param id The name of the record, as of a step.
   * @param data What to record: JSON of at most 2 MiB.
   * @returns A promise that resolves when that is on disk.
   * @throws {TypeError} When the id is none or was used before.
   * @throws {RunError} `not-json` or `too-large`; otherwise why the run was stopped.
   *
   * @example Usage
   * ```ts
   * import { durable } from "@taffrail/taffrail/run";
   *
   * await durable({ root: Deno.makeTempDirSync(), name: "import" }, async (run) => {
   *   await run.record("source", { host: "db1", rows: 1200 });
   * });
   * ```
   */
  record(id: string, data: unknown): Promise<void> {
    return this.#program.record(id, data) as Promise<void>;
  }

  /**
   * Hands work to the supervisor, which has the invoker of the run do it when the constraints allow it: for
   * work that comes by events, and of which nobody awaits a result. Work that has completed, when the run is
   * gone on with, is not done again.
   *
   * @param id The work's name, as of a step.
   * @param payload What the invoker gets as `payload`, and the recording keeps: a JSON object. What JSON
   * would change without a word, such as NaN or a `Map`, is refused.
   * @returns A promise that resolves when it is decided on, not when it is done.
   * @throws {TypeError} When the id is none or was used before, the payload is no JSON object, the run has no
   * invoker, or has been finished.
   * @throws {ExternalEventPayloadError} When the payload cannot be recorded.
   * @throws {RangeError} When the payload has more than 2 MiB.
   * @throws {Error} What the run broke off with, or the reason of the signal that ended it.
   */
  submit(id: string, payload: Record<string, unknown> = {}): Promise<void> {
    return this.#program.submit(id, payload);
  }

  /**
   * Waits until all steps and all submitted work are done, seals the recording, and closes everything, whatever
   * happens. More may be asked for meanwhile. Sleeps and gates are not waited for: who still waits there is told
   * that the run is over. Called again, it gives the same promise. Of a run that has completed before, it changes
   * nothing.
   *
   * When something could not be recorded the run breaks off there: what still runs is asked to stop and not
   * waited for, and the log gets its end if that is possible. `taffrail verify` looks at such a run as at
   * any other. What is made from the journal and the log, the bundle and the store, breaks nothing off: where
   * it could not be written this rejects when everything else is done, and `taffrail repair` makes it.
   *
   * @param value What the run gives: JSON of at most 2 MiB, or nothing.
   * @returns What became of the run: `Aborted` when some of the submitted work did not complete, or the run was
   * stopped before.
   * @throws {RunError} `not-json` or `too-large`, of the value: the run is then unfinished; otherwise when the
   * journal, the log, the bundle or the store could not be written.
   * @throws {TypeError} When it is called from inside the invoker, where it would wait for itself. The
   * run breaks off.
   */
  finish(value?: unknown): Promise<FinishedRun> {
    return this.#program.finish(value);
  }

  /**
   * Ends a run that was not finished, which can be gone on with: what runs is asked to stop. After
   * {@linkcode Run.finish}, whose caller knows how that went, it only waits for its end.
   */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#program.leave();
  }
}
