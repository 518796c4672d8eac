import { checkFunction } from "../_internal/errors.ts";
import type { Program } from "./program/program.ts";
import type { OpenRunOptions } from "./program/program_options.ts";
import { Run } from "./run.ts";

/**
 * Begins a run of a program, or goes on with one: a supervisor decides what starts when, its inputs and
 * decisions go to a capture journal, the lifecycle to an event log, each attempt to the store as a
 * worker and to the trace as a step. Most programs are written with {@linkcode durable}, which also ends the run.
 *
 * While the run is open SIGINT, SIGTERM and SIGHUP stop it, and the program does not end by them: its calls
 * reject, and it is for the program to end. A second signal ends it as it would without a run.
 *
 * **Durability**: what happens is in the capture journal first, and on disk there before the log has it, and
 * the store and the trace behind that. After a power cut nothing that was told is lost; a function that ran
 * may have left no record, and runs again when the run is gone on with.
 *
 * **Permissions**: `--allow-read` and `--allow-write` for the root. `TAFFRAIL_RESUME` and `TAFFRAIL_WITHIN` are
 * read where `--allow-env` allows it.
 *
 * @param options What to run, and where to record it.
 * @returns The run.
 * @throws {TypeError} When an option is missing, of the wrong type or not allowed; the message names it.
 * @throws {RangeError} When a number of the constraints is out of range.
 * @throws {RunError} `live` when somebody works on the run; `mismatch` when it is of another program or version;
 * `damaged` and `format` when its records cannot be gone on with; otherwise when it cannot be recorded there.
 *
 * @example Work that comes by events
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
  return new Run(await openProgram(options));
}

/**
 * Runs a program that survives being killed: its steps are recorded, and when it is started again with the same
 * `runId` (or `resume: "newest"`) it goes on where it was. What the program returns ends the run; what it throws
 * ends it as unfinished, and going on with it asks again for the step that has failed.
 *
 * The program is to come to the same steps by the same results: what it does outside of steps, such as looking at
 * the clock, it does again. At SIGINT, SIGTERM and SIGHUP the run is stopped, and this rejects; the process is not
 * ended.
 *
 * **Durability**: the result of a step is on disk before the program gets it, and what the program returns before
 * this resolves.
 *
 * **Permissions**: as {@linkcode openRun}.
 *
 * @typeParam T What the program returns: JSON, or nothing.
 * @param options What to run, and where to record it.
 * @param program The program.
 * @returns What the program has returned, as it is recorded; of a run that has completed before what it had
 * returned then.
 * @throws {StepError} When a step has failed and the program has not caught that, as with everything that it
 * throws.
 * @throws {RunError} `stopped` when the run was stopped by a signal; otherwise as {@linkcode openRun}.
 *
 * @example A program that fails half-way, and goes on
 * ```ts
 * import { durable } from "@taffrail/taffrail/run";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * let charged = 0;
 * let isUp = false;
 * const order = () =>
 *   durable({ root, runId: "order-17", name: "order" }, async (run) => {
 *     const receipt = await run.step("charge", () => ({ number: ++charged }));
 *     await run.step("mail", () => {
 *       if (!isUp) throw new Error("no connection");
 *     });
 *     return receipt;
 *   });
 * await assertRejects(order, Error, "no connection");
 * isUp = true;
 * assertEquals(await order(), { number: 1 });
 * assertEquals(await order(), { number: 1 }); // It has completed: nothing runs.
 * ```
 */
export async function durable<T>(
  options: OpenRunOptions,
  program: (run: Run) => T | Promise<T>,
): Promise<T> {
  checkFunction(program, "the program");
  // What was stopped before it began is none.
  if (options?.signal?.aborted) throw options.signal.reason;
  const opened = await openProgram(options);
  const run = new Run(opened);
  const stopped = untilStopped(opened.signal);
  let value: T;
  try {
    // A program that does not look at its signal is not waited for.
    value = await Promise.race([callProgram(program, run), stopped.promise]);
  } catch (error) {
    const reason = opened.signal.aborted ? opened.signal.reason : error;
    await opened.fail(reason);
    throw reason;
  } finally {
    stopped[Symbol.dispose]();
  }
  await opened.finishWell(value);
  return opened.output as T;
}

/** What a run takes is loaded with the first one: a program that only may run something starts without it. */
async function openProgram(options: OpenRunOptions): Promise<Program> {
  return await (await import("./program/open_program.ts")).openProgram(options);
}

async function callProgram<T>(program: (run: Run) => T | Promise<T>, run: Run): Promise<T> {
  return await program(run);
}

/** Rejects with the reason of a signal once it has aborted. */
function untilStopped(signal: AbortSignal): Disposable & { promise: Promise<never> } {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => {});
  const onAbort = () => reject(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  return { promise, [Symbol.dispose]: () => signal.removeEventListener("abort", onAbort) };
}
