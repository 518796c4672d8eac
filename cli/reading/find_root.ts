import { lookAt, pathUpFrom } from "../files.ts";
import { dirname, join } from "../../_internal/path.ts";
import {
  checkRoot as refuseUrl,
  DEFAULT_ROOT,
  gitignorePath,
} from "../../_internal/root_layout.ts";
import { reasonOf } from "../../_internal/text.ts";
import { UsageError } from "../exit_codes.ts";

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
    if (lookIfAllowed(root)?.isDirectory) return pathUpFrom(cwd, root);
    if (dirname(at) === at || lookIfAllowed(join(at, ".git")) !== undefined) return DEFAULT_ROOT;
  }
}

/**
 * The root that somebody has chosen: by `--root`, or else by the variable `TAFFRAIL_ROOT`, which commands of
 * a run find in their environment, so that what they record is beside that run wherever they go; undefined
 * when nobody has. An empty variable chooses nothing.
 *
 * @throws {UsageError} If it cannot be a root, so that it is not taken for one without runs.
 */
export function chosenRoot(option: string | undefined): string | undefined {
  const variable = Deno.env.get("TAFFRAIL_ROOT");
  if (option !== undefined) checkRoot(option, "--root");
  else if (variable) checkRoot(variable, "TAFFRAIL_ROOT");
  return option ?? (variable || undefined);
}

/**
 * Refuses what cannot be a root; `by`: how it was chosen.
 *
 * @throws {UsageError} If it cannot be one.
 */
export function checkRoot(root: string, by: string): void {
  if (root === "") throw new UsageError(`Cannot use ${by}: it is empty; name a directory`);
  if (isPostgres(root)) return refusePassword(root, by);
  try {
    refuseUrl(root);
  } catch (cause) {
    throw new UsageError(`${reasonOf(cause)}, with ${by}`, { cause });
  }
  if (lookIfAllowed(root)?.isDirectory === false) {
    throw new UsageError(`Cannot use ${by} ${root}: it is a file; name a directory`);
  }
}

/** Whether a root is a database. */
export function isPostgres(root: string): boolean {
  return /^\s*postgres(?:ql)?:\/\//i.test(root);
}

/**
 * Refuses the URL of a database with a password in it: all users of a machine see the arguments of its processes,
 * and a root is recorded and given to commands. `by`: how the root was chosen.
 */
export function refusePassword(url: string, by: string): void {
  // A password may have any characters where somebody forgot to encode them, so this is not particular.
  const hasPassword = /:\/\/[^]*:[^]*@/.test(url) || /[?&](?:ssl)?password=/i.test(url);
  if (!hasPassword) return;
  throw new UsageError(
    `Cannot use ${by}: its URL has a password, which others can see; leave that out, and set PGPASSWORD, ` +
      "or write it into ~/.pgpass or the file that PGPASSFILE names (an @ behind a colon is written %40)",
  );
}

/** What may not be looked at counts as missing: it is left to those who use it, and they say why not. */
function lookIfAllowed(path: string): Deno.FileInfo | undefined {
  try {
    return lookAt(path);
  } catch {
    return undefined;
  }
}

/**
 * Creates the directory that holds the runs, where it is missing, with a `.gitignore` that keeps
 * all of it out of a repository. An existing directory is left as it is. A database has none.
 */
export function prepareRootDirectory(root: string): void {
  if (isPostgres(root)) return;
  try {
    if (lookAt(root) === undefined) createRootDirectory(root);
  } catch (cause) {
    const reason = reasonOf(cause);
    throw new Error(`Cannot create ${root}: ${reason}; choose another --root`, { cause });
  }
}

function createRootDirectory(root: string): void {
  Deno.mkdirSync(root, { recursive: true, mode: 0o700 });
  try {
    Deno.writeTextFileSync(gitignorePath(root), "*\n", { createNew: true, mode: 0o600 });
  } catch (error) {
    // Another run created the directory at the same time.
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
}
