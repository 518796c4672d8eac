import type { Arguments, OptionKinds } from "./arguments.ts";
import { parseDurationOption, parseSizeOption } from "./units.ts";

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
