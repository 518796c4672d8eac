import { reasonOf } from "../../_internal/text.ts";
import { isNewer, newerText } from "../reading/open_capture.ts";
import { printableLine } from "../text/printable.ts";
import type { Screen } from "../text/screen.ts";

/** The records that a run consists of. */
export type Part = "log" | "capture" | "bundle" | "trace" | "store";

/** One thing that is wrong in the records. */
export interface Problem {
  /** The run; null for what belongs to none. */
  run_id: string | null;
  /** In which of the records. */
  part: Part;
  /** What is wrong, in a word. */
  kind: string;
  /** The file. */
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

/** A problem of a file as a whole. */
export function fileProblem(
  place: Pick<Problem, "run_id" | "part" | "path">,
  what: Pick<Problem, "kind" | "message"> & { repair?: string },
): Problem {
  const { kind, message, repair = null } = what;
  return { ...place, kind, line: null, byte_offset: null, message, repair };
}

/** A file that cannot be read, with what mends it; what a newer version wrote is left alone. */
export function unreadable(
  place: Pick<Problem, "run_id" | "part" | "path">,
  error: unknown,
  repair: { repair?: string } = {},
): Problem {
  if (isNewer(error)) return fileProblem(place, { kind: "newer", message: newerText(error) });
  return fileProblem(place, { kind: "unreadable", message: reasonOf(error), ...repair });
}

/** Prints each problem with its place, in the form that editors make a link of. */
export function printProblems(screen: Screen, problems: readonly Problem[]): void {
  for (const { path, line, kind, message, repair } of problems) {
    const place = line === null ? path : `${path}:${line}`;
    screen.line(`${screen.mark(false)} ${printableLine(`${place}: ${kind}: ${message}`)}`);
    if (repair !== null) screen.line(screen.paint(`  taffrail repair would ${repair}`, "dim"));
  }
}
