/** How a root is opened that was named on the command line, and how its runs are gone through. */
import { basename } from "../../_internal/path.ts";
import {
  outputName,
  outputPath,
  type RunPaths,
  runPaths,
  schemeOf,
} from "../../_internal/root_layout.ts";
import { isRedactedIn } from "../../_internal/run_folder.ts";
import { openFileRoot } from "../../run/file_root/file_root.ts";
import { isPostgres } from "./find_root.ts";
import { documentPath } from "../../run/file_root/file_run_view.ts";
import type {
  ListOptions,
  OutputRef,
  RunDocument,
  RunListing,
  RunsRoot,
  RunStream,
  RunView,
} from "../../run/types.ts";

/** A root that is open, and what people call it. */
export interface OpenedRoot {
  /** What it was named: the path of a directory, or a URL without its password. */
  readonly root: string;
  readonly runs: RunsRoot;
}

/** A run that is read, and what people call its root. */
export interface RunPlace {
  /** What the root was named. */
  readonly root: string;
  readonly view: RunView;
}

/** Opens the runs of a root: of a directory, or of a database, for which alone more is loaded. */
export async function openRoot(name: string): Promise<RunsRoot> {
  if (!isPostgres(name)) return openFileRoot(name);
  return await (await import("../postgres/open_database.ts")).openDatabase(name);
}

/** Whether a root is a directory: then its files can be looked at, and messages name them. */
export function isOfFiles(root: string): boolean {
  return schemeOf(root) === undefined;
}

/**
 * Where the records of a run are, to people: the paths of its files; in a database what they are and of which
 * run.
 */
export function recordPlaces({ root, runId }: { root: string; runId: string }): RunPaths {
  if (isOfFiles(root)) return runPaths(root, runId);
  const directory = `${runId} in ${root}`;
  const paths = Object.entries(runPaths(".", runId)).map(([name, path]) => {
    return [name, `${basename(path)} of ${directory}`];
  });
  return { ...Object.fromEntries(paths), directory };
}

/** Where a document of a run is, to people. */
export function documentPlace(run: { root: string; runId: string }, name: RunDocument): string {
  return documentPath(recordPlaces(run), name);
}

/** Where what an attempt gave is, to people. */
export function outputPlace(run: { root: string; runId: string }, of: OutputRef): string {
  return isOfFiles(run.root)
    ? outputPath(run, of)
    : `${outputName(of)} of ${run.runId} in ${run.root}`;
}

/** Whether there is a line of a stream, damaged or not. */
export async function hasLines(view: RunView, stream: RunStream): Promise<boolean> {
  const { events, gaps } = await view.lines(stream, { limit: 1 });
  return events.length + gaps.length > 0;
}

/** Whether what may be private was left out of a run when it was exported. */
export async function isRedacted(view: RunView): Promise<boolean> {
  // What is wrong with the document otherwise is a matter of whoever needs it.
  return isRedactedIn(await view.document("run.json").catch(() => undefined));
}

const MOST_IN_PAGE = 2500;

/** All runs that are asked for, page by page. */
export async function* listPages(
  runs: RunsRoot,
  options: Omit<ListOptions, "after" | "limit">,
): AsyncGenerator<RunListing[], void> {
  let after: string | undefined;
  do {
    const page = await runs.list({
      ...options,
      limit: MOST_IN_PAGE,
      ...(after !== undefined && { after }),
    });
    yield page.runs;
    after = page.next;
  } while (after !== undefined);
}

/** The ids of all runs that begin so, in their order. */
export async function listRunIds(runs: RunsRoot, prefix?: string): Promise<string[]> {
  const ids: string[] = [];
  const options = { fields: [], ...(prefix !== undefined && { prefix }) };
  for await (const page of listPages(runs, options)) {
    for (const { runId } of page) ids.push(runId);
  }
  return ids;
}
