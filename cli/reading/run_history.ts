/**
 * What the records of a run tell together. The journal is written first, so that the log of a run that was
 * killed, or lost its end in a power cut, is behind it: what it lacks is put into the same fold, as going
 * on with the run or repairing it would write it.
 */
import { isFromMissingFile } from "../files.ts";
import { CaptureJournalError } from "../../capture/errors.ts";
import { type CaptureLine, readCaptureLines } from "../../capture/session/read_capture_lines.ts";
import type { RunFold } from "../../eventlog/derive_run_state.ts";
import type { RunEvent } from "../../eventlog/run_event.ts";
import type { RunState } from "../../eventlog/run_state.ts";
import { isObject } from "../../_internal/errors.ts";
import { partsOfRunId } from "../../_internal/root_layout.ts";
import { JournalHistory } from "../../run/engine/journal_history.ts";
import { eventsOf } from "../../run/engine/lifecycle.ts";
import { readLogOf, type RunLog } from "../../run/engine/run_log.ts";
import type { RunView } from "../../run/types.ts";
import { describeNode } from "../flow/node_event.ts";
import { Deferrals } from "./deferrals.ts";
import { programAbout } from "./program_about.ts";
import { ProgramFacts } from "./program_facts.ts";

/** What was read of a run. */
export interface RunHistory extends RunLog {
  /** Why its nodes had to wait. */
  deferrals: Deferrals;
  /** What only its journal tells, of the run of a program. */
  program?: ProgramFacts;
}

/**
 * Reads the log of a run, and then its journal, of which nothing is held. `onEvent` is given each event of the one,
 * and `onLine` each line of the other, for whoever wants to know more of them.
 */
export async function readRunHistory(
  view: RunView,
  { onEvent, onLine }: {
    onEvent?: (event: RunEvent) => void;
    onLine?: (line: CaptureLine) => void;
  } = {},
): Promise<RunHistory> {
  const log = await readLogOf(view, onEvent);
  const about = await programAbout(view);
  const program = about && new ProgramFacts(about);
  const history = new JournalHistory(log.fold, { onEnd: (ended) => program?.takeEnd(ended) });
  const deferrals = new Deferrals();
  try {
    await readCaptureLines(view.journal, (line) => {
      history.take(line);
      deferrals.takeLine(line);
      program?.takeLine(line);
      onLine?.(line);
    });
  } catch (error) {
    // There is nothing in it where none was begun, or a newer version began it.
    const isNone = isFromMissingFile(error) || (error instanceof CaptureJournalError &&
      (error.kind === "no-session" || error.kind === "version"));
    if (isNone) return { ...log, deferrals };
    throw error;
  }
  if (!await isOfLog(view, log.fold, history)) return { ...log, deferrals };
  takeUntold(view.runId, log.fold, history);
  return { ...log, deferrals, ...(program && { program }) };
}

/** Whether it is the run engine that wrote the journal, and not a program of the user's beside a log of its own. */
async function isOfLog(
  view: RunView,
  fold: RunFold,
  history: JournalHistory,
): Promise<boolean> {
  if (fold.hasBegun) return fold.run.pipe === history.name;
  // Killed before its log got anything, a run of openRun has nothing else that tells it.
  const isNamedSo = partsOfRunId(view.runId)?.name === history.name;
  return isNamedSo || history.ended !== undefined || await view.has("flow.json");
}

function takeUntold(runId: string, fold: RunFold, history: JournalHistory): void {
  const bodies = history.untoldEvents({ name: history.name, nodes: [], describe: describeNode });
  for (const event of eventsOf(bodies, { runId, after: fold.lastEventId })) fold.take(event);
}

/** The state that the last line of the journal of a run says, if that is an end; nothing else of it is read. */
export async function endInJournal(
  view: RunView,
): Promise<Pick<RunState, "state" | "is_orphan"> | undefined> {
  const { type, state, reason } = await lastLineOf(view);
  if (type !== "ended") return undefined;
  const isCompleted = state === "Completed";
  return {
    state: isCompleted ? "Completed" : { Aborted: { reason: `${reason}` } },
    is_orphan: false,
  };
}

/** What a run waits for since the last line of its journal, if that says so; nothing else of it is read. */
export async function waitInJournal(view: RunView): Promise<"gate" | "sleep" | undefined> {
  const { type, kind } = await lastLineOf(view);
  return type === "wait" && (kind === "gate" || kind === "sleep") ? kind : undefined;
}

async function lastLineOf(view: RunView): Promise<Record<string, unknown>> {
  const line = await view.lastLine("capture");
  return isObject(line) ? line : {};
}
