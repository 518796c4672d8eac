import { basename as posixBasename } from "@std/path/posix/basename";
import { fromFileUrl as posixFromFileUrl } from "@std/path/posix/from-file-url";
import { join as posixJoin } from "@std/path/posix/join";
import { basename as windowsBasename } from "@std/path/windows/basename";
import { fromFileUrl as windowsFromFileUrl } from "@std/path/windows/from-file-url";
import { join as windowsJoin } from "@std/path/windows/join";

const isWindows = Deno.build.os === "windows";
const basename = isWindows ? windowsBasename : posixBasename;
const fromFileUrl = isWindows ? windowsFromFileUrl : posixFromFileUrl;
const join = isWindows ? windowsJoin : posixJoin;

/** Options for {@linkcode walk}; `followSymlinks` and `canonicalize` are not in this stand-in. */
export interface WalkOptions {
  /** The maximum depth of the file tree to walk. */
  maxDepth?: number;
  /** Whether files are yielded. */
  includeFiles?: boolean;
  /** Whether directories are yielded. */
  includeDirs?: boolean;
  /** Whether symbolic links are yielded. */
  includeSymlinks?: boolean;
  /** Only paths with one of these extensions are yielded. */
  exts?: string[];
  /** Only paths that match one of these are yielded. */
  match?: RegExp[];
  /** Paths that match one of these are neither yielded nor entered. */
  skip?: RegExp[];
}

/** One file, directory or symbolic link found by {@linkcode walk}. */
export interface WalkEntry extends Deno.DirEntry {
  /** Full path of the entry. */
  path: string;
}

/** Walks through the tree below `root` and yields what it finds, `root` included. */
export async function* walk(
  root: string | URL,
  options: WalkOptions = {},
): AsyncIterableIterator<WalkEntry> {
  const path = join(root instanceof URL ? fromFileUrl(root) : root);
  const depth = options.maxDepth ?? Infinity;
  if (depth < 0) return;
  const { isFile, isDirectory, isSymlink } = await Deno.stat(path);
  const entry = { path, name: basename(path), isFile, isDirectory, isSymlink };
  if ((options.includeDirs ?? true) && isWanted(path, options)) yield entry;
  if (depth >= 1 && !isSkipped(path, options)) yield* walkEntries(path, options);
}

async function* walkEntries(root: string, options: WalkOptions): AsyncGenerator<WalkEntry> {
  const { maxDepth = Infinity, includeFiles = true, includeSymlinks = true } = options;
  for await (const entry of Deno.readDir(root)) {
    const path = join(root, entry.name);
    if (entry.isDirectory) {
      yield* walk(path, { ...options, maxDepth: maxDepth - 1 });
      continue;
    }
    const isIncluded = entry.isSymlink ? includeSymlinks : includeFiles;
    if (isIncluded && isWanted(path, options)) yield { path, ...entry };
  }
}

function isWanted(path: string, options: WalkOptions): boolean {
  const { exts, match } = options;
  if (exts?.some((ext) => path.endsWith(ext.startsWith(".") ? ext : `.${ext}`)) === false) {
    return false;
  }
  return match?.some((pattern) => path.search(pattern) >= 0) !== false && !isSkipped(path, options);
}

function isSkipped(path: string, { skip }: WalkOptions): boolean {
  return skip?.some((pattern) => path.search(pattern) >= 0) === true;
}
