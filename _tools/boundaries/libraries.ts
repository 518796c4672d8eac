import {
  filesLoadedBy,
  folderOf,
  LIBRARY,
  type Project,
  resolveImport,
  sourcesIn,
  valueImportsOf,
} from "../_project.ts";
import type { Problem } from "../_problem.ts";

/** What picks the path functions of the system, so that no other file has to know it. */
const PATHS = "_internal/path.ts";
const CRYPTO = "@std/crypto/crypto";
const WITHOUT_CRYPTO = ["supervisor", "eventlog"];

/** Rule 4: library code imports relative files of the library and narrow entries of `@std`. */
export function checkLibraries(project: Project): Problem[] {
  return [...findForeignImports(project), ...findCrypto(project)];
}

function findForeignImports(project: Project): Problem[] {
  const problems: Problem[] = [];
  for (const source of sourcesIn(project, LIBRARY)) {
    for (const { specifier, line } of source.imports) {
      const target = resolveImport(project, source.path, specifier);
      const message = /^\.\.?\//.test(specifier)
        ? adviseOnFile(target!)
        : adviseOnLibrary(source.path, specifier);
      if (message !== null) problems.push({ path: source.path, line, message });
    }
  }
  return problems;
}

function adviseOnFile(target: string): string | null {
  if (LIBRARY.includes(folderOf(target))) return null;
  return `Imports "${target}" (rule 4): the library does not import what is built on it`;
}

function adviseOnLibrary(path: string, specifier: string): string | null {
  if (specifier === "") {
    return "Imports what is known only at run time (rule 4): write the specifier out";
  }
  if (specifier.startsWith("@std/assert")) {
    return `Imports "${specifier}" (rule 4): it is for tests and examples in documentation`;
  }
  if (/^@std\/path\b/.test(specifier)) return adviseOnPath(path, specifier);
  if (/^@std\/[^/]+\/./.test(specifier)) return null;
  if (specifier.startsWith("@std/")) {
    return `Imports the whole of "${specifier}" (rule 4): import one entry, as in "@std/fs/walk"`;
  }
  return `Imports "${specifier}" (rule 4): ` +
    "library code imports relative files and entries of @std only";
}

function adviseOnPath(path: string, specifier: string): string | null {
  const isNarrow = /^@std\/path\/(posix|windows)\/./.test(specifier);
  if (isNarrow && path === PATHS) return null;
  return `Imports "${specifier}" (rule 4): ` +
    "import from _internal/path.ts, which picks the narrow entry for the system";
}

function findCrypto(project: Project): Problem[] {
  const problems: Problem[] = [];
  for (const source of sourcesIn(project, WITHOUT_CRYPTO)) {
    for (const { specifier, line } of valueImportsOf(project, source.path)) {
      const target = resolveImport(project, source.path, specifier);
      const way = target === null ? null : findWayToCrypto(project, source.path, target);
      const what = specifier === CRYPTO ? `Imports "${CRYPTO}"` : way;
      if (what === null) continue;
      const message = `${what} (rule 4): only capture, trace and store may load it`;
      problems.push({ path: source.path, line, message });
    }
  }
  return problems;
}

/** Files of the same module are reported themselves, so only ways that leave it count. */
function findWayToCrypto(project: Project, path: string, target: string): string | null {
  if (folderOf(target) === folderOf(path)) return null;
  for (const loaded of filesLoadedBy(project, target)) {
    const imports = valueImportsOf(project, loaded);
    if (imports.some(({ specifier }) => specifier === CRYPTO)) {
      return `Loads "${CRYPTO}" by way of ${loaded}`;
    }
  }
  return null;
}
