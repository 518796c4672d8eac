import { findReadableRun } from "../reading/find_run.ts";
import { openRoot } from "../reading/open_root.ts";
import { printOtherLog, printReport, printTails } from "../reading/print_report.ts";
import { outcomeOf } from "../reading/run_outcome.ts";
import { printReportJson, readRunReport, type RunReport } from "../reading/run_report.ts";
import { type Listed, summarizeRun } from "../reading/run_summary.ts";
import { Screen } from "../text/screen.ts";
import { onlyOperand, readArguments, RUN_OPERAND, type Verb } from "../text/arguments.ts";

/** `taffrail show`: shows one run. */
export const showVerb: Verb = {
  summary: "show one run: its nodes, and the end of what a failed one printed",
  help: {
    about: `Shows one run: what became of it, where its log is, and its nodes: ✓ completed,
✗ failed, ▸ running, ⏸ not started; each attempt where there was more than one,
and why a node had to wait. Of a failed node the end of what it printed is
shown; of a run whose process was suspended, as by Ctrl-Z, how it goes on. Of a
durable program its steps are shown with what they gave, what it waits for, what
it has recorded, and with what it has ended.
${RUN_OPERAND}`,
    usage: ["[options] RUN"],
    operands: ["RUN"],
    exitCodes: `0 it is shown, whatever became of the run, 1 there is no such run, or it cannot
be read, 2 called wrongly.`,
    json: `{ "run_id", "pipe", "state", "outcome", "is_orphan", "is_live", "is_suspended",
"started_ts", "last_ts", "duration_ms", "trace_id", "log", "damaged_lines",
"first_damage", "nodes": [{ "id", "kind", "name", "status", "attempt", "pid", "started_ts",
"last_ts", "duration_ms", "exit_code", "signal", "output": { "out", "err" },
"cut": { "out", "err" }, "attempts": [{ "attempt", "status", "started_ts",
"duration_ms", "exit_code", "signal", "output", "cut" }], "deferrals": [{
"reason", "text" }], "waits": { "since", "until" } }] }, and of a program
"version", "command", "output", "waits" and "records", and of its steps "result"
or "result_hash" and "result_file", "error", and "by". state is "Running",
"Completed" or { "Aborted": { "reason" } }, outcome the same in the word of
taffrail ls; status is "Pending", "Running", "Completed" or { "Failed": {
"kind", "message" } }. Members of a node that are not known are left out.
is_orphan: no end, and nobody works on it. docs/format/command_json.md tells
more.`,
  },

  async run(args) {
    const { root, json, operands } = readArguments("show", args);
    await using runs = await openRoot(root);
    const runId = await findReadableRun({ root, runs }, onlyOperand("show", operands, "run"));
    const place = { root, view: runs.view(runId) };
    const screen = new Screen(Deno.stdout);
    const summary = await summarizeRun({ root, runs }, runId);
    if (!json && "is_other_log" in summary) {
      printOtherLog(screen, summary, root);
      return 0;
    }
    const report = { ...await readRunReport(place), ...ofOtherLog(summary) };
    if (json) {
      printReportJson(screen, report);
      return 0;
    }
    // Runs of flows are shown without it.
    const words = report.records === undefined
      ? undefined
      : (await import("../reading/program_words.ts")).programWords(root);
    await printReport(screen, report, place, words);
    await printTails(screen, report, place, { words, hints: true });
    return 0;
  },
};

/** What is known of a log of another program, which has no end that its events could tell. */
function ofOtherLog(run: Listed): Partial<RunReport> {
  return "is_other_log" in run ? { ...run, is_orphan: false, outcome: outcomeOf(run) } : {};
}
