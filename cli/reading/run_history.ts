/**
 * What the records of a run tell together. The journal is written first, so that the log of a run that was
 * killed, or lost its end in a power cut, is behind it: what it lacks is put into the same fold, as going
 * on with the run or repairing it would write it.
 */
import { exists, isFromMissingFile } from "../files.ts";
import { CaptureJournalError } from "../../capture/errors.ts";
import { readCaptureLines } from "../../capture/session/read_capture_lines.ts";
import type { RunFold } from "../../eventlog/derive_run_state.ts";
import type { RunState } from "../../eventlog/run_state.ts";
import { denoFilePort, readRangeSync, sizeOf, withFileSync } from "../../_internal/file_port.ts";
import { partsOfRunId, runPaths } from "../../_internal/root_layout.ts";
import { JournalHistory } from "../../run/engine/journal_history.ts";
import { eventsOf } from "../../run/engine/lifecycle.ts";
import { describeNode } from "../flow/node_event.ts";
import { Deferrals } from "./deferrals.ts";
import { programAbout } from "./program_about.ts";
import { ProgramFacts } from "./program_facts.ts";
import { readRunLog, type RunLog } from "../../run/engine/run_log.ts";

/** What was read of a run. */
export interface RunHistory extends RunLog {
  /** Why its nodes had to wait. */
  deferrals: Deferrals;
  /** What only its journal tells, of the run of a program. */
  program?: ProgramFacts;
}

/** Reads the log of a run, and then its journal, of which nothing is held. */
export async function readRunHistory(root: string, runId: string): Promise<RunHistory> {
  const log = readRunLog(root, runId);
  const about = programAbout(root, runId);
  const program = about && new ProgramFacts(about);
  const history = new JournalHistory(log.fold, { onEnd: (ended) => program?.takeEnd(ended) });
  const deferrals = new Deferrals();
  try {
    await readCaptureLines(runPaths(root, runId).journal, (line) => {
      history.take(line);
      deferrals.takeLine(line);
      program?.takeLine(line);
    });
  } catch (error) {
    // There is nothing in it where none was begun, or a newer version began it.
    const isNone = isFromMissingFile(error) || (error instanceof CaptureJournalError &&
      (error.kind === "no-session" || error.kind === "version"));
    if (isNone) return { ...log, deferrals };
    throw error;
  }
  if (!isOfLog({ root, runId }, log.fold, history)) return { ...log, deferrals };
  takeUntold(runId, log.fold, history);
  return { ...log, deferrals, ...(program && { program }) };
}

/** Whether it is the run engine that wrote the journal, and not a program of the user's beside a log of its own. */
function isOfLog(
  { root, runId }: { root: string; runId: string },
  fold: RunFold,
  history: JournalHistory,
): boolean {
  if (fold.hasBegun) return fold.run.pipe === history.name;
  // Killed before its log got anything, a run of openRun has nothing else that tells it.
  const isNamedSo = partsOfRunId(runId)?.name === history.name;
  return isNamedSo || history.ended !== undefined || exists(runPaths(root, runId).flow);
}

function takeUntold(runId: string, fold: RunFold, history: JournalHistory): void {
  const bodies = history.untoldEvents({ name: history.name, nodes: [], describe: describeNode });
  for (const event of eventsOf(bodies, { runId, after: fold.lastEventId })) fold.take(event);
}

/** More than a line of an end takes that was not made by somebody for this. */
const TAIL_BYTES = 64 * 1024;

/** The state that the last line of the journal of a run says, if that is an end; nothing else of it is read. */
export function endInJournal(
  root: string,
  runId: string,
): Pick<RunState, "state" | "is_orphan"> | undefined {
  const { type, state, reason } = lastLineOf(root, runId);
  if (type !== "ended") return undefined;
  const isCompleted = state === "Completed";
  return {
    state: isCompleted ? "Completed" : { Aborted: { reason: `${reason}` } },
    is_orphan: false,
  };
}

/** What a run waits for since the last line of its journal, if that says so; nothing else of it is read. */
export function waitInJournal(root: string, runId: string): "gate" | "sleep" | undefined {
  const { type, kind } = lastLineOf(root, runId);
  return type === "wait" && (kind === "gate" || kind === "sleep") ? kind : undefined;
}

function lastLineOf(root: string, runId: string): Record<string, unknown> {
  const { journal: path } = runPaths(root, runId);
  const tail = withFileSync(denoFilePort, { path, read: true }, (file) => {
    const size = sizeOf(file);
    // It may begin within a character.
    return new TextDecoder().decode(readRangeSync(file, Math.max(0, size - TAIL_BYTES), size));
  });
  return JSON.parse(tail.trimEnd().split("\n").at(-1)!);
}
