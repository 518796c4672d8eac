/**
 * Which root a process or a record belongs to. Nobody ends what is not sure to be of the root that is meant: a root
 * may be copied with all that its runs say of processes, and a run may be copied to another root.
 */
import { lookAt } from "../files.ts";
import { databaseOf } from "../../run/marks.ts";
import { isOfFiles } from "../reading/open_root.ts";

/**
 * Which root something is recorded for. A root may be copied together with all that its runs say of
 * processes, while the original is alive: a path alone, or the id of a run, does not tell the two apart.
 */
export interface RootIdentity {
  /** Its absolute path, without links where that was recorded; of a database its URL. */
  path: string;
  /** What the file system knows it by, together with `ino`; undefined where it does not tell. */
  dev: number | undefined;
  /** The number of its directory. */
  ino: number | undefined;
}

/** The identity of a root as it is now. */
export function rootIdentityOf(root: string): RootIdentity {
  if (!isOfFiles(root)) return { path: root, dev: undefined, ino: undefined };
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

  /** Of the root. */
  constructor(root: RootIdentity) {
    this.#here = root;
  }

  /** Whose something is that was recorded for a root; without a root it is nobody's that is known. */
  compare(recorded: RootIdentity | undefined): RootVerdict {
    if (recorded === undefined) return "other";
    const { dev, ino } = this.#here;
    if (ino !== undefined && recorded.dev === dev && recorded.ino === ino) return "own";
    if (!isOfFiles(recorded.path)) return this.#verdictOnDatabase(recorded.path);
    return this.#verdictOn(recorded.path, lookAt(recorded.path));
  }

  /** A server may have several names; a database has one. */
  #verdictOnDatabase(url: string): RootVerdict {
    const { path: ownUrl } = this.#here;
    if (url === ownUrl) return "own";
    if (isOfFiles(ownUrl)) return "other";
    return databaseOf(url) === databaseOf(ownUrl) ? "unknown" : "other";
  }

  /** Whose a process is that was given the path of its root. It may see other directories than this one. */
  compareSeenBy(pid: number, path: string): RootVerdict {
    if (!isOfFiles(path)) return this.#verdictOnDatabase(path);
    if (!path.startsWith("/")) return "other";
    return this.#verdictOn(path, lookAt(["/proc", pid, "root"].join("/") + path) ?? lookAt(path));
  }

  #verdictOn(path: string, found: Deno.FileInfo | undefined): RootVerdict {
    const { path: ownPath, dev, ino } = this.#here;
    if (!isOfFiles(ownPath)) return "other";
    // Where this root was, nobody else's is known to have been.
    if (found === undefined) return path === ownPath ? "own" : "unknown";
    if (ino === undefined) return path === ownPath ? "own" : "other";
    return found.dev === dev && found.ino === ino ? "own" : "other";
  }
}
