import { checkTypes, isOneOf } from "../../_internal/errors.ts";
import type { RunFold } from "../../eventlog/derive_run_state.ts";
import { MemoryDecisionLog } from "../../supervisor/driver/memory_ports.ts";
import { Supervisor } from "../../supervisor/driver/supervisor.ts";
import { systemTimers } from "../../supervisor/driver/timers.ts";
import type { ConstraintsInit, RuntimeInvoker } from "../../supervisor/types.ts";
import type { RunTraceOptions } from "../run_trace.ts";
import type { RunsRoot, RunView } from "../types.ts";
import type { Accepted } from "./recorded_program.ts";

/** Options of `openRun` and `durable`. */
export interface OpenRunOptions extends RunTraceOptions {
  /** The directory that holds the runs, `.taffrail` is what the command looks for; or a root that is open. */
  root: string | RunsRoot;
  /** What is run: with each new run a part of its id, of letters, digits, `.`, `_` and `-`. */
  name: string;
  /**
   * The run: it is begun, or gone on with where it is there. One that has completed gives what it has recorded.
   *
   * @default {a new run, of an id that begins with the name}
   */
  runId?: string;
  /**
   * With `"newest"`, the newest run of the name whose id was not chosen is gone on with, if it has not
   * completed.
   */
  resume?: "newest";
  /**
   * The version of the program. A run that another version has begun is not gone on with, which is kind
   * `mismatch`, unless `accept` says so.
   *
   * @default {`runtimeProvenance`}
   */
  version?: string;
  /**
   * Where what is recorded stands though the program is another one now: steps whose input has changed or
   * whose result their schema refuses, by id, and `"version"`; or all, with `true`.
   */
  accept?: true | readonly string[];
  /**
   * Which steps are made again that have failed for good; with `true` all of them. The one that has ended the
   * run is in any case. A step that is named is made again too if its result is gone.
   */
  retryFailed?: true | readonly string[];
  /** The command that starts the program, for `taffrail resume`: it finds the run in its environment. */
  command?: readonly string[];
  /**
   * What the supervisor keeps to: what is left out is no limit, and no retry. A run that is gone on with keeps
   * those it began with.
   */
  constraints?: Partial<ConstraintsInit>;
  /**
   * Does the work of `submit`. What it throws is recorded as a failure, with its causes; of what
   * it answers the termination alone is taken.
   */
  invoker?: RuntimeInvoker;
  /**
   * When `submit` resolves: with `"os"` when it is in the file of the journal, which survives the death of the
   * process; with `"disk"` when it is on disk. What is told, in the log, in the store and by everything else that
   * the program waits for, is on disk in either case.
   *
   * @default {"os"}
   */
  durability?: "os" | "disk";
  /** What stands for the program in the recording in place of a version, such as a digest of its sources (PRV-2). */
  runtimeProvenance?: string;
  /**
   * Ends the run: nothing more is started, and what runs is asked to stop. What has not stopped after
   * five seconds is given up.
   */
  signal?: AbortSignal;
}

/** What a {@linkcode Program} is made of. */
export interface ProgramParts {
  /** The records of the run. */
  view: RunView;
  /** The directory that holds the runs, or its address. */
  root: string;
  name: string;
  invoker: RuntimeInvoker | undefined;
  durability: "os" | "disk";
  accept: Accepted;
  retryFailed: true | readonly string[] | undefined;
  /** What the log has. */
  fold: RunFold;
  /** Ends the run from outside. */
  stop: AbortSignal;
  /** What is open: let go of when the run has ended. */
  opened: AsyncDisposableStack;
}

const TYPES = {
  trace: "object?",
  redactTrace: "function?",
  onTraceError: "function?",
  name: "string",
  runId: "string?",
  version: "string?",
  command: "object?",
  constraints: "object?",
  invoker: "object?",
  durability: "string?",
  runtimeProvenance: "string?",
} as const;

/** The constraints of a run that begins. */
export function constraintsOf({ constraints }: OpenRunOptions): ConstraintsInit {
  return { max_retries: 0, ...constraints };
}

/** Refuses what any part of the run would refuse, before anything is on disk. */
export function checkOptions(options: OpenRunOptions): void {
  const isOpenRoot = typeof options?.root === "object";
  checkTypes(options, { root: isOpenRoot ? "object" : "string", ...TYPES });
  const { name, invoker, signal, durability = "os", resume, runId } = options;
  if (!isOneOf(["os", "disk"], durability)) {
    throw new TypeError(`Cannot open a run with durability "${durability}": say "os" or "disk"`);
  }
  if (resume !== undefined && resume !== "newest") {
    throw new TypeError(
      `Cannot open a run with resume "${resume}": say "newest", or give its runId`,
    );
  }
  if (resume !== undefined && runId !== undefined) {
    throw new TypeError("Cannot use resume with a runId: that names the run already");
  }
  if (options.version !== undefined && options.runtimeProvenance !== undefined) {
    throw new TypeError("Cannot use version with runtimeProvenance: both say which program it is");
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError("Cannot use signal: it is no AbortSignal");
  }
  for (const member of ["accept", "retryFailed", "command"] as const) {
    checkNames(member, options[member]);
  }
  const decisionLog = new MemoryDecisionLog();
  const constraints = constraintsOf(options);
  const rules = { graphId: name, mode: "concurrent", constraints } as const;
  const checked = invoker ?? { run: () => "Completed" as const };
  new Supervisor({ ...rules, decisionLog, invoker: checked, timers: systemTimers });
}

function checkNames(member: "accept" | "retryFailed" | "command", value: unknown): void {
  if (value === undefined || (value === true && member !== "command")) return;
  if (Array.isArray(value) && value.every((name) => typeof name === "string")) return;
  const expected = member === "command" ? "a list of texts" : "true, or a list of ids";
  throw new TypeError(`Cannot use ${member}: expected ${expected}`);
}
