import type { InFlight } from "./in_flight.ts";
import { printable, type RecordedStep, toTraceStep } from "./recorded_step.ts";
import type { TraceClock } from "./recorder_options.ts";
import type { StepBuffer } from "./step_buffer.ts";
import type { TraceConfig, TraceContext, TraceEnvelope, TraceReason, TraceStep } from "./types.ts";

/** Everything that a file says. */
export interface TraceContents {
  readonly config: TraceConfig;
  readonly context: TraceContext;
  readonly runId: string;
  readonly clock: TraceClock;
  readonly startedAtMs: number;
  readonly reason: TraceReason;
  readonly snapshot: number;
  readonly buffer: StepBuffer;
  readonly inFlight: InFlight;
}

/** The file as it is now: the seed's, and behind each part of it the extras. */
export function toTraceEnvelope(contents: TraceContents): TraceEnvelope {
  const { config, context } = contents;
  const { runnerVersion, gitSha } = config;
  return {
    trace_version: 1,
    ...(runnerVersion !== undefined && { runner_version: printable(runnerVersion) }),
    ...(gitSha !== undefined && { git_sha: printable(gitSha) }),
    pack: {
      pack_ref: printable(context.pack_ref),
      ...(context.resolved_digest !== undefined &&
        { resolved_digest: printable(context.resolved_digest) }),
    },
    flow: {
      id: printable(context.flow_id),
      version: printable(context.flow_version ?? "unknown"),
    },
    ...(config.extras && extrasOf(contents)),
    steps: stepsOf(contents),
  };
}

function extrasOf(contents: TraceContents): Partial<TraceEnvelope> {
  const { buffer } = contents;
  return {
    run_id: printable(contents.runId),
    started_at: new Date(contents.startedAtMs).toISOString(),
    written_at: new Date(contents.clock.wallMs()).toISOString(),
    reason: contents.reason,
    snapshot: contents.snapshot,
    dropped_steps: buffer.droppedSteps,
    dropped_bytes: buffer.droppedBytes,
  };
}

function stepsOf(contents: TraceContents): TraceStep[] {
  const { config, buffer, clock } = contents;
  const inFlight = contents.inFlight.all();
  const ended = buffer.all();
  buffer.settle(ended);
  buffer.settle(inFlight);
  const style = { ...config, nowMs: clock.monotonicMs() };
  const toStep = (step: RecordedStep) => toTraceStep(step, style);
  if (config.extras) return [...ended, ...inFlight].map(toStep);
  const newest = inFlight.at(-1);
  if (newest === undefined || !isEnding(contents.reason)) return ended.map(toStep);
  // What the seed would write if it were told of the end as of an error (TRC-12).
  const message = `the program ended before this step did (${contents.reason})`;
  const error = { code: "node_error", message, details: null };
  const steps = [...ended.map(toStep), { ...toStep(newest), error }];
  return steps.slice(Math.max(0, steps.length - config.bufferSize));
}

/** Whether the program ends, and with it all that is in flight. */
function isEnding(reason: TraceReason): boolean {
  return reason !== "error" && reason !== "success" && reason !== "demand";
}
