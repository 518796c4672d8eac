import { defined, isObject } from "../../_internal/errors.ts";
import { recoverCapture } from "../../capture/session/recover_capture.ts";
import { linePagesOf } from "../../run/engine/run_log.ts";
import { refusalId, WaitHistory } from "../../run/engine/wait_history.ts";
import { passGate } from "../../run/pass_gate.ts";
import type { RunView } from "../../run/types.ts";
import { optionError, UsageError } from "../exit_codes.ts";
import { findReadableRun } from "../reading/find_run.ts";
import { openRoot } from "../reading/open_root.ts";
import { goOnHint, programAbout, START_PROGRAM } from "../reading/program_about.ts";
import { listed, printableLine } from "../text/printable.ts";
import { Screen } from "../text/screen.ts";
import {
  type OptionTable,
  parseJsonValue,
  readArguments,
  userName,
  type Verb,
} from "../text/arguments.ts";

const OPTIONS = {
  value: {
    value: "JSON",
    text: "what a program that waits at the gate gets; of a flow it is recorded, and that is all",
  },
  reject: { text: "do not let it pass: the gate has failed" },
  by: { value: "NAME", text: "who says so (default: the user, by USER or LOGNAME)" },
} as const satisfies OptionTable;

/** `taffrail pass`: lets a run pass a gate. */
export const passVerb: Verb = {
  summary: "let a run pass a gate, or refuse to",
  help: {
    about: `Lets a run pass a gate at which it waits, or will wait: that is recorded and on
disk when this ends, whether or not anybody works on the run now. Of several
answers for a gate the first one counts. RUN is the id of a run, its beginning
where no other begins so, or the name of a flow for its newest run. GATE is the
id of a node of its flow that has a "gate", or what a program waits for.`,
    usage: ["[options] RUN GATE"],
    options: OPTIONS,
    operands: ["RUN", "GATE"],
    runs: ["running", "orphan", "aborted"],
    exitCodes: `0 it is recorded, and counts, 1 it is not, or comes too late, 2 called wrongly.`,
    json: `{ "run_id", "gate", "recorded", "too_late", "is_live", "waits" }; is_live:
somebody worked on the run when it was recorded; waits: the run waits there, or
waited when it ended.`,
  },

  async run(args) {
    const { root, json, options, operands } = readArguments("pass", args, OPTIONS);
    const [wanted = "", gate = ""] = operands;
    if (operands.length !== 2 || wanted === "" || gate === "") {
      throw new UsageError("taffrail pass needs a run and a gate; see taffrail pass --help");
    }
    const { reject = false, by = userName() } = options;
    if (reject && options.value !== undefined) {
      throw new UsageError(
        "Cannot use --value with --reject: a gate that is not passed gives none",
      );
    }
    const value = options.value === undefined
      ? undefined
      : parseJsonValue(options.value, (problem) =>
        optionError("value", options.value!, `it ${problem}`));
    // An older run is named by its id: nobody lets that go on by answering for the newest.
    await using runs = await openRoot(root);
    const runId = await findReadableRun({ root, runs }, wanted);
    const view = runs.view(runId);
    const waits = await readWaits(view);
    const { kind, ended, open } = waits.of(gate);
    if (kind === "sleep") {
      throw new Error(
        `Cannot pass ${gate} of ${runId}: it is a sleep, which ends when its time has come`,
      );
    }
    const isLate = open === undefined && ended?.waited.how === "passed";
    const isProgram = await programAbout(view) !== undefined;
    const hasOther = isProgram && await hasAnswer(view, gate, waits);
    // Whoever works on the run may come to its end as soon as it has the answer.
    const live = await view.holder() !== undefined;
    await passGate(runs, runId, gate, { reject, method: "human_cli", ...defined({ value, by }) });
    const screen = new Screen(Deno.stdout);
    if (json) {
      const said = { run_id: runId, gate, recorded: true, too_late: isLate, is_live: live };
      screen.line(JSON.stringify({ ...said, waits: open !== undefined }));
      return isLate ? 1 : 0;
    }
    const what = reject ? "is not to be passed" : "may be passed";
    if (isLate) {
      const { by: passer } = ended.waited;
      const who = passer === undefined ? "" : ` by ${passer}`;
      const stands = `the gate ${gate} of ${runId} was passed before${who}, and that stands`;
      screen.line(printableLine(`too late: ${stands}`));
      return 1;
    }
    screen.line(printableLine(`recorded: the gate ${gate} of ${runId} ${what}`));
    // Of a flow it is known that it has the gate.
    if (open === undefined && isProgram) {
      const waiting = waits.waiting.filter(({ kind }) => kind === "gate").map(({ id }) => id);
      const others = waiting.length === 0 ? "" : ` but at ${listed(waiting)}`;
      screen.line(
        printableLine(`the run does not wait there now${others}: it counts when it comes there`),
      );
    }
    if (hasOther) screen.line("an answer was left before: if the program can use it, it counts");
    if (!live) {
      const hint = await goOnHint({ root, view });
      const how = hint === START_PROGRAM ? hint : `go on with it by ${hint}`;
      screen.line(`nobody works on the run: ${how}`);
    }
    return 0;
  },
};

/** What was waited for, and what was recorded; what cannot be read is for whoever goes on with the run. */
async function readWaits(view: RunView): Promise<WaitHistory> {
  const waits = new WaitHistory();
  const recovered = await recoverCapture(view.raw("capture")).catch(() => undefined);
  const bundle = recovered?.bundle;
  for (const note of bundle !== undefined && "notes" in bundle ? bundle.notes ?? [] : []) {
    if (note.type === "wait" || note.type === "waited") waits.take(note);
    else if (note.type === "record") waits.records.add(note.id);
  }
  return waits;
}

/** Whether an answer was left that is not used up; one that the program could not use has a record. */
async function hasAnswer(
  view: RunView,
  gate: string,
  waits: WaitHistory,
): Promise<boolean> {
  const isAnswer = ({ event, seq }: { event: unknown; seq: number }) => {
    return isObject(event) && event.gate === gate && !waits.records.has(refusalId(gate, seq));
  };
  for await (const { events } of linePagesOf(view, "inbox", waits.of(gate).usedUp)) {
    if (events.some(isAnswer)) return true;
  }
  return false;
}
