import { runIdProblem } from "../../_internal/root_layout.ts";
import {
  amountText,
  leftOutText,
  PartsReceiver,
  type TakenParts,
} from "../engine/receive_parts.ts";
import { partsOf, RestingRun } from "../engine/run_parts.ts";
import type { RunsRoot } from "../../run/types.ts";
import { optionError, UsageError } from "../exit_codes.ts";
import { checkRoot, prepareRootDirectory } from "../reading/find_root.ts";
import { findReadableRun } from "../reading/find_run.ts";
import { openRoot } from "../reading/open_root.ts";
import { printableLine } from "../text/printable.ts";
import { Screen } from "../text/screen.ts";
import {
  onlyOperand,
  type OptionTable,
  readArguments,
  RUN_OPERAND,
  type Verb,
} from "../text/arguments.ts";

const OPTIONS = {
  from: { value: "ROOT", text: "where the run is, instead of --root" },
  to: { value: "ROOT", text: "where it is copied to; a directory is made where it is missing" },
  as: {
    value: "ID",
    text: "the id of the copy (default: that of the run); its log and its trace say that one",
  },
} as const satisfies OptionTable;

/** `taffrail copy`: copies a run to another root. */
export const copyVerb: Verb = {
  summary: "copy a run to another root: a directory, or a database",
  help: {
    about: `Copies a run that nobody works on to another root, between directories and
databases: its log, its journal and all that belongs to it, byte for byte, those
lines too that are damaged. The copy is a run like the original: it is shown,
verified, replayed, and gone on with by resume. Of the processes of the original
none is touched by that.
${RUN_OPERAND}`,
    usage: ["[options] RUN --to ROOT"],
    options: OPTIONS,
    operands: ["RUN"],
    notes: `There is a whole copy or none: where this is cut off, nothing is left that could
be taken for a run, and doing it again begins anew. An id that is there is
refused. Digests of variables have a key of their root, which stays there: then
resume cannot tell whether a value is another one. What others leave for the run
meanwhile, by taffrail pass, stays with the original. A line of over 16 MiB,
which nobody can read, is replaced by one that says so. What a killed writer has
left of a line is copied, but to a database, which has none.`,
    exitCodes: "0 it is copied, 1 it is not, 2 called wrongly.",
    json: `{ "run_id", "from", "copy_id", "to", "lines": { "capture", "events",
"processes", "inbox" }, "documents": [names], "outputs", "bytes",
"replaced_lines", "left_out_tails": [streams] }.`,
  },

  async run(args) {
    const { root, json, options, operands } = readArguments("copy", args, OPTIONS);
    const wanted = onlyOperand("copy", operands, "run");
    const { from: source = root, to: target, as } = options;
    if (options.from !== undefined && "root" in options) {
      throw new UsageError("Cannot use --root with --from: they say the same");
    }
    if (target === undefined) {
      throw new UsageError("taffrail copy needs --to ROOT, where to copy to");
    }
    checkRoot(source, "--from");
    checkRoot(target, "--to");
    const problem = as === undefined ? undefined : runIdProblem(as);
    if (problem !== undefined) throw optionError("as", as!, problem);
    await using from = await openRoot(source);
    const runId = await findReadableRun({ root: source, runs: from }, wanted);
    prepareRootDirectory(target);
    await using to = await openRoot(target);
    const newId = as ?? runId;
    const errors = new Screen(Deno.stderr);
    const onProgress = (copied: TakenParts) => errors.status(`copying: ${amountText(copied)}`);
    const copied = await copyRun({ from, runId, to, newId, onProgress })
      .finally(() => errors.status());
    const screen = new Screen(Deno.stdout);
    if (json) {
      const { replaced, leftOut, ...amounts } = copied;
      const where = { run_id: runId, from: source, copy_id: newId, to: target };
      const left = { replaced_lines: replaced, left_out_tails: leftOut };
      screen.line(JSON.stringify({ ...where, ...amounts, ...left }));
      return 0;
    }
    const name = newId === runId ? "" : ` as ${newId}`;
    screen.line(printableLine(`copied ${runId} to ${target}${name}: ${amountText(copied)}`));
    if (copied.replaced > 0) {
      screen.line(`${copied.replaced} lines were too long to be copied, and are replaced`);
    }
    for (const text of leftOutText(copied)) screen.line(text);
    return 0;
  },
};

/** What was copied. */
interface CopiedRun extends TakenParts {
  /** How many lines were too long to be copied, and are replaced. */
  replaced: number;
}

/** Which run is copied, and where to. */
interface CopyOptions {
  from: RunsRoot;
  runId: string;
  to: RunsRoot;
  /** The id that it gets. */
  newId: string;
  /** Told what has been copied so far. */
  onProgress: (copied: TakenParts) => void;
}

/**
 * Copies a run that nobody works on, as it is. The copy is whole or none; what is posted to the run meanwhile stays with
 * the original, the key by which a root digests values stays where it is, and processes belong to the root that has
 * started them.
 */
async function copyRun(options: CopyOptions): Promise<CopiedRun> {
  const { from, to, ...taking } = options;
  const resting = await RestingRun.of(from, options.runId, "copy");
  await using received = await to.receive(options.newId);
  const receiver = new PartsReceiver(received, taking);
  let replaced = 0;
  const parts = partsOf(resting.view, { onReplaced: () => void replaced++ });
  for await (const part of parts) await receiver.take(part);
  await resting.check();
  await received.commit();
  return { ...receiver.taken, replaced };
}
