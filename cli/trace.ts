import { runPaths } from "../run/mod.ts";
import {
  readTrace,
  replayTrace,
  toChromeTrace,
  type TraceEnvelope,
  TraceFileError,
} from "../trace/mod.ts";
import { COMMON_HELP, onlyOperand, readArguments, type Verb } from "./arguments.ts";
import { findReadableRun } from "./find_run.ts";
import { Interrupts } from "./flow/interrupts.ts";
import { readFlow } from "./flow/read_flow.ts";
import { StepReplay } from "./flow/step_replay.ts";
import { printableLine } from "./printable.ts";
import { printTrace } from "./print_trace.ts";
import { RECORDING_HELP, RECORDING_OPTIONS, recordingOptions } from "./recording_options.ts";
import { isNewer, newerText } from "./newer.ts";
import { Screen } from "./screen.ts";
import { UsageError } from "./usage_error.ts";

/** `taffrail trace`: shows the last steps of a run. */
export const traceVerb: Verb = {
  summary: "show the last steps of a run that failed, for Perfetto too",
  help: `Prints the steps that a trace has, newest last, and of those that failed all
that is known. RUN is the id of a run, its beginning where no other begins
so, or the name of a flow for its newest run; a run has a trace when something
in it failed, or with taffrail run --trace always. FILE is the path of a trace.

Usage: taffrail trace [options] RUN|FILE

  --chrome FILE       write it for ui.perfetto.dev and chrome://tracing instead;
                      - writes it to stdout
  --replay            run the commands again, one after the other, up to the one
                      that failed, and compare what they print
  --step N            with --replay: only this step
  --past-failure      with --replay: go on behind the step that failed
  --flow FLOW         with --replay: the flow that was run, for the values of
                      "env", which are recorded nowhere
${RECORDING_HELP}
${COMMON_HELP}

Exit codes: 0 it is printed, or the replay went as recorded, 1 there is none, it
cannot be read, or the replay went otherwise. --json prints the trace as it is
in the file, and with --replay { "ok", "replayed", "reached_end", "steps": [{
"step", "node_id", "outcome", "expected", "actual" }] }.`,

  async run(args) {
    const { root, json, options, operands } = readArguments("trace", args, {
      ...RECORDING_OPTIONS,
      chrome: "string",
      replay: "boolean",
      step: "string",
      "past-failure": "boolean",
      flow: "string",
    });
    const path = await findTrace(root, onlyOperand("trace", operands, "run or trace file"));
    const trace = await readTrace(path).catch((cause) => {
      throw new Error(explain(path, cause), { cause });
    });
    if (options.chrome !== undefined) return await writeChrome(trace, String(options.chrome));
    if (options.replay === true) return await replay(trace, options, json);
    const screen = new Screen(Deno.stdout);
    if (json) screen.line(JSON.stringify(trace));
    else printTrace(screen, path, trace);
    return 0;
  },
};

async function findTrace(root: string, operand: string): Promise<string> {
  if (/[/\\]|\.json$/.test(operand)) return operand;
  return runPaths(root, await findReadableRun(root, operand)).trace;
}

function explain(path: string, cause: unknown): string {
  const isMissing = cause instanceof TraceFileError &&
    cause.cause instanceof Deno.errors.NotFound;
  if (isNewer(cause)) return newerText(cause);
  if (!isMissing) return cause instanceof Error ? cause.message : String(cause);
  return `Cannot show a trace: there is no ${path}; a run leaves one when something in it fails, ` +
    "or with --trace always, but not when its process was killed: taffrail show tells what it did";
}

async function writeChrome(trace: TraceEnvelope, target: string): Promise<number> {
  const text = `${JSON.stringify(toChromeTrace(trace))}\n`;
  if (target === "-") {
    new Screen(Deno.stdout).line(text.trimEnd());
    return 0;
  }
  try {
    await Deno.writeTextFile(target, text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`Cannot write ${target}: ${reason}; name another file with --chrome`, {
      cause,
    });
  }
  new Screen(Deno.stderr).line(`${target}: open it in ui.perfetto.dev or chrome://tracing`);
  return 0;
}

async function replay(
  trace: TraceEnvelope,
  options: Record<string, string | boolean | undefined>,
  json: boolean,
): Promise<number> {
  const screen = new Screen(Deno.stdout);
  const flow = options.flow === undefined ? undefined : await readFlow(String(options.flow));
  using interrupts = new Interrupts();
  interrupts.onInterrupt = (signal) => new Screen(Deno.stderr).line(`${signal}: ending what runs`);
  interrupts.listen();
  using commands = new StepReplay(trace, flow, { interrupts, ...recordingOptions(options) });
  const step = stepOption(options.step);
  const found = await replayTrace(trace, commands.execute, {
    untilFailure: options["past-failure"] !== true,
    signal: interrupts.stop,
    ...(step !== undefined && { step }),
  }).catch((error) => {
    if (error instanceof RangeError) throw new UsageError(error.message);
    if (interrupts.received === undefined) throw error;
  });
  if (interrupts.received !== undefined || found === undefined) {
    return interrupts.received!.exitCode;
  }
  const { ok, replayed, reachedEnd, steps } = found;
  if (json) {
    const listed = steps.map(({ step, node_id, outcome, expected, actual }) => {
      return { step, node_id, outcome, expected: expected ?? null, actual: actual ?? null };
    });
    screen.line(JSON.stringify({ ok, replayed, reached_end: reachedEnd, steps: listed }));
    return ok && replayed > 0 ? 0 : 1;
  }
  for (const { lines, error, outcome } of steps) {
    for (const line of lines) screen.line(printableLine(line));
    if (error === undefined) continue;
    const reason = error instanceof Error ? error.message : String(error);
    const how = outcome === "failed-again" ? "failed again, as recorded" : "failed, unlike then";
    screen.line(`  ${printableLine(`${how}: ${reason}`)}`);
  }
  screen.line(verdict(screen, { ok, replayed }));
  return ok && replayed > 0 ? 0 : 1;
}

function verdict(screen: Screen, { ok, replayed }: { ok: boolean; replayed: number }): string {
  const count = replayed === 1 ? "1 step was" : `${replayed} steps were`;
  if (replayed === 0) return `${screen.paint("✗", "red")} no step could be replayed`;
  if (ok) return `${screen.paint("✓", "green")} ${count} replayed, and went as recorded`;
  return `${screen.paint("✗", "red")} ${count} replayed, and not all went as recorded`;
}

function stepOption(text: string | boolean | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(String(text))) return Number(text);
  throw new UsageError(`Cannot use --step ${JSON.stringify(text)}: write the number of a step`);
}
