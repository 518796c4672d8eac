import type { TraceMode } from "../trace/mod.ts";
import type { Arguments, OptionKinds } from "./arguments.ts";
import { parseDurationOption, parseSizeOption } from "./units.ts";
import { UsageError } from "./usage_error.ts";

/** The options of the verbs that run something. */
export const RECORDING_OPTIONS: OptionKinds = { grace: "string", "max-output": "string" };

/** Their part of the help. */
export const RECORDING_HELP = `  --grace DURATION    time between SIGTERM and SIGKILL (default 5s)
  --max-output SIZE   how much of each output of a command is kept (default
                      16MiB): its first half and its last half`;

/** Reads them. */
export function recordingOptions(
  options: Arguments["options"],
): { graceMs: number; maxOutputBytes: number } {
  return {
    graceMs: parseDurationOption("grace", String(options.grace ?? "5s")),
    maxOutputBytes: parseSizeOption("max-output", String(options["max-output"] ?? "16MiB")),
  };
}

/** The option of the verbs that record a run. */
export const TRACE_OPTIONS: OptionKinds = { trace: "string" };

/** Its part of the help. */
export const TRACE_HELP =
  `  --trace MODE        when the last steps are written to the run's trace.json:
                      on (when something fails, the default), always, off`;

const TRACE_MODES: readonly string[] = ["off", "on", "always"] satisfies TraceMode[];

/** Reads it. */
export function traceOption({ trace }: Arguments["options"]): TraceMode | undefined {
  if (trace === undefined || TRACE_MODES.includes(String(trace))) return trace as TraceMode;
  throw new UsageError(
    `Cannot use --trace ${JSON.stringify(trace)}: say ${TRACE_MODES.join(", ")}`,
  );
}
