import { reasonOf } from "../../_internal/text.ts";
import { RunError, runError } from "../../run/run_error.ts";
import type { RunsRoot } from "../../run/types.ts";
import { RuntimeStoreError } from "../../store/runtime_store_error.ts";
import { UsageError } from "../exit_codes.ts";
import { sizeOfDirectory } from "../files.ts";
import { commandHint } from "../reading/find_run.ts";
import { isOfFiles, type OpenedRoot, openRoot } from "../reading/open_root.ts";
import { type LeftRuntime, leftRuntimes } from "../reading/left_runtimes.ts";
import {
  type OtherLog,
  type RunStateWord,
  stateWordOf,
  summarizeRuns,
  type Summary,
} from "../reading/run_summary.ts";
import {
  compareBegins,
  createdAt,
  oldestTime,
  type RunTimes,
  whyOfUnknownAge,
  youngestTime,
} from "../reading/run_times.ts";
import { counted, printableLine } from "../text/printable.ts";
import { Screen } from "../text/screen.ts";
import {
  formatAge,
  formatSize,
  parseAgeOption,
  parseCountOption,
  parseSizeOption,
} from "../text/units.ts";
import {
  numberOption,
  type Options,
  type OptionTable,
  readArguments,
  type Verb,
} from "../text/arguments.ts";

const MOST_GIBIBYTES = 1024 ** 2;

const OPTIONS = {
  "older-than": { value: "AGE", text: "remove runs that are older, as 12h or 30d" },
  keep: { value: "N", text: "remove all but the newest N runs" },
  "max-size": {
    value: "SIZE",
    text: "remove the oldest runs until all that are left have no more than that together, as " +
      "500MiB",
  },
  orphans: {
    text: "remove runs without an end, too, that nobody works on; alone it removes these and no " +
      "others",
  },
  "dry-run": { text: "remove nothing, and say what would be removed" },
} as const satisfies OptionTable;

/** `taffrail prune`: removes old runs. */
export const pruneVerb: Verb = {
  summary: "remove old runs, and say which",
  help: {
    about: `Removes runs that have an end, with all their files, and says which, why and how
much that is. A run goes when any of the rules says so. What is worked on, what
cannot be read, what a newer version wrote, runs of which processes are left and
logs that were made without the event log module always stay; so do runs without
an end, which taffrail resume may continue, but for --orphans. A log that a
program has written with events of its own has its end when nobody has it open.
What the store has of runs whose folders were removed by hand goes by the same
rules.

A run is as old as the youngest of the time in its id, of its newest event and
of its log's file. Where they are more than a day apart, or before 2025 or in
the future, a clock was wrong: such a run stays, and that is said.`,
    usage: ["[options] RULE…"],
    options: OPTIONS,
    notes: "Ages are a number with s, m, h, d or w.",
    exitCodes: `0 it is done, also where there was nothing to remove, 1 something cannot be
removed, 2 called wrongly.`,
    json: `{ "root", "dry_run", "removed": [{ "run_id", "reason", "state", "last_ts",
"size_bytes" }], "kept": [{ "run_id", "reason" }], "removed_bytes",
"left_bytes", "failed": [{ "run_id", "problem" }] }; kept are those that a rule
meant, and that stay all the same.`,
  },

  async run(args) {
    const { root, json, options, operands } = readArguments("prune", args, OPTIONS);
    if (operands.length > 0) {
      throw new UsageError("taffrail prune takes rules, such as --older-than 30d, and no runs");
    }
    const rules = readRules(options);
    const dryRun = options["dry-run"] ?? false;
    await using runs = await openRoot(root);
    const opened = { root, runs };
    const candidates = await candidatesIn(opened);
    const chosen = choose(candidates, rules);
    await keepAtWork(chosen, opened);
    for (const run of chosen) await carryOut(run, dryRun ? tryToRemove : removeWhole, opened);
    if (!dryRun) await runs.sweep();
    const result = resultOf(chosen, { root, dryRun, bytes: sizeOf(candidates) });
    const screen = new Screen(Deno.stdout);
    if (json) screen.line(JSON.stringify(result));
    else printResult(screen, result, rules.maxBytes);
    return result.failed.length === 0 ? 0 : 1;
  },
};

interface Rules {
  olderThanMs: number | undefined;
  keep: number | undefined;
  maxBytes: number | undefined;
  orphans: boolean;
  /** Whether there is a rule besides `orphans`. */
  isBounded: boolean;
}

/** What may be removed: a run, or what its store has of one that is gone. */
interface Candidate {
  runId: string;
  state: RunStateWord | "foreign" | "runtime";
  lastTs: string | null;
  times: RunTimes;
  size: number;
}

/** What becomes of a run that a rule means. */
type Fate = "removed" | "kept" | "failed";

/** A run that a rule means. */
interface Chosen extends Candidate {
  fate: Fate;
  /** Why it goes, or stays. */
  reason: string;
}

function sizeOf(runs: readonly Candidate[]): number {
  return runs.reduce((sum, { size }) => sum + size, 0);
}

function readRules(options: Options<typeof OPTIONS>): Rules {
  const { "older-than": olderThan, keep, "max-size": maxSize, orphans = false } = options;
  const isBounded = [olderThan, keep, maxSize].some((rule) => rule !== undefined);
  if (!isBounded && !orphans) {
    throw new UsageError(
      "Say which runs to remove: taffrail prune --older-than AGE, --keep N, --max-size SIZE " +
        "or --orphans",
    );
  }
  return {
    olderThanMs: numberOption(options, "older-than", parseAgeOption),
    keep: numberOption(options, "keep", parseCountOption),
    maxBytes: numberOption(options, "max-size", parseRunsSize),
    orphans,
    isBounded,
  };
}

/** All runs together may have more than one output of a command. */
function parseRunsSize(option: string, text: string): number {
  return parseSizeOption(option, text, { mostGibibytes: MOST_GIBIBYTES });
}

/** All that may be removed, the oldest first. */
async function candidatesIn(opened: OpenedRoot): Promise<Candidate[]> {
  const { root, runs } = opened;
  const summaries = await summarizeRuns(opened, { size: true });
  const candidates = await Promise.all(summaries.map((summary) => runCandidate(runs, summary)));
  const left = isOfFiles(root) ? leftRuntimes(root).map(runtimeCandidate) : [];
  return [...candidates, ...left].sort(compareBegins);
}

async function runCandidate(
  runs: RunsRoot,
  { run, times, size = 0 }: Summary,
): Promise<Candidate> {
  const { run_id: runId } = run;
  const lastTs = "problem" in run ? null : run.last_ts;
  const state = "is_other_log" in run ? await stateOfLog(runs, run) : stateWordOf(run);
  return { runId, state, lastTs, times, size };
}

/** Of a log that was made without the event log module nobody can tell whether it is worked on. */
async function stateOfLog(runs: RunsRoot, { run_id: runId, is_live: isLive }: OtherLog) {
  if (isLive) return "running";
  return await createdAt(runs.view(runId)) === undefined ? "foreign" : "other";
}

function runtimeCandidate({ runtimeId, path, times }: LeftRuntime): Candidate {
  return { runId: runtimeId, state: "runtime", lastTs: null, times, size: sizeOfDirectory(path) };
}

/** States in which nobody can tell what a run is. */
const UNKNOWN_STATES: readonly string[] = ["unreadable", "foreign", "runtime"];

/** Decides on all runs, the oldest first, and gives those that a rule means. */
function choose(candidates: Candidate[], rules: Rules): Chosen[] {
  const chosen: Chosen[] = [];
  const readable = candidates.filter(({ state }) => !UNKNOWN_STATES.includes(state));
  const newest = new Set(readable.slice(Math.max(0, readable.length - (rules.keep ?? Infinity))));
  let left = sizeOf(candidates);
  for (const candidate of candidates) {
    const isOld = rules.keep !== undefined && !newest.has(candidate);
    const reason = reasonToGo(candidate, rules, { isOld, left });
    if (reason === undefined) continue;
    const stays = reasonToStay(candidate, rules);
    if (stays === undefined) left -= candidate.size;
    chosen.push({ ...candidate, fate: stays ? "kept" : "removed", reason: stays ?? reason });
  }
  return chosen;
}

function reasonToGo(
  { state, times }: Candidate,
  { olderThanMs, keep, maxBytes, orphans, isBounded }: Rules,
  { isOld, left }: { isOld: boolean; left: number },
): string | undefined {
  // Of one whose age is not known it is said that it stays.
  const isUnknown = whyOfUnknownAge(times) !== undefined;
  const time = isUnknown ? oldestTime(times) ?? -Infinity : youngestTime(times);
  if (olderThanMs !== undefined && time !== undefined && Date.now() - time > olderThanMs) {
    const what = times.last === undefined ? "it was written" : "its last event was";
    return `${what} ${formatAge(Date.now() - time)}`;
  }
  if (isOld) return state === "runtime" ? "its run is gone" : `it is not one of the newest ${keep}`;
  if (maxBytes !== undefined && left > maxBytes) {
    return `all runs together have more than ${formatSize(maxBytes)}`;
  }
  const isOrphan = orphans && !isBounded && state === "orphan";
  return isOrphan ? "it has no end, and nobody works on it" : undefined;
}

/** How old an orphan is makes no difference where all of them are to go. */
function reasonToStay({ state, times }: Candidate, rules: Rules): string | undefined {
  const mayGo = state === "runtime" || (rules.orphans && state === "orphan");
  const stays = mayGo ? undefined : REASONS_TO_STAY[state];
  return stays ?? (rules.isBounded ? whyOfUnknownAge(times) : undefined);
}

/** Why a run in a state stays, whatever a rule says. */
const REASONS_TO_STAY: Partial<Record<Candidate["state"], string>> = {
  running: "it is worked on",
  orphan: "it has no end, and may be resumed; --orphans removes it",
  foreign: "it is a log of another program, which may have it open",
  unreadable: "it cannot be read",
};

/**
 * Of a run whose process died others may still run, and its records are all that finds them again. They are
 * looked for after the runs: a run without an end cannot come to more of them, unless somebody takes it up.
 */
async function keepAtWork(
  chosen: readonly Chosen[],
  { root, runs }: OpenedRoot,
): Promise<void> {
  const going = chosen.filter(({ fate, state }) => fate === "removed" && state !== "runtime");
  if (going.length === 0) return;
  const { findLeftOf, lookAround } = await import("../process/orphan_processes.ts");
  const sight = lookAround();
  for (const run of going) {
    const { runId, state } = run;
    const stay = (reason: string) => Object.assign(run, { fate: "kept", reason });
    try {
      const place = { root, view: runs.view(runId), isOrphan: state === "orphan" };
      const left = await findLeftOf(place, sight);
      if (left === undefined) continue;
      stay(`${left}; ${commandHint("stop", { root, runId })} ends what is left of it`);
    } catch (error) {
      // Something else stands in the place of what tells of them.
      stay(`it cannot be told what is left of it: ${reasonOf(error)}`);
    }
  }
}

/** What somebody has opened since it was looked at stays, and so does what cannot be removed. */
async function carryOut(
  run: Chosen,
  remove: typeof removeWhole,
  opened: OpenedRoot,
): Promise<void> {
  if (run.fate !== "removed") return;
  try {
    await remove(opened, run);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    run.fate = isInUse(error) ? "kept" : "failed";
    run.reason = isInUse(error) ? "it is worked on" : error.message;
  }
}

/** Its runtime goes with it. */
async function removeWhole({ root, runs }: OpenedRoot, { runId, state }: Candidate): Promise<void> {
  if (state !== "runtime") return await runs.remove(runId);
  // Mostly a rule finds nothing that is to go.
  const { removeRuntime } = await import("../../store/check/remove_runtime.ts");
  await removeRuntime(root, runId);
}

function isInUse(error: Error): boolean {
  const reason = error instanceof RunError && error.kind === "io" ? error.cause : error;
  if (reason instanceof RuntimeStoreError) return reason.kind === "owned";
  return error instanceof RunError && error.kind === "live";
}

/** Does nothing, and fails where {@linkcode removeWhole} is known to. */
async function tryToRemove(
  { runs }: OpenedRoot,
  { runId, state }: Pick<Candidate, "runId" | "state">,
): Promise<void> {
  if (state === "runtime" || await runs.view(runId).holder() === undefined) return;
  throw runError("live", "Cannot remove a run that is open", { details: { runId } });
}

/** What became of the runs, as `--json` prints it; `bytes`: of all runs together. */
function resultOf(
  chosen: readonly Chosen[],
  { root, dryRun, bytes }: { root: string; dryRun: boolean; bytes: number },
) {
  const of = (fate: Fate) => chosen.filter((run) => run.fate === fate);
  const removed = of("removed");
  const removedBytes = sizeOf(removed);
  return {
    root,
    dry_run: dryRun,
    removed: removed.map(({ runId, reason, state, lastTs, size }) => {
      return { run_id: runId, reason, state, last_ts: lastTs, size_bytes: size };
    }),
    kept: of("kept").map(({ runId, reason }) => ({ run_id: runId, reason })),
    removed_bytes: removedBytes,
    left_bytes: bytes - removedBytes,
    failed: of("failed").map(({ runId, reason }) => ({ run_id: runId, problem: reason })),
  };
}

function printResult(
  screen: Screen,
  result: ReturnType<typeof resultOf>,
  maxBytes: number | undefined,
): void {
  const { root, removed, kept, failed, removed_bytes, left_bytes } = result;
  const word = result.dry_run ? "would remove" : "removed";
  for (const { run_id, reason, size_bytes } of removed) {
    screen.line(`${word} ${printableLine(run_id)}  ${formatSize(size_bytes)}, ${reason}`);
  }
  for (const { run_id, reason } of kept) {
    screen.line(`kept ${printableLine(`${run_id}  ${reason}`)}`);
  }
  for (const { run_id, problem } of failed) {
    const text = printableLine(`${run_id}  ${problem}`);
    screen.line(screen.paint(`cannot remove ${text}`, "red"));
  }
  const sizes = `${formatSize(removed_bytes)}; ${formatSize(left_bytes)} left in ${root}`;
  screen.line(`${word} ${counted(removed.length, "run")}, ${sizes}`);
  if (maxBytes === undefined || left_bytes <= maxBytes) return;
  screen.line(`that is more than ${formatSize(maxBytes)}: what is left may not be removed`);
}
