/**
 * The flight recorder, and what is always true of it.
 *
 * - **A step is in one place.** `StepRecorder` makes it at a start and keeps it in flight
 *   (`StepsInFlight`) until its end moves it to the buffer, which holds the newest `bufferSize` of them
 *   (`StepBuffer`, both in `step_buffer.ts`). Nothing else holds steps.
 * - **What is recorded is taken at once.** Of a payload the JSON text is kept, never the object, so what
 *   the program does to it later changes nothing. Redaction happens before that. Digests are computed
 *   when a state is written, or when `bufferBytes` forces a text to be given up.
 * - **A state is that of the call.** A flush renders the file before it returns to its caller, and only
 *   then waits for the disk (`TraceWriter`). Each state has a number, and one that is ready late never
 *   replaces a newer one (`TraceFile`).
 * - **It is safe to die at every line.** The file is replaced as a whole, so that a reader finds the old
 *   state or the new one. No lock is held between calls; a temporary file that a killed process left is
 *   swept by the next recorder of that directory.
 * - **The program comes first.** Nothing here throws into it once a recorder is made, but for bad
 *   arguments: a failed write is returned, kept in `lastWriteError`, given to `onWriteError`, and made up
 *   for by the next flush, since `TraceWriter` counts the changes that are in the file, not the flushes.
 */
import { denoFilePort, type FilePort } from "../_internal/file_port.ts";
import { createUlid } from "../_internal/root_layout.ts";
import { basename, join } from "../_internal/path.ts";
import { StepRecorder } from "./step_recorder.ts";
import {
  completeConfig,
  type ProgramEnd,
  type TraceClock,
  type TraceFlush,
  type TraceRecorderOptions,
} from "./trace_config.ts";
import type { TraceFileError } from "./trace_file_error.ts";
import { type FlushRequest, TraceWriter } from "./trace_writer.ts";
import type { ExecutionObserver, NodeEvent, TraceConfig, ValidationIssue } from "./types.ts";

const SYSTEM_CLOCK: TraceClock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};

const NOT_IN_THIS_MODE: FlushRequest = { outcome: "skipped", why: "mode" };
const UNCHANGED: FlushRequest = { outcome: "skipped", why: "unchanged" };

/** The file system of a recorder that is not to write to the real one. Nobody outside has this key. */
const PORT = Symbol("port");

/** Makes a recorder that writes to a given file system. */
export function recorderOnPort(port: FilePort, options: TraceRecorderOptions): TraceRecorder {
  const withPort: OptionsWithPort = { ...options, [PORT]: port };
  return new TraceRecorder(withPort);
}

type OptionsWithPort = TraceRecorderOptions & { [PORT]?: FilePort };

/**
 * Keeps the newest steps of a flow in memory, with those in flight, and writes them to one file: when a
 * node or the flow fails, when the program asks, when it dies (`installCrashFlush`), and in mode
 * `"always"` on success (TRC-5 to TRC-12). Recording never changes what the program does: a trace that
 * cannot be written is reported by the result of the flush, {@linkcode TraceRecorder.lastWriteError} and
 * `onWriteError`, and nothing is thrown (TRC-18).
 *
 * The text of a payload is taken when a step starts or ends, so later changes of the object do not reach
 * it. A value that has no JSON text, or has a part of which JSON would leave nothing but `{}`, such as a
 * Map, gets an issue `not_json` that names the place, and the digest of `null` (W-TRC-12).
 *
 * The file always holds the newest state (W-TRC-4). When it takes the place of a state after an earlier
 * failure of the same run, that one is kept as a numbered file beside it, the first `maxSnapshots` of
 * them. In mode `"on"` a success leaves the file as it is: whether it is of this run say its `run_id` and
 * `written_at` (W-TRC-13).
 *
 * Of several attempts of a flow all steps are on record, each with its `attempt` (TRC-20). One recorder
 * is for one run of one flow; a session that is resumed has a new one, and with `{run_id}` in `outPath`
 * a file of its own (TRC-17, TRC-19).
 *
 * @example Usage
 * ```ts
 * import { readTrace, TraceRecorder } from "@taffrail/taffrail/trace";
 * import { assertEquals } from "@std/assert";
 *
 * const recorder = new TraceRecorder({
 *   config: { outPath: `${await Deno.makeTempDir()}/trace.json` },
 *   context: { pack_ref: "demo", flow_id: "demo.flow", flow_version: "1.0.0" },
 * });
 * const event = {
 *   context: { flow_id: "demo.flow", attempt: 1 },
 *   node_id: "fetch",
 *   node: { component_id: "http", operation_name: "get" },
 *   payload: { url: "https://example.com" },
 *   execution_id: "fetch-1",
 * };
 * recorder.onNodeStart(event);
 * recorder.onNodeError(event, new Error("boom", { cause: new Error("no route") }));
 *
 * const { steps, run_id } = await readTrace(recorder.path);
 * assertEquals(run_id, recorder.runId);
 * assertEquals(steps[0]?.error?.details, [
 *   { name: "Error", message: "boom" },
 *   { name: "Error", message: "no route" },
 * ]);
 * ```
 */
export class TraceRecorder implements ExecutionObserver {
  /** The id of the run, as in the file. */
  readonly runId: string;
  /** The file. */
  readonly path: string;
  /** What was asked for, and the defaults. */
  readonly config: Readonly<TraceConfig>;
  readonly #isOff: boolean;
  readonly #steps: StepRecorder;
  readonly #writer: TraceWriter;

  /**
   * Makes a recorder. Nothing is written before there is something to tell.
   *
   * @param options What is recorded, and how.
   * @throws {TypeError} If the mode is none.
   * @throws {RangeError} If a bound is none.
   */
  constructor(options: TraceRecorderOptions) {
    const { redact, clock = SYSTEM_CLOCK, onWriteError } = options;
    const context = { ...options.context };
    const config = completeConfig(options.config);
    this.config = config;
    this.runId = options.runId ?? createUlid(Date.now());
    this.path = pathOf(config.outPath, { run_id: this.runId, flow_id: context.flow_id });
    this.#isOff = config.mode === "off";
    this.#steps = new StepRecorder({ config, redact, clock });
    const { [PORT]: port = denoFilePort }: OptionsWithPort = options;
    this.#writer = new TraceWriter({
      port,
      path: this.path,
      config,
      context,
      runId: this.runId,
      clock,
      startedAtMs: clock.wallMs(),
      steps: this.#steps,
      onWriteError,
    });
  }

  /** How many steps are in flight. */
  get stepsInFlight(): number {
    return this.#steps.inFlight.size;
  }

  /** Why the newest flush that had something to write could not; undefined if it could. */
  get lastWriteError(): TraceFileError | undefined {
    return this.#writer.lastError;
  }

  /**
   * Records that a node starts (TRC-6).
   *
   * @param event What starts.
   */
  onNodeStart(event: NodeEvent): void {
    if (!this.#isOff) this.#steps.start(event);
  }

  /**
   * Records that a node has ended. An end without a start is recorded by what the event says (TRC-7).
   *
   * @param event What has ended: see {@linkcode NodeEvent.execution_id} for how it is found.
   * @param output What it gave; undefined is recorded as `null`.
   */
  onNodeEnd(event: NodeEvent, output: unknown): void {
    if (!this.#isOff) this.#steps.end(event, output);
  }

  /**
   * Records that a node has failed, with the whole chain of causes, and writes the trace at once (TRC-8,
   * W-TRC-9). That blocks for as long as the disk needs, so that the trace is there even if the program
   * ends in the same turn.
   *
   * **Durability** and **Permissions**: as {@linkcode TraceRecorder.flushError}.
   *
   * @param event What has failed.
   * @param error What it threw, of whatever kind.
   */
  onNodeError(event: NodeEvent, error: unknown): void {
    if (this.#isOff) return;
    this.#steps.fail(event, error);
    this.#writer.flushSync("error");
  }

  /**
   * Adds issues to the step in flight that the event is about; without one they are dropped (TRC-9).
   *
   * @param event What has the issues.
   * @param issues The issues.
   */
  onValidation(event: NodeEvent, issues: readonly ValidationIssue[]): void {
    if (!this.#isOff && issues.length > 0) this.#steps.addIssues(event, issues);
  }

  /**
   * The flow has succeeded: in mode `"always"` the trace is written (TRC-11); in mode `"on"` only one
   * that could not be written before.
   *
   * **Durability** and **Permissions**: as {@linkcode TraceRecorder.flushError}.
   *
   * @returns What became of it.
   */
  flushSuccess(): Promise<TraceFlush> {
    return this.#writer.flush(this.#requestAtSuccess());
  }

  /** {@linkcode TraceRecorder.flushSuccess}, blocking. */
  flushSuccessSync(): TraceFlush {
    return this.#writer.flushSync(this.#requestAtSuccess());
  }

  /**
   * The flow has failed. An error that a failed node has reported already, or that has one of those as its
   * cause, adds nothing (TRC-14). As reported counts the same object; and until another step starts the text
   * of the newest failure, alone or at the end behind a colon and a space. Any other is put on the step
   * in flight, or, where there is none, or it might be any of several, or a node has failed beside it, on
   * a step `unknown` of its own (TRC-12, TRC-21). With extras off it is put on the step in flight that
   * started last.
   *
   * **Durability**: `"disk"`. Once this says `written`, the file and its name survive a power cut, the
   * directories that it created too. Whoever reads meanwhile finds the old file or the new one.
   *
   * **Permissions**: `--allow-read` and `--allow-write` for the directory of the file, and, where it
   * creates directories, for the one that it creates them in.
   *
   * @param error What failed it, of whatever kind.
   * @returns What became of it. Nothing is thrown.
   */
  flushError(error: unknown): Promise<TraceFlush> {
    return this.#writer.flush(this.#requestAtError(error, "error"));
  }

  /** {@linkcode TraceRecorder.flushError}, blocking. */
  flushErrorSync(error: unknown): TraceFlush {
    return this.#writer.flushSync(this.#requestAtError(error, "error"));
  }

  /**
   * Writes what is known now, whatever the mode but `"off"`.
   *
   * **Durability** and **Permissions**: as {@linkcode TraceRecorder.flushError}.
   *
   * @returns What became of it.
   */
  flushBuffer(): Promise<TraceFlush> {
    return this.#writer.flush(this.#isOff ? NOT_IN_THIS_MODE : "demand");
  }

  /** {@linkcode TraceRecorder.flushBuffer}, blocking. */
  flushBufferSync(): TraceFlush {
    return this.#writer.flushSync(this.#isOff ? NOT_IN_THIS_MODE : "demand");
  }

  /** @internal */
  flushAtEndSync(end: ProgramEnd): TraceFlush {
    return this.#writer.flushSync(this.#requestAtEnd(end));
  }

  #requestAtSuccess(): FlushRequest {
    if (this.config.mode === "always") return "success";
    return this.#writer.lastError === undefined ? NOT_IN_THIS_MODE : "error";
  }

  #requestAtError(error: unknown, reason: "error" | "crash"): FlushRequest {
    if (this.#isOff) return NOT_IN_THIS_MODE;
    this.#steps.failFlow(error);
    return this.#writer.isBehind ? reason : UNCHANGED;
  }

  #requestAtEnd(end: ProgramEnd): FlushRequest {
    if (end.reason === "crash") return this.#requestAtError(end.error, "crash");
    if (this.#isOff) return NOT_IN_THIS_MODE;
    // A program that is sent a signal may hang: what it does now is worth knowing in any case.
    if (end.reason !== "exit") return end.reason;
    const isMissing = this.config.mode === "always"
      ? this.#writer.isBehind
      : this.#writer.lastError !== undefined;
    return isMissing || this.stepsInFlight > 0 ? "exit" : UNCHANGED;
  }
}

/** The file that a path stands for: see {@linkcode TraceConfig.outPath}. */
function pathOf(outPath: string, names: Record<"run_id" | "flow_id", string>): string {
  const path = outPath.replaceAll(
    /\{(run_id|flow_id)\}/g,
    (_, name: "run_id" | "flow_id") => names[name].replaceAll(/[^A-Za-z0-9_-]/g, "_"),
  );
  const name = basename(path);
  const isFile = path.endsWith(name) && !["", ".", ".."].includes(name) && !/^[/\\]$/.test(name);
  return isFile ? path : join(path, "trace.json");
}
