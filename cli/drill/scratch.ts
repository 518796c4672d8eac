/**
 * Where one run of a drill takes place: a root and a copy of the folder that are its own, and all that goes away
 * with it. Processes are found by the mark that the drill gives to what it starts, as a run does to its commands.
 */
import { basename, dirname, join, SEPARATOR } from "../../_internal/path.ts";
import {
  DEFAULT_ROOT,
  lastUlidPath,
  runPaths,
  runsDirectory,
} from "../../_internal/root_layout.ts";
import { reasonOf } from "../../_internal/text.ts";
import { exists, isAbsolute, isDirectory, resolve } from "../files.ts";
import { entryOf, ownEntries } from "../../run/marks.ts";
import { endLeftOutside } from "../process/orphan_processes.ts";
import { rootIdentityOf } from "../process/root_identity.ts";

/** What is drilled, as it lies on the disk. */
export interface Place {
  /** The folder, an absolute path without links. */
  directory: string;
  /** The directory below it, or it, in which the command is started: what stands behind it, or nothing. */
  below: string;
  /** Whether no copy is made. */
  isHere: boolean;
  /** The files and folders below it that are compared. */
  effects: readonly string[];
}

/** The mark of what a drill has started. */
const DRILL = { runId: "drill", nodeId: "drill", attempt: 1 };

/** A root and a folder of one run. */
export class Scratch implements AsyncDisposable {
  /** The folder of the root. */
  readonly root: string;
  /** The copy of the folder, or the folder itself. */
  readonly folder: string;
  /** Where the command is started. */
  readonly cwd: string;
  /** Whether no copy was made. */
  readonly isHere: boolean;
  readonly #directory: string;
  readonly #note: (text: string) => void;

  private constructor(directory: string, place: Place, note: (text: string) => void) {
    this.#directory = directory;
    this.#note = note;
    this.root = join(directory, DEFAULT_ROOT);
    this.isHere = place.isHere;
    // Programs may say what their folder is called; one that is called as the root is lies beside it.
    this.folder = place.isHere
      ? place.directory
      : join(directory, "copy", basename(place.directory));
    this.cwd = place.below === "" ? this.folder : join(this.folder, place.below);
  }

  /** Makes one. Where no copy is made, `kept` is put back first. */
  static async make(
    place: Place,
    { kept, note }: { kept: KeptEffects | undefined; note: (text: string) => void },
  ): Promise<Scratch> {
    const made = await Deno.realPath(await Deno.makeTempDir({ prefix: "taffrail-drill-" }));
    const scratch = new Scratch(made, place, note);
    try {
      await Deno.mkdir(scratch.root, { mode: 0o700 });
      if (kept !== undefined) await kept.putBack();
      else {
        await Deno.mkdir(dirname(scratch.folder), { mode: 0o700 });
        await copyTree(place.directory, scratch.folder);
      }
      return scratch;
    } catch (error) {
      await scratch[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The variables of what is started here: its root, and what it is found by. */
  get env(): Record<string, string> {
    return {
      TAFFRAIL_ROOT: this.root,
      // Nobody wants to see the spans of runs that are made to be killed.
      OTEL_SDK_DISABLED: "true",
      TAFFRAIL_WITHIN: ownEntries() + entryOf({ ...DRILL, root: this.root }),
    };
  }

  /** Ends all that was started here and still runs. */
  async endLeft(): Promise<void> {
    await endLeftOutside("wholeRun", {
      root: this.root,
      rootIdentity: rootIdentityOf(this.root),
      runId: DRILL.runId,
      graceMs: 0,
      kill: AbortSignal.abort(),
      // That there is something is the point of a drill.
      note: () => {},
    });
  }

  /** Ends and removes all of it. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (exists(this.root)) await this.endLeft();
      await Deno.remove(this.#directory, { recursive: true });
    } catch (error) {
      this.#note(`Cannot remove ${this.#directory}: ${reasonOf(error)}; remove it`);
    }
  }
}

/** What the files that are compared were before the first run, where they are not those of a copy. */
export class KeptEffects implements AsyncDisposable {
  readonly #place: Place;
  readonly #directory: string;

  private constructor(place: Place, directory: string) {
    this.#place = place;
    this.#directory = directory;
  }

  /** Keeps them. */
  static async keep(place: Place): Promise<KeptEffects> {
    const directory = await Deno.makeTempDir({ prefix: "taffrail-drill-" });
    const kept = new KeptEffects(place, directory);
    for (const [index, path] of place.effects.entries()) {
      const from = join(place.directory, path);
      if (exists(from)) await copyTree(from, kept.#pathOf(index));
    }
    return kept;
  }

  /** Makes them what they were. */
  async putBack(): Promise<void> {
    for (const [index, path] of this.#place.effects.entries()) {
      const to = join(this.#place.directory, path);
      if (exists(to)) await Deno.remove(to, { recursive: true });
      if (exists(this.#pathOf(index))) await copyTree(this.#pathOf(index), to);
    }
  }

  /** Makes them what they were, for good. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.putBack();
    await Deno.remove(this.#directory, { recursive: true });
  }

  #pathOf(index: number): string {
    return join(this.#directory, String(index));
  }
}

/**
 * Copies a file, or a folder with all that is in it, but for the roots of runs in it. A link stays one: one that
 * leads out of the folder leads to what it led to. What is neither is left out.
 */
async function copyTree(from: string, to: string, top = from): Promise<void> {
  const info = await Deno.lstat(from);
  if (info.isSymlink) {
    const target = await Deno.readLink(from);
    const absolute = resolve(from, "..", target);
    const isInside = !isAbsolute(target) && isBelow(absolute, top);
    await Deno.symlink(isInside ? target : absolute, to);
  } else if (info.isFile) {
    await Deno.copyFile(from, to);
    const { atime, mtime } = info;
    if (atime !== null && mtime !== null) await Deno.utime(to, atime, mtime);
  } else if (info.isDirectory) {
    // What may not be written to could not be removed.
    await Deno.mkdir(to, { mode: (info.mode ?? 0o777) & 0o777 | 0o700 });
    for await (const { name } of Deno.readDir(from)) {
      const path = join(from, name);
      if (!isRoot(path)) await copyTree(path, join(to, name), top);
    }
  }
}

/** Whether a path is a directory, or something in it. */
function isBelow(path: string, directory: string): boolean {
  return path === directory ||
    path.startsWith(directory.endsWith(SEPARATOR) ? directory : directory + SEPARATOR);
}

/** A run that is drilled begins without the runs that were recorded before. */
function isRoot(path: string): boolean {
  if (basename(path) === DEFAULT_ROOT) return true;
  if (!isDirectory(runsDirectory(path))) return false;
  if (exists(lastUlidPath(path))) return true;
  return Array.from(Deno.readDirSync(runsDirectory(path)))
    .some(({ name }) => exists(runPaths(path, name).run));
}

/** Where a path lies in a directory: what stands behind that; undefined where it lies elsewhere. */
export function belowOf(path: string, directory: string): string | undefined {
  if (!isBelow(path, directory)) return undefined;
  return path.slice(directory.length).replace(/^[/\\]/, "");
}
