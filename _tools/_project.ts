import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { listFiles } from "./_list_files.ts";
import { type Import, parseSource, type Source } from "./_source.ts";

/** The parts of `deno.json` that the checks read. */
export interface Config {
  /** Name of the package. */
  name: string;
  /** Public entries. */
  exports: Record<string, string>;
  /** Names for imports. */
  imports?: Record<string, string>;
}

/** A project as the checks see it. */
export interface Project {
  /** The root `deno.json`. */
  config: Config;
  /** All files, relative to the root. */
  files: string[];
  /** Every TypeScript file, and the JavaScript of the page of a run, by path. */
  sources: Map<string, Source>;
  /** Every other file that is text for people or tools, by path. */
  documents: Map<string, string>;
}

/** The five modules; none imports a value from another. */
export const MODULES = ["supervisor", "capture", "eventlog", "trace", "store"];

/** Where the library itself connects the modules. */
export const COMPOSITION = "run";

/** Where it records on PostgreSQL what `run/` otherwise records in files. */
export const DATABASE = "postgres";

/** The folders that make up the library. */
export const LIBRARY = [...MODULES, COMPOSITION, DATABASE, "_internal"];

/** The folder of the command. */
export const COMMAND = "cli";

/** The contract suites, for those who implement a port. */
export const TESTING = "testing";

/** What is published. */
export const PUBLISHED = [...LIBRARY, COMMAND, TESTING];

const SOURCE = /\.(ts|js)$/;
const DOCUMENT = /(\.(md|yml|json)|(^|\/)[^.]+|(^|\/)\.[^/.]+)$/;

/** Reads and parses the project in `directory`. */
export async function openProject(directory: string): Promise<Project> {
  const root = await Deno.realPath(directory);
  const files = await listFiles(root);
  const sources = new Map<string, Source>();
  const documents = new Map<string, string>();
  for (const path of files) {
    const isSource = SOURCE.test(path);
    if (!isSource && (!DOCUMENT.test(path) || path.startsWith("tests/"))) continue;
    const text = await Deno.readTextFile(`${root}/${path}`);
    if (isSource) sources.set(path, parseSource(path, text));
    else documents.set(path, text);
  }
  const config = JSON.parse(documents.get("deno.json") ?? "null");
  if (config === null) throw new Error(`Cannot check "${root}": it has no deno.json`);
  return { config, files, sources, documents };
}

/** The folder at the root that holds `path`, or the file itself. */
export function folderOf(path: string): string {
  return path.split("/")[0]!;
}

/** The sources in one of `folders`. */
export function sourcesIn(project: Project, folders: string[]): Source[] {
  return [...project.sources.values()].filter(({ path }) => folders.includes(folderOf(path)));
}

/** The file of the project that `specifier` in `path` leads to, or null for anything else. */
export function resolveImport(project: Project, path: string, specifier: string): string | null {
  if (/^\.\.?\//.test(specifier)) return join(dirname(path), specifier);
  const { name, exports, imports = {} } = project.config;
  const bare = specifier.replace(/^jsr:/, "").replace(/(?<=\w)@[^/]*/, "");
  const entry = bare === name || bare.startsWith(`${name}/`)
    ? exports[`.${bare.slice(name.length)}`]
    : imports[specifier];
  return entry?.startsWith("./") ? entry.slice(2) : null;
}

/**
 * The files that loading `path` loads, itself included. Types are erased, so they do not count.
 *
 * @param options.atStart Leaves out what is loaded only when the program gets there.
 */
export function filesLoadedBy(
  project: Project,
  path: string,
  { atStart = false } = {},
): Set<string> {
  const loaded = new Set([path]);
  for (const at of loaded) {
    for (const { specifier, isLazy } of valueImportsOf(project, at)) {
      const target = atStart && isLazy ? null : resolveImport(project, at, specifier);
      if (target !== null) loaded.add(target);
    }
  }
  return loaded;
}

/** The imports of the file at `path` that are still there when the program runs. */
export function valueImportsOf(project: Project, path: string): Import[] {
  const imports = project.sources.get(path)?.imports ?? [];
  return imports.filter((found) => !found.isTypeOnly);
}
