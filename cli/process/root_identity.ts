import { lookAt } from "../files.ts";

/**
 * Which root something is recorded for. A root may be copied together with all that its runs say of
 * processes, while the original is alive: a path alone, or the id of a run, does not tell the two apart.
 */
export interface RootIdentity {
  /** Its absolute path, without links where that was recorded. */
  path: string;
  /** What the file system knows it by, together with `ino`; undefined where it does not tell. */
  dev: number | undefined;
  /** The number of its directory. */
  ino: number | undefined;
}

/** The identity of a root as it is now. */
export function rootIdentityOf(root: string): RootIdentity {
  const path = Deno.realPathSync(root);
  const { dev, ino } = Deno.statSync(path);
  return { path, dev, ino: ino ?? undefined };
}

/**
 * Whose something is that names a root: this one's, another one's, or nobody can tell, as the named
 * directory is gone and may have been moved here, or copied.
 */
export type RootVerdict = "own" | "other" | "unknown";

/** Compares a root with what something says of its own. */
export class RootComparison {
  readonly #here: RootIdentity;

  /** Of the root as it is now. */
  constructor(root: string) {
    this.#here = rootIdentityOf(root);
  }

  /** Whose something is that was recorded for a root; without a root it is nobody's that is known. */
  compare(recorded: RootIdentity | undefined): RootVerdict {
    if (recorded === undefined) return "other";
    const { dev, ino } = this.#here;
    if (ino !== undefined && recorded.dev === dev && recorded.ino === ino) return "own";
    return this.#verdictOn(recorded.path, lookAt(recorded.path));
  }

  /** Whose a process is that was given the path of its root. It may see other directories than this one. */
  compareSeenBy(pid: number, path: string): RootVerdict {
    if (!path.startsWith("/")) return "other";
    return this.#verdictOn(path, lookAt(`/proc/${pid}/root${path}`) ?? lookAt(path));
  }

  #verdictOn(path: string, found: Deno.FileInfo | undefined): RootVerdict {
    if (found === undefined) return "unknown";
    const { path: ownPath, dev, ino } = this.#here;
    if (ino === undefined) return path === ownPath ? "own" : "other";
    return found.dev === dev && found.ino === ino ? "own" : "other";
  }
}
