/** The projects of a workspace of Deno or npm, as `deno task --recursive` and `--filter` go through them. */
import { isStringArray } from "../../_internal/errors.ts";
import { basename, dirname, join } from "../../_internal/path.ts";
import { UsageError } from "../exit_codes.ts";
import { isDirectory, resolve } from "../files.ts";
import { listed, quoted } from "../text/printable.ts";
import type { Json } from "./parse_jsonc.ts";
import { NO_TASK_FILES, type TaskFile, type TaskFiles } from "./task_files.ts";

/** A member of a workspace, its root, or a project that is in none. */
export interface Project {
  /** Its directory. */
  directory: string;
  /** The name that `--filter` knows it by, and its nodes begin with: that of its package, or of its directory. */
  name: string;
}

/**
 * The projects of the workspace that a directory is in: the root, then the members in the order in which it
 * names them; where there is no workspace the project alone.
 *
 * @throws {UsageError} If there is no project, or what names the members is wrong.
 */
export function projectsOf(cwd: string, files: TaskFiles): Project[] {
  const own = nearest(cwd, (directory) => has(directory, files));
  if (own === undefined) {
    throw new UsageError(`Cannot look for members of a workspace: ${NO_TASK_FILES}`);
  }
  const root = nearest(own, (directory) => workspacesIn(directory, files).length > 0);
  const members = root === undefined ? [] : membersOf(root, files);
  const isIn = own === root || members.includes(own);
  const directories = root !== undefined && isIn ? [root, ...members] : [own];
  return directories.map((directory) => ({ directory, name: nameOf(directory, files) }));
}

/**
 * Those whose name contains a text, in which `*` stands for any other, as Deno takes it.
 *
 * @throws {UsageError} If there are none.
 */
export function filterProjects(projects: readonly Project[], filter: string): Project[] {
  const matches = matcher(filter, "contains");
  const found = projects.filter(({ name }) => matches(name));
  if (found.length > 0) return found;
  const names = listed(projects.map(({ name }) => name));
  throw new UsageError(
    `Cannot use --filter ${quoted(filter)}: no member has such a name; there ${
      projects.length === 1 ? "is" : "are"
    } ${names}`,
  );
}

/** Tells texts that a pattern is of, in which `*` stands for any text. */
export function matcher(pattern: string, how: "is" | "contains"): (text: string) => boolean {
  const all = pattern.split("*").map((part) => RegExp.escape(part)).join(".*");
  const expression = new RegExp(how === "is" ? `^${all}$` : all, "s");
  return (text) => expression.test(text);
}

function nearest(from: string, is: (directory: string) => boolean): string | undefined {
  for (let at = from;; at = dirname(at)) {
    if (is(at)) return at;
    if (dirname(at) === at) return undefined;
  }
}

function has(directory: string, files: TaskFiles): boolean {
  const { deno, npm } = files.in(directory);
  return deno !== undefined || npm !== undefined;
}

function workspacesIn(directory: string, files: TaskFiles): TaskFile[] {
  const { deno, npm } = files.in(directory);
  return [deno, npm].filter((file) => file?.workspace !== undefined) as TaskFile[];
}

function nameOf(directory: string, files: TaskFiles): string {
  const { deno, npm } = files.in(directory);
  return deno?.packageName ?? npm?.packageName ?? basename(directory);
}

function membersOf(root: string, files: TaskFiles): string[] {
  const members = new Set<string>();
  for (const { path, workspace } of workspacesIn(root, files)) {
    const patterns = patternsOf(path, workspace!);
    for (const pattern of patterns) {
      if (pattern.startsWith("!")) {
        for (const excluded of expand(root, pattern.slice(1))) members.delete(excluded);
        continue;
      }
      const found = expand(root, pattern).filter((directory) => has(directory, files));
      if (found.length === 0 && !pattern.includes("*")) {
        const problem = `its member ${
          quoted(pattern)
        } has no deno.json, deno.jsonc or package.json`;
        throw new UsageError(`Cannot read the workspace of ${path}: ${problem}`);
      }
      for (const directory of found) members.add(directory);
    }
  }
  members.delete(root);
  return [...members];
}

/** A list, or an object that has it: as `members` in `deno.json`, as `packages` in `package.json`. */
function patternsOf(path: string, workspace: Json): string[] {
  const patterns = workspace instanceof Map
    ? workspace.get("members") ?? workspace.get("packages") ?? []
    : workspace;
  if (isStringArray(patterns)) return patterns;
  throw new UsageError(`Cannot read the workspace of ${path}: its members are no list of texts`);
}

/** The directories that a pattern names; `**` stands for any number of directories. */
function expand(root: string, pattern: string): string[] {
  let found = [root];
  for (const part of pattern.split("/")) {
    if (part === "" || part === ".") continue;
    found = part === "**"
      ? found.flatMap(withAllBelow)
      : part.includes("*")
      ? found.flatMap((directory) => below(directory).filter(byName(part)))
      : found.map((directory) => resolve(directory, part));
  }
  return found;
}

function byName(pattern: string): (path: string) => boolean {
  const matches = matcher(pattern, "is");
  return (path) => matches(basename(path));
}

function withAllBelow(directory: string): string[] {
  return [directory, ...below(directory).flatMap(withAllBelow)];
}

/** The directories in one, by name; none where packages that are only used lie. */
function below(directory: string): string[] {
  if (!isDirectory(directory)) return [];
  return Array.from(Deno.readDirSync(directory))
    .filter((entry) => entry.isDirectory && !/^(\.git|node_modules)$/.test(entry.name))
    .map(({ name }) => join(directory, name)).sort();
}
