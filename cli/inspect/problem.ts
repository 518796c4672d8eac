/** What is found in the records of runs, and how it is told. */
import { reasonOf } from "../../_internal/text.ts";
import type { RunView } from "../../run/types.ts";
import { isOfFiles, recordPlaces } from "../reading/open_root.ts";
import { isNewer, newerText } from "../reading/open_capture.ts";
import { printableLine } from "../text/printable.ts";
import type { Screen } from "../text/screen.ts";

/** The run that is looked at. */
export interface InspectedRun {
  /** What the root was named. */
  root: string;
  /** The run. */
  runId: string;
  view: RunView;
  /** Whether somebody works on it. */
  live: boolean;
}

/** The records that a run consists of. */
export type Part =
  | "run"
  | "log"
  | "flow"
  | "capture"
  | "bundle"
  | "processes"
  | "inbox"
  | "output"
  | "trace"
  | "store";

/** One thing that is wrong in the records, or that should be known about them. */
export interface Problem {
  /** The run; null for what belongs to none. */
  run_id: string | null;
  /** In which of the records. */
  part: Part;
  /** What is wrong, in a word. */
  kind: string;
  /** The file, or in a database what it is and of which run. */
  path: string;
  /** The 1-based line, where there is one. */
  line: number | null;
  /** Where it begins in the file, where that is known. */
  byte_offset: number | null;
  /** What is wrong, for people. */
  message: string;
  /** What `taffrail repair` does about it; null when nothing safe can be done. */
  repair: string | null;
}

/** What is to be known and is no damage: it will not stay so, or has been taken care of. */
const NOTES: ReadonlySet<string> = new Set([
  "unfinished",
  "kept-lines",
  "known-damage",
  "behind-log",
  "lost-tail",
  "lost-output",
  "redacted",
]);

/** Whether nothing is wrong with it: it is to be known, and exits with 0. */
export function isNote({ kind }: Pick<Problem, "kind">): boolean {
  return NOTES.has(kind);
}

/** Makes a problem of one of the files of a run, as a whole. */
export type MakeProblem = (
  part: Part,
  kind: string,
  message: string,
  repair?: string | null,
) => Problem;

/** Makes problems of the files of a run. */
export function problemMaker(run: InspectedRun): MakeProblem {
  const paths = recordPlaces(run);
  const files: Partial<Record<Part, string>> = {
    run: paths.run,
    log: paths.events,
    flow: paths.flow,
    capture: paths.journal,
    bundle: paths.bundle,
    processes: paths.processes,
    inbox: paths.inbox,
  };
  return (part, kind, message, repair = null) => {
    const place = { run_id: run.runId, part, path: files[part] ?? paths.directory };
    return fileProblem(place, { kind, message, repair });
  };
}

/** Where a problem of a file is. */
export type FilePlace = Pick<Problem, "run_id" | "part" | "path">;

/** A problem of a file: of one of its lines, or where none is given of the file as a whole. */
export function fileProblem(
  place: FilePlace,
  what: Pick<Problem, "kind" | "message"> & Partial<Pick<Problem, "line" | "repair">> & {
    byteOffset?: number | undefined;
  },
): Problem {
  const { kind, line = null, byteOffset = null, message, repair = null } = what;
  return { ...place, kind, line, byte_offset: byteOffset, message, repair };
}

/** A file that cannot be read, with what mends it; what a newer version wrote is left alone. */
export function unreadable(
  place: FilePlace,
  error: unknown,
  repair: { repair?: string } = {},
): Problem {
  if (isNewer(error)) return fileProblem(place, { kind: "newer", message: newerText(error) });
  return fileProblem(place, { kind: "unreadable", message: reasonOf(error), ...repair });
}

/** Problems as `--json` prints them: a database has no paths. */
export function problemsJson(root: string, problems: readonly Problem[]): object[] {
  return isOfFiles(root) ? [...problems] : problems.map((one) => ({ ...one, path: null }));
}

/** Prints each with its place, in the form that editors make a link of. */
export function printProblems(screen: Screen, problems: readonly Problem[]): void {
  for (const problem of problems) {
    const { path, line, kind, message, repair } = problem;
    const place = line === null ? path : `${path}:${line}`;
    const mark = isNote(problem) ? screen.paint("note", "yellow") : screen.mark(false);
    screen.line(`${mark} ${printableLine(`${place}: ${kind}: ${message}`)}`);
    if (repair !== null) screen.line(screen.paint(`  taffrail repair would ${repair}`, "dim"));
  }
}
