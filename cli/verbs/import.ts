import { runIdProblem } from "../../_internal/root_layout.ts";
import type { ImportedRun } from "../archive/import_run.ts";
import { amountText, leftOutText, type TakenParts } from "../engine/receive_parts.ts";
import { optionError } from "../exit_codes.ts";
import { Interrupts } from "../process/interrupts.ts";
import { commandHint } from "../reading/find_run.ts";
import { printableLine } from "../text/printable.ts";
import { Screen } from "../text/screen.ts";
import { parseSizeOption } from "../text/units.ts";
import { onlyOperand, type OptionTable, readArguments, type Verb } from "../text/arguments.ts";

const OPTIONS = {
  as: {
    value: "ID",
    text:
      "the id of the run here (default: the one that it has); its log and its trace say that one",
  },
  "max-size": { value: "SIZE", text: "refuse what unpacks to more (default 4GiB)" },
} as const satisfies OptionTable;

/** `taffrail import`: takes a run in from a file. */
export const importVerb: Verb = {
  summary: "take in a run from a file that export wrote",
  help: {
    about: `Takes in a run from a file that taffrail export wrote: into a directory, which
is made where it is missing, or a database. All of the file is checked before
there is a run: each part by its name, its size and its SHA-256, and that
nothing else is in it. Of one that was cut off, or changed, nothing stays. The
run is one like the original: it is shown, verified, replayed, and gone on with
by resume. FILE may be - for standard input.`,
    usage: ["[options] FILE"],
    options: OPTIONS,
    operands: ["FILE"],
    notes: `An id that is there is refused: nothing is replaced. What is gone on with runs
the commands that stand in the file: import what comes from somebody whom you
trust with that, and look at it before. The digests say that the file was not
damaged, and nothing of who made it.`,
    exitCodes: "0 it is taken in, 1 it is not, 2 called wrongly, 128 + n ended by signal n.",
    json: `{ "file", "run_id", "import_id", "root", "redacted", "lines": { "capture",
"events", "processes", "inbox" }, "documents": [names], "outputs", "bytes",
"left_out_tails": [streams] }.`,
  },

  async run(args) {
    const { root, json, options, operands } = readArguments("import", args, OPTIONS);
    const source = onlyOperand("import", operands, "file");
    const { as: newId, "max-size": maxSize = "4GiB" } = options;
    const problem = newId === undefined ? undefined : runIdProblem(newId);
    if (problem !== undefined) throw optionError("as", newId!, problem);
    const maxBytes = parseSizeOption("max-size", maxSize, { mostGibibytes: 1024 });
    const { importRun, STDIN } = await import("../archive/import_run.ts");
    using interrupts = new Interrupts();
    interrupts.listen(() => {});
    const { stop: signal } = interrupts;
    const errors = new Screen(Deno.stderr);
    const onProgress = (taken: TakenParts) => errors.status(`importing: ${amountText(taken)}`);
    let imported: ImportedRun;
    try {
      imported = await importRun({ source, root, newId, maxBytes, signal, onProgress });
    } catch (error) {
      if (error === signal.reason) return interrupts.received!.exitCode;
      throw error;
    } finally {
      errors.status();
    }
    const screen = new Screen(Deno.stdout);
    if (json) {
      const { runId, newId, redacted, leftOut, ...amounts } = imported;
      const file = source === STDIN ? null : source;
      const what = { file, run_id: runId, import_id: newId, root, redacted };
      screen.line(JSON.stringify({ ...what, ...amounts, left_out_tails: leftOut }));
      return 0;
    }
    const { runId, newId: imports } = imported;
    const name = imports === runId ? "" : ` as ${imports}`;
    screen.line(printableLine(`imported ${runId} to ${root}${name}: ${amountText(imported)}`));
    for (const text of leftOutText(imported)) screen.line(text);
    screen.line(printableLine(`look at it: ${commandHint("show", { root, runId: imports })}`));
    return 0;
  },
};
