import { COMPOSITION, folderOf, type Project, resolveImport, sourcesIn } from "../_project.ts";
import type { Problem } from "../_problem.ts";

/** Rule 2, second half: `run/`, `cli/` and `examples/` see of the modules what their users see. */
export function checkCompositions(project: Project): Problem[] {
  const exported = Object.values(project.config.exports).map((entry) => entry.slice(2));
  const problems: Problem[] = [];
  for (const source of sourcesIn(project, [COMPOSITION, "cli", "examples"])) {
    const folder = folderOf(source.path);
    for (const { specifier, line } of source.imports) {
      const target = resolveImport(project, source.path, specifier);
      const message = target === null
        ? adviseOnLibrary(folder, specifier)
        : folderOf(target) === folder || exported.includes(target) || isShared(folder, target)
        ? null
        : `Imports "${target}", which deno.json does not export (rule 2): ` +
          "import an exported file, or export what is missing";
      if (message !== null) problems.push({ path: source.path, line, message });
    }
  }
  return problems;
}

/** What is part of the library shares its machinery. */
function isShared(folder: string, target: string): boolean {
  return folder === COMPOSITION && folderOf(target) === "_internal";
}

function adviseOnLibrary(folder: string, specifier: string): string | null {
  if (specifier.startsWith("@std/assert")) {
    return `Imports "${specifier}" (rule 4): it is for tests and examples in documentation`;
  }
  if (folder === "cli" || specifier.startsWith("@std/")) return null;
  return `Imports "${specifier}" (rule 2): examples import the package and @std only`;
}
