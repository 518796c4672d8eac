import { defined } from "../_internal/errors.ts";
import { requireDeno } from "../_internal/file_port.ts";
import { trimWhiteSpace } from "../_internal/text.ts";
import { VERSION } from "../_internal/version.ts";
import type { RedactTrace } from "./payload.ts";
import type { TraceFileError } from "./trace_file_error.ts";
import type { TraceConfig, TraceContext, TraceMode, TraceReason } from "./types.ts";

const MODES: readonly string[] = ["off", "on", "always"] satisfies TraceMode[];

const DEFAULTS: TraceConfig = {
  mode: "on",
  outPath: "trace.json",
  bufferSize: 20,
  bufferBytes: 16 * 1024 * 1024,
  captureInputs: false,
  extras: true,
  maxSnapshots: 10,
  runnerVersion: VERSION,
};

/** Options of {@linkcode traceConfigFromEnv}. */
export interface TraceConfigFromEnvOptions {
  /**
   * What the names of the variables begin with. `"GREENTIC_"` takes those of the original program, and no
   * others: it has none for the mode, which is `"on"` unless it is overridden, and none for the bounds.
   *
   * @default {"TAFFRAIL_"}
   */
  prefix?: string;
  /**
   * Looks up a variable; undefined when it is not set. By default the environment, as far as the program
   * may read it without being asked.
   */
  env?: (name: string) => string | undefined;
  /**
   * What the program knows better than the environment, as from its command line. Members that are
   * `undefined` override nothing.
   */
  overrides?: { [name in keyof TraceConfig]?: TraceConfig[name] | undefined };
}

/** What the variables of the original program begin with. */
const ORIGINAL_PREFIX = "GREENTIC_";

/**
 * The configuration that the environment asks for (TRC-1, TRC-3). With the prefix `TAFFRAIL_`:
 *
 * | Variable | Sets |
 * | --- | --- |
 * | `TAFFRAIL_TRACE` | `mode`: `off`, `on` or `always` |
 * | `TAFFRAIL_TRACE_OUT` | `outPath` |
 * | `TAFFRAIL_TRACE_CAPTURE_INPUTS` | `captureInputs`, only if it is exactly `1` |
 * | `TAFFRAIL_TRACE_BUFFER_SIZE` | `bufferSize` |
 * | `TAFFRAIL_TRACE_BUFFER_BYTES` | `bufferBytes` |
 * | `GIT_SHA`, else `GITHUB_SHA` | `gitSha`, without the white space around it; an empty `GIT_SHA` hides `GITHUB_SHA` |
 *
 * What `overrides` has wins over all of them. In the original program `TRACE_OUT` wins over a command line's
 * path, and a command line's choices of mode and captured inputs win over the environment (TRC-2): such a
 * program leaves `outPath` out of the overrides where the variable is set.
 *
 * **Permissions**: `--allow-env` for these variables. One that may not be read counts as not set, as one
 * does that is not Unicode, and nobody is asked.
 *
 * @param options The prefix, and what overrides the environment.
 * @returns The configuration, whole.
 * @throws {TypeError} If the mode is none.
 * @throws {RangeError} If a number is none.
 *
 * @example Usage
 * ```ts
 * import { traceConfigFromEnv } from "@taffrail/taffrail/trace";
 * import { assertEquals } from "@std/assert";
 *
 * const variables: Record<string, string> = {
 *   GREENTIC_TRACE_OUT: "/tmp/t.json",
 *   GREENTIC_TRACE_CAPTURE_INPUTS: "true",
 *   GIT_SHA: " 1c0ffee\n",
 * };
 * const config = traceConfigFromEnv({ prefix: "GREENTIC_", env: (name) => variables[name] });
 * assertEquals(config.outPath, "/tmp/t.json");
 * assertEquals(config.captureInputs, false); // not exactly "1"
 * assertEquals(config.gitSha, "1c0ffee");
 * ```
 *
 * @example A command line that overrides the environment
 * ```ts
 * import { traceConfigFromEnv } from "@taffrail/taffrail/trace";
 * import { assertEquals } from "@std/assert";
 *
 * const flags: { trace?: "off" | "on" | "always"; out?: string } = { trace: "always" };
 * const config = traceConfigFromEnv({ overrides: { mode: flags.trace, outPath: flags.out } });
 * assertEquals(config.mode, "always");
 * ```
 */
export function traceConfigFromEnv(options: TraceConfigFromEnvOptions = {}): TraceConfig {
  const { prefix = "TAFFRAIL_", env = readIfGranted, overrides } = options;
  const config: TraceConfig = { ...DEFAULTS };
  const outPath = env(`${prefix}TRACE_OUT`);
  if (outPath !== undefined) config.outPath = outPath;
  config.captureInputs = env(`${prefix}TRACE_CAPTURE_INPUTS`) === "1";
  if (prefix !== ORIGINAL_PREFIX) readOwn(config, prefix, env);
  const gitSha = trimWhiteSpace(env("GIT_SHA") ?? env("GITHUB_SHA") ?? "");
  if (gitSha !== "") config.gitSha = gitSha;
  return completeConfig({ ...config, ...defined(overrides ?? {}) });
}

/** The variables that the original program does not have. */
function readOwn(
  config: TraceConfig,
  prefix: string,
  env: NonNullable<TraceConfigFromEnvOptions["env"]>,
): void {
  const mode = env(`${prefix}TRACE`);
  if (mode !== undefined) config.mode = asMode(`${prefix}TRACE`, mode);
  for (const [name, member] of NUMBERS) {
    const text = env(prefix + name);
    if (text !== undefined) config[member] = asCount(prefix + name, text);
  }
}

const NUMBERS = [
  ["TRACE_BUFFER_SIZE", "bufferSize"],
  ["TRACE_BUFFER_BYTES", "bufferBytes"],
] as const;

/** What is not said is as by default; what is said is checked. */
export function completeConfig(config: Partial<TraceConfig> = {}): TraceConfig {
  const complete: TraceConfig = { ...DEFAULTS, ...defined(config) };
  asMode("mode", complete.mode);
  for (const name of ["bufferSize", "bufferBytes", "maxSnapshots"] as const) {
    if (isCount(complete[name])) continue;
    throw new RangeError(
      `Cannot record with ${name} ${complete[name]}: give a whole number from 0`,
    );
  }
  return complete;
}

function asMode(name: string, text: string): TraceMode {
  if (MODES.includes(text)) return text as TraceMode;
  throw new TypeError(`Cannot use ${name} "${text}": give one of ${MODES.join(", ")}`);
}

function asCount(name: string, text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  if (isCount(value)) return value;
  throw new RangeError(`Cannot use ${name} "${text}": give a whole number from 0`);
}

/** Whether a value is a whole number from 0. */
export function isCount(value: number | undefined): value is number {
  return Number.isSafeInteger(value) && value! >= 0;
}

/** A trace is not worth a question to the user. */
function readIfGranted(name: string): string | undefined {
  const { state } = requireDeno().permissions.querySync({ name: "env", variable: name });
  if (state !== "granted") return undefined;
  try {
    return Deno.env.get(name);
  } catch (error) {
    // It is not Unicode.
    if (error instanceof Deno.errors.InvalidData) return undefined;
    throw error;
  }
}

/** The clocks of a recorder. */
export interface TraceClock {
  /** Milliseconds since 1970, for the times in the file. */
  wallMs(): number;
  /** Milliseconds of a clock that never jumps, for durations. */
  monotonicMs(): number;
}

/** Options of {@linkcode TraceRecorder}. */
export interface TraceRecorderOptions {
  /** How to record; what is left out is as {@linkcode TraceConfig} says. */
  config?: Partial<TraceConfig>;
  /** What is recorded. */
  context: TraceContext;
  /** The id of the run. By default a new ULID. */
  runId?: string;
  /** Replaces secrets before anything is kept or hashed; where it throws, a mask is kept. */
  redact?: RedactTrace;
  /** The clocks. By default the system's. */
  clock?: TraceClock;
  /** Gets the error of every trace that could not be written. What it throws is ignored. */
  onWriteError?: (error: TraceFileError) => void;
}

/**
 * What became of a flush: the state is in the file; or nothing was to be written, since the mode does not
 * ask for it or since the file has it all already; or it could not be written, and the next flush that
 * has something to write, or a success in any mode, tries again.
 */
export type TraceFlush =
  | { outcome: "written"; path: string }
  | { outcome: "skipped"; why: "mode" | "unchanged" }
  | { outcome: "failed"; error: TraceFileError };

/** How a program ends, for `installCrashFlush`. */
export type ProgramEnd =
  | { reason: "crash"; error: unknown }
  | { reason: Exclude<TraceReason, "error" | "success" | "demand" | "crash"> };
