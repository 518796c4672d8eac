import { checkFunction } from "../_internal/errors.ts";
import { hashJsonText } from "./hash_value.ts";
import { type RedactTrace, takeText } from "./payload.ts";
import { checkTraceShape, findHashProblem } from "./read_trace.ts";
import { recordedPayload, resolveTraceCall, type TraceCall } from "./invocation.ts";
import type { TraceEnvelope, TraceStep } from "./types.ts";

/** What comes with a call besides what {@linkcode resolveTraceCall} tells. */
export interface TraceCallContext {
  /** The step's place in the trace, from 1. */
  step: number;
  /** The step as it was recorded. */
  recorded: TraceStep;
  /** The signal of the replay. */
  signal: AbortSignal | undefined;
}

/** Does what a step did, and returns its output: anything that JSON can say. */
export type ExecuteTraceCall = (
  call: Exclude<TraceCall, { kind: "none" }>,
  context: TraceCallContext,
) => unknown;

/** Options of {@linkcode replayTrace}. */
export interface ReplayTraceOptions {
  /**
   * Stop at the first step that is recorded as failing.
   *
   * @default {true}
   */
  untilFailure?: boolean;
  /** Replay this step only, from 1; 0 is the first too (TRP-7). */
  step?: number;
  /**
   * Compare the digests of inputs and outputs.
   *
   * @default {true}
   */
  compareHashes?: boolean;
  /** The redactor of the recording, since recorded digests are those of redacted values. */
  redact?: RedactTrace;
  /** Breaks the replay off: it rejects with the signal's reason. */
  signal?: AbortSignal;
}

/**
 * How a step went:
 * - `matches`: its output has the recorded digest
 * - `diverges`: its output has another digest, or the recorded failure did not come again
 * - `missing-hash`: it has an output, and none is recorded to compare it with
 * - `not-compared`: it has an output, and `compareHashes` is off
 * - `skipped`: it has no `invocation_json`, and was not replayed
 * - `failed-again`: it failed, as it is recorded
 * - `failed`: it failed, and is not recorded as failing
 */
export type TraceReplayOutcome =
  | "matches"
  | "diverges"
  | "missing-hash"
  | "not-compared"
  | "skipped"
  | "failed-again"
  | "failed";

/** What the replay of one step found. */
export interface TraceStepReplay {
  /** The step's place in the trace, from 1. */
  step: number;
  /** The node. */
  node_id: string;
  /** The component. */
  component_id: string;
  /** The operation. */
  operation: string;
  /** How it went. */
  outcome: TraceReplayOutcome;
  /** The recorded digest of the output, where there is one. */
  expected?: string;
  /** The digest of the replay's output, when it was compared. */
  actual?: string;
  /** Only where the recorded payload has not the recorded digest: the file was changed. */
  input?: { expected: string; actual: string };
  /** What the step failed with in the replay. */
  error?: unknown;
  /** What the original program prints for this step, line by line, and a line more for `input`. */
  lines: string[];
}

/** What a replay found. */
export interface TraceReplay {
  /** Whether nothing went otherwise. Steps that were skipped or not compared say nothing. */
  ok: boolean;
  /** The steps that were looked at, in their order. */
  steps: TraceStepReplay[];
  /** How many steps were replayed: with 0, `ok` proves nothing. */
  replayed: number;
  /** Whether the replay got past the last step of the trace, which may have been skipped (TRP-6). */
  reachedEnd: boolean;
}

/**
 * Does the steps of a trace again, one after the other, and compares their outputs with what was recorded
 * (TRP-1 to TRP-7). A trace has inputs only if it was recorded with `captureInputs`.
 *
 * The replay ends at a step that fails, at one that is recorded as failing (with `untilFailure` off only if
 * it is not, so that it fails anew), or at the end of the trace. Beyond the original program, the digest of
 * the recorded input is checked too, a failure that comes again is distinguished from a new one, and a
 * divergence is in the result (W-TRC-11).
 *
 * **Permissions**: none but those of `execute`.
 *
 * @param trace The trace.
 * @param execute Does what a step did. It is not called for steps whose call is `none`.
 * @param options How to replay.
 * @returns What was found.
 * @throws {TypeError} When the trace is none, or a digest of it is not of a known algorithm; `readTrace`
 * has checked.
 * @throws {RangeError} When `step` is no integer from 0, or beyond the trace.
 *
 * @example Usage
 * ```ts
 * import { hashValue, replayTrace } from "@taffrail/taffrail/trace";
 * import { assertEquals } from "@std/assert";
 *
 * const trace = {
 *   trace_version: 1,
 *   pack: { pack_ref: "demo" },
 *   flow: { id: "demo.flow", version: "0.0.0" },
 *   steps: [{
 *     node_id: "shout",
 *     component_id: "upper",
 *     operation: "run",
 *     input_hash: hashValue("hello"),
 *     invocation_json: { component_id: "upper", operation: "run", payload: "hello" },
 *     output_hash: hashValue("HELLO"),
 *     duration_ms: 1,
 *   }],
 * };
 *
 * const same = await replayTrace(trace, ({ input }) => String(input).toUpperCase());
 * assertEquals(same.ok, true);
 * assertEquals(same.steps.flatMap(({ lines }) => lines), [
 *   "step 1: upper run",
 *   "  output hash matches",
 *   "  reached end of trace",
 * ]);
 *
 * const other = await replayTrace(trace, ({ input }) => `${input}!`);
 * assertEquals([other.ok, other.steps[0]?.outcome], [false, "diverges"]);
 * ```
 */
export async function replayTrace(
  trace: TraceEnvelope,
  execute: ExecuteTraceCall,
  options: ReplayTraceOptions = {},
): Promise<TraceReplay> {
  const { untilFailure = true, signal } = options;
  checkTraceShape(trace);
  checkFunction(execute, "execute");
  const problem = findHashProblem(trace);
  if (problem !== undefined) throw new TypeError(problem.message);
  const { first, end } = rangeOf(trace, options.step);
  const steps: TraceStepReplay[] = [];
  let reachedEnd = false;
  for (let index = first; index < end; index++) {
    signal?.throwIfAborted();
    const recorded = trace.steps[index]!;
    const context = { step: index + 1, recorded, signal };
    const replay = await replayStep(execute, context, options);
    steps.push(replay);
    if (replay.outcome === "failed" || replay.outcome === "failed-again" && untilFailure) break;
    const stops = recorded.error !== undefined && untilFailure && replay.outcome !== "skipped";
    if (stops) {
      replay.lines.push("  stopping at failing step");
      break;
    }
    reachedEnd = index === trace.steps.length - 1;
    // The original program skips this with the rest of a step.
    if (reachedEnd && replay.outcome !== "skipped") replay.lines.push("  reached end of trace");
  }
  const replayed = steps.filter(({ outcome }) => outcome !== "skipped").length;
  return { ok: !steps.some(isOtherwise), steps, replayed, reachedEnd };
}

function rangeOf(
  { steps }: TraceEnvelope,
  step: number | undefined,
): { first: number; end: number } {
  if (step === undefined) return { first: 0, end: steps.length };
  if (!Number.isInteger(step) || step < 0 || step > Math.max(1, steps.length)) {
    const range = `the trace has ${steps.length} ${steps.length === 1 ? "step" : "steps"}`;
    throw new RangeError(`Cannot replay step ${step}: ${range}`);
  }
  const first = Math.max(0, step - 1);
  return { first, end: Math.min(first + 1, steps.length) };
}

function isOtherwise({ outcome, input }: TraceStepReplay): boolean {
  return outcome === "diverges" || outcome === "failed" || input !== undefined;
}

async function replayStep(
  execute: ExecuteTraceCall,
  context: TraceCallContext,
  { compareHashes = true, redact }: ReplayTraceOptions,
): Promise<TraceStepReplay> {
  const { step, recorded, signal } = context;
  const { node_id, component_id, operation } = recorded;
  const lines = [`step ${step}: ${component_id} ${operation}`];
  const found = { step, node_id, component_id, operation, lines };
  if (recorded.invocation_json === undefined) {
    lines.push("  missing invocation_json; skipping replay");
    return { ...found, outcome: "skipped" };
  }
  let input: Pick<TraceStepReplay, "input"> = {};
  try {
    if (compareHashes) input = compareInput(recorded, lines);
    const call = resolveTraceCall(recorded);
    const output = call.kind === "none" ? null : await execute(call, context);
    if (!compareHashes) return { ...found, outcome: notCompared(recorded) };
    const actual = hashOf(output, "output", redact);
    return { ...found, ...input, ...compareOutput(recorded, actual, lines) };
  } catch (error) {
    signal?.throwIfAborted();
    lines.push(`replay failed at step ${step}`);
    const outcome = recorded.error === undefined ? "failed" : "failed-again";
    return { ...found, ...input, outcome, error };
  }
}

function compareInput(recorded: TraceStep, lines: string[]): Pick<TraceStepReplay, "input"> {
  const payload = recordedPayload(recorded);
  if (payload === undefined) return {};
  const expected = recorded.input_hash.value;
  const actual = hashOf(payload, "input");
  if (actual === expected) return {};
  lines.push(`  divergence: expected input hash ${expected}, got ${actual}`);
  return { input: { expected, actual } };
}

function notCompared({ error }: TraceStep): TraceReplayOutcome {
  return error === undefined ? "not-compared" : "diverges";
}

function compareOutput(
  { output_hash, error }: TraceStep,
  actual: string,
  lines: string[],
): Pick<TraceStepReplay, "outcome" | "expected" | "actual"> {
  if (output_hash === undefined) {
    lines.push("  output hash missing; skipping compare");
    return { outcome: error === undefined ? "missing-hash" : "diverges", actual };
  }
  const expected = output_hash.value;
  const isSame = actual === expected;
  lines.push(
    isSame
      ? "  output hash matches"
      : `  divergence: expected output hash ${expected}, got ${actual}`,
  );
  const outcome = isSame && error === undefined ? "matches" : "diverges";
  return { outcome, expected, actual };
}

/** The digest that a recorder gives a value: what it cannot record cannot be compared either. */
function hashOf(value: unknown, what: "input" | "output", redact?: RedactTrace): string {
  const text = takeText(value, what, redact);
  if (typeof text === "string") return hashJsonText(text).value;
  const place = text.path === "" ? "" : ` at ${text.path}`;
  throw new TypeError(`Cannot compare${place}: ${text.message}`);
}
