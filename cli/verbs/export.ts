import type { ExportedRun } from "../archive/export_run.ts";
import { amountText } from "../engine/receive_parts.ts";
import { pathOfOutput, STDOUT } from "../files.ts";
import { Interrupts } from "../process/interrupts.ts";
import { findReadableRun } from "../reading/find_run.ts";
import { openRoot } from "../reading/open_root.ts";
import { counted, printableLine } from "../text/printable.ts";
import { Screen } from "../text/screen.ts";
import { formatSize } from "../text/units.ts";
import {
  onlyOperand,
  type OptionTable,
  outputOption,
  readArguments,
  RUN_OPERAND,
  type Verb,
} from "../text/arguments.ts";

const OPTIONS = {
  output: outputOption("the id of the run and .tar.gz"),
  force: { text: "replace FILE if it is there" },
  redact: { text: "leave out what may be private, and keep what happened" },
} as const satisfies OptionTable;

/** `taffrail export`: writes a run into one file. */
export const exportVerb: Verb = {
  summary: "write a run into one file, for somebody else or another time",
  help: {
    about: `Writes a run that nobody works on into one file, a tar that is compressed by
gzip: its log, its journal and all that belongs to it, byte for byte, those
lines too that are damaged, behind a manifest with the SHA-256 of each. taffrail
import makes it a run again. The same run gives the same bytes each time,
whether it is in a directory or a database.
${RUN_OPERAND}`,
    usage: ["[options] RUN"],
    options: OPTIONS,
    operands: ["RUN"],
    notes: `FILE is there when all of it is on disk: one that was cut off leaves what was
there before. A line of over 16 MiB, which nobody can read, is replaced by one
that says so. Without --redact the archive has what the run has: command lines,
what commands printed, inputs and results of steps.

--redact leaves out outputs, inputs and results, command lines, names of
variables, texts of errors, questions and answers at gates, people, hosts and
paths: *** stands where something was. What stays are the names of runs, flows,
nodes and steps, versions, times, states, exit codes, limits and decisions. Such
a run is shown, verified and replayed, and cannot be gone on with.
docs/format/run_archive.md says it member by member.`,
    exitCodes: `0 it is written, 1 it is not, 2 called wrongly, or FILE is there, 128 + n ended
by signal n.`,
    json: `{ "run_id", "root", "file", "redacted", "lines": { "capture", "events",
"processes", "inbox" }, "documents": [names], "outputs", "bytes",
"replaced_lines", "archive_bytes" }, with -o - to stderr.`,
  },

  async run(args) {
    const { root, json, options, operands } = readArguments("export", args, OPTIONS);
    const wanted = onlyOperand("export", operands, "run");
    await using runs = await openRoot(root);
    const runId = await findReadableRun({ root, runs }, wanted);
    const { exportRun } = await import("../archive/export_run.ts");
    const { output, force = false, redact = false } = options;
    const target = pathOfOutput(`${runId}.tar.gz`, output);
    using interrupts = new Interrupts();
    interrupts.listen(() => {});
    const { stop: signal } = interrupts;
    const errors = new Screen(Deno.stderr);
    const onProgress = (doing: string, bytes: number) => {
      errors.status(`${doing} ${runId}: ${formatSize(bytes)}`);
    };
    let exported: ExportedRun;
    try {
      exported = await exportRun({ runs, runId, target, force, redact, signal, onProgress });
    } catch (error) {
      if (error === signal.reason) return interrupts.received!.exitCode;
      throw error;
    } finally {
      errors.status();
    }
    const screen = target === STDOUT ? errors : new Screen(Deno.stdout);
    if (json) {
      const { replaced, archiveBytes, leftOut: _, redacted, ...amounts } = exported;
      const what = { run_id: runId, root, file: target === STDOUT ? null : target, redacted };
      const sizes = { replaced_lines: replaced, archive_bytes: archiveBytes };
      screen.line(JSON.stringify({ ...what, ...amounts, ...sizes }));
      return 0;
    }
    for (const line of wordsOf(exported, { runId, target })) screen.line(printableLine(line));
    return 0;
  },
};

const LEFT_OUT = "what may be private is left out; names, times and decisions stay";
const NOT_LEFT_OUT =
  "it has command lines, outputs and results as they are; --redact leaves them out";

function wordsOf(
  exported: ExportedRun,
  { runId, target }: { runId: string; target: string },
): string[] {
  const { replaced, archiveBytes } = exported;
  const size = formatSize(archiveBytes);
  const words = [`exported ${runId} to ${target}, ${size}: ${amountText(exported)}`];
  if (replaced > 0) {
    words.push(`${counted(replaced, "line")} too long to be read, and replaced`);
  }
  words.push(exported.redacted ? LEFT_OUT : NOT_LEFT_OUT);
  return words;
}
