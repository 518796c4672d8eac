/** What is drilled: a flow, or a program that makes steps of its own; and how either is begun and gone on with. */
import { UsageError } from "../exit_codes.ts";
import { findCommand } from "../flow/find_programs.ts";
import { resumeVariable } from "../../run/marks.ts";
import { thisCommand } from "../process/this_command.ts";
import { commandLine } from "../text/printable.ts";

/** A program, its arguments, and the variables that only it gets. */
export interface CommandToRun {
  /** The words of the command line. */
  words: readonly string[];
  /** Variables. */
  env: Readonly<Record<string, string>>;
}

/** What is drilled. */
export interface Subject {
  /** What it is called. */
  name: string;
  /** Whether its root need not be the one that it is given: a program may choose. */
  choosesRoot: boolean;
  /** Begins it. */
  begin(): CommandToRun;
  /** Goes on with a run of it. */
  goOn(run: { root: string; runId: string }): CommandToRun;
}

/** A flow file, as it is named in the folder in which it is run. */
export function flowSubject(path: string, args: readonly string[]): Subject {
  const behind = args.length === 0 ? [] : ["--", ...args];
  return {
    name: path,
    choosesRoot: false,
    begin: () => ({ words: thisCommand(["run", path, ...behind]), env: {} }),
    goOn: ({ root, runId }) => ({
      words: thisCommand(["resume", "--root", root, runId]),
      env: {},
    }),
  };
}

/** A program, by its command line. */
export function programSubject(words: readonly string[]): Subject {
  return {
    name: commandLine(words),
    choosesRoot: true,
    begin: () => ({ words, env: {} }),
    goOn: ({ root, runId }) => ({
      words,
      env: { TAFFRAIL_RESUME: resumeVariable({ root, runId }) },
    }),
  };
}

/** Where the program of a command line is. */
export function findProgram(words: readonly string[], cwd: string): string {
  const found = findCommand(words, cwd);
  if (typeof found === "string") return found;
  throw new UsageError(found.problem);
}
