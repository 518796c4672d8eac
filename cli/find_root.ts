import { dirname, join, relative } from "node:path";
import { UsageError } from "./usage_error.ts";

/** The directory that holds the runs of a project. */
export const DEFAULT_ROOT = ".taffrail";

/**
 * The `.taffrail` that is meant in a directory: its own, or that of the nearest one above it, so
 * that the command can be called from anywhere in a project. A directory with `.git` is the last
 * that is looked at, as the runs of one repository are not those of another around it.
 *
 * @returns Its path as seen from the directory; `.taffrail` where there is none yet.
 */
export function findRoot(cwd: string): string {
  for (let at = cwd;; at = dirname(at)) {
    const root = join(at, DEFAULT_ROOT);
    if (isDirectory(root)) return relative(cwd, root);
    if (dirname(at) === at || exists(join(at, ".git"))) return DEFAULT_ROOT;
  }
}

/** Refuses what cannot be a root, so that it is not taken for one without runs. */
export function checkRoot(root: string): void {
  if (root === "") throw new UsageError("Cannot use --root: it is empty; name a directory");
  if (exists(root) && !isDirectory(root)) {
    throw new UsageError(`Cannot use --root ${root}: it is a file; name a directory`);
  }
}

function isDirectory(path: string): boolean {
  return lookAt(path)?.isDirectory === true;
}

function exists(path: string): boolean {
  return lookAt(path) !== undefined;
}

/** What cannot be looked at is left to those who use it: they say why not. */
function lookAt(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch {
    return undefined;
  }
}
