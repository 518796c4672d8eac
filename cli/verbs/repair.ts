import { reasonOf } from "../../_internal/text.ts";
import { chosenRuns, inspectRun, withProgress } from "../inspect/inspect_run.ts";
import { inspectBeside } from "../inspect/inspect_store.ts";
import { mendRun, mendStore, type Repair } from "../inspect/mend_run.ts";
import { isNote, printProblems, type Problem } from "../inspect/problem.ts";
import { restoreLastUlid } from "../inspect/restore_files.ts";
import { UsageError } from "../exit_codes.ts";
import { Interrupts } from "../process/interrupts.ts";
import { commandHint } from "../reading/find_run.ts";
import { isOfFiles, type OpenedRoot, openRoot } from "../reading/open_root.ts";
import { counted, printableLine } from "../text/printable.ts";
import { Screen } from "../text/screen.ts";
import { type OptionTable, readArguments, type Verb } from "../text/arguments.ts";

/** What was done, or what would be, and what is still wrong. */
interface Outcome {
  repairs: Repair[];
  /** What cannot be mended, or was not. */
  remaining: Problem[];
  /** Runs that were left alone, and why. */
  refused: { run_id: string; message: string }[];
}

const OPTIONS = {
  "dry-run": { text: "only say what would be done" },
} as const satisfies OptionTable;

/** `taffrail repair`: mends what can be mended safely. */
export const repairVerb: Verb = {
  summary: "mend what can be mended safely in the records of runs",
  help: {
    about: `Mends in the records of the named runs, or of all, what can be mended without
losing anything: an unterminated last line is completed or moved to a file
beside its log; a bundle is made again from the journal, a journal from the
bundle, what the log lacks from the journal, and flow.json, run.json and the
last id that was given out from what is there; the store is brought in order.
What is taken away is kept under another name. A run at work is left alone.
Runs in a database are not repaired.`,
    usage: ["[options] [RUN…]"],
    options: OPTIONS,
    operands: ["RUN…"],
    exitCodes: `0 nothing is wrong any more (with --dry-run: nothing would be), 1 something is.
Ctrl-C ends it after the run at hand, and once more at once.`,
    json: `{ "ok", "dry_run", "repairs": [{ "run_id", "part", "path", "action", "kept" }],
"remaining", "refused": [{ "run_id", "message" }] }. kept: where the old content
is, or null where nothing was taken away. remaining: the problems that stay, as
taffrail verify prints them.`,
  },

  async run(args) {
    const { root, json, options, operands } = readArguments("repair", args, OPTIONS);
    if (!isOfFiles(root)) {
      throw new UsageError(
        `Cannot repair runs in ${root}: only files are mended; taffrail verify says what is wrong ` +
          "there, and what taffrail copy brings into a directory can be repaired in that",
      );
    }
    const dryRun = options["dry-run"] ?? false;
    const screen = new Screen(Deno.stdout);
    const outcome: Outcome = { repairs: [], remaining: [], refused: [] };
    await using runs = await openRoot(root);
    const runIds = await chosenRuns({ root, runs }, operands);
    const others = operands.length === 0;
    using interrupts = new Interrupts();
    interrupts.listen((signal, isFirst) => {
      // Every file is replaced as a whole, so what is being mended can be mended again.
      if (!isFirst) Deno.exit(interrupts.received!.exitCode);
      new Screen(Deno.stderr).line(`${signal}: finishing the run at hand; once more to leave it`);
    });
    await repairAll(outcome, { root, runs, runIds, others, dryRun, stop: interrupts.stop });
    const { received } = interrupts;
    const ok = received === undefined && outcome.remaining.length === 0 &&
      outcome.refused.length === 0;
    if (json) screen.line(JSON.stringify({ ok, dry_run: dryRun, ...outcome }));
    else print(screen, outcome, { dryRun, isWhole: received === undefined });
    return received?.exitCode ?? (ok ? 0 : 1);
  },
};

/** Goes through the runs, and through what belongs to none; ends after the one at hand when `stop` aborts. */
async function repairAll(
  outcome: Outcome,
  { root, runs, runIds, others, dryRun, stop }: OpenedRoot & {
    runIds: readonly string[];
    others: boolean;
    dryRun: boolean;
    stop: AbortSignal;
  },
): Promise<void> {
  for (const runId of withProgress("repairing", runIds)) {
    const problems = await problemsOf({ root, runs }, runId);
    if (problems.length > 0 && dryRun) plan(outcome, problems);
    else if (problems.length > 0) await mend(outcome, { root, runs, runId }, problems);
    // A signal is only seen between two turns.
    await new Promise((resolve) => setTimeout(resolve));
    if (stop.aborted) break;
  }
  if (others && !stop.aborted) await repairOthers(outcome, { root, runIds, dryRun });
}

/** What is only to be known needs no repair, but for what can be brought up to the log. */
async function problemsOf(opened: OpenedRoot, runId: string): Promise<Problem[]> {
  return (await inspectRun(opened, runId)).filter((problem) => {
    return !isNote(problem) || problem.repair !== null;
  });
}

function plan(outcome: Outcome, problems: readonly Problem[]): void {
  for (const problem of problems) {
    const { run_id, part, path, repair } = problem;
    if (repair === null) outcome.remaining.push(problem);
    else outcome.repairs.push({ run_id, part, path, action: repair, kept: null });
  }
}

/** More than there are records that can be made of each other. */
const MOST_ROUNDS = 10;

/** One run that cannot be mended does not keep the others from it. */
async function mend(
  outcome: Outcome,
  run: OpenedRoot & { runId: string },
  problems: readonly Problem[],
): Promise<void> {
  const { root, runs, runId } = run;
  try {
    if (await runs.view(runId).holder() !== undefined) {
      const message = `it is at work: repair it when it has ended; ${
        commandHint("stop", { root, runId })
      } ends it`;
      outcome.refused.push({ run_id: runId, message });
      return;
    }
    let remaining = problems;
    // A mended journal may show what is wrong with the bundle, and so on.
    for (let round = 0; round < MOST_ROUNDS; round++) {
      const repairs = await mendRun(run, remaining);
      outcome.repairs.push(...repairs);
      if (repairs.length === 0) break;
      remaining = await problemsOf(run, runId);
    }
    outcome.remaining.push(...remaining);
  } catch (error) {
    outcome.refused.push({ run_id: runId, message: reasonOf(error) });
  }
}

/** What gives the next run its id, and runtimes that belong to no run of the command; all else is left to people. */
async function repairOthers(
  outcome: Outcome,
  { root, runIds, dryRun }: { root: string; runIds: readonly string[]; dryRun: boolean },
): Promise<void> {
  const problems = await inspectBeside(root, runIds);
  if (dryRun) return plan(outcome, problems);
  const mendable = problems.filter(({ repair }) => repair !== null);
  for (const { part, path } of mendable) {
    if (part !== "run") continue;
    const action = "made again from the ids of the runs";
    outcome.repairs.push({ run_id: null, part, path, action, kept: restoreLastUlid(root, runIds) });
  }
  const runtimes = new Set(mendable.map(({ run_id: runId }) => runId));
  for (const runtime of runtimes) {
    if (runtime !== null) outcome.repairs.push(...await mendStore(root, runtime));
  }
  const remaining = mendable.length > 0 ? await inspectBeside(root, runIds) : problems;
  outcome.remaining.push(...remaining);
}

function print(
  screen: Screen,
  outcome: Outcome,
  { dryRun, isWhole }: { dryRun: boolean; isWhole: boolean },
): void {
  const { repairs, remaining, refused } = outcome;
  const done = dryRun ? "would" : screen.mark(true);
  for (const { path, action, kept } of repairs) {
    screen.line(`${done} ${printableLine(`${path}: ${action}`)}`);
    if (kept !== null) screen.line(printableLine(`  what was there is kept in ${kept}`));
  }
  printProblems(screen, remaining.map((problem) => ({ ...problem, repair: null })));
  for (const { run_id: runId, message } of refused) {
    screen.line(`${screen.mark(false)} ${printableLine(`${runId}: ${message}`)}`);
  }
  if (repairs.length + remaining.length + refused.length === 0) {
    const what = isWhole ? "Nothing is wrong" : "Nothing was found wrong so far";
    screen.line(`${what}, so nothing was changed`);
    return;
  }
  const mended = `${counted(repairs.length, "repair")}${dryRun ? " to make" : ""}`;
  const left = remaining.length + refused.length;
  const found = left === 0 ? "nothing" : counted(left, "problem");
  screen.line(`${mended}; ${isWhole ? found : `so far ${found}`} left`);
}
