/**
 * What a run of a program is known by: its `run.json` says which program that is, and how it is started. A run
 * of the command is known by its flow, and is none of a program whatever else it has.
 */
import { isStringArray } from "../../_internal/errors.ts";
import { parseRunFile } from "../../_internal/run_folder.ts";
import type { RunView } from "../../run/types.ts";
import { commandHint } from "./find_run.ts";
import type { RunPlace } from "./open_root.ts";

/** What a program has said of itself when it began its run. */
export interface ProgramAbout {
  /** The command that starts it; undefined where it said none. */
  command?: readonly string[];
  /** Where it was started. */
  cwd?: string;
  /** Its version. */
  version?: string;
}

/** The program of a run; undefined for the run of a flow. */
export async function programAbout(view: RunView): Promise<ProgramAbout | undefined> {
  if (await view.has("flow.json")) return undefined;
  try {
    const bytes = await view.document("run.json");
    if (bytes === undefined) return {};
    const { command, cwd, version } = parseRunFile(bytes);
    return {
      ...(isStringArray(command) && command.length > 0 && { command }),
      ...(typeof cwd === "string" && { cwd }),
      ...(typeof version === "string" && { version }),
    };
  } catch {
    // What is wrong with it is a matter of whoever needs it.
    return {};
  }
}

/** How a run is gone on with: what to type, or else what to do. */
export async function goOnHint({ root, view }: RunPlace): Promise<string> {
  const program = await programAbout(view);
  const isOfCommand = program === undefined || program.command !== undefined;
  return isOfCommand ? commandHint("resume", { root, runId: view.runId }) : START_PROGRAM;
}

/** What to do where nothing but the program itself can go on with its run. */
export const START_PROGRAM = "start its program again";
