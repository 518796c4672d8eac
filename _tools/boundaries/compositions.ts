import { definitionsOf } from "../_exports.ts";
import {
  COMMAND,
  COMPOSITION,
  DATABASE,
  folderOf,
  LIBRARY,
  type Project,
  resolveImport,
  sourcesIn,
} from "../_project.ts";
import type { Problem } from "../_problem.ts";
import type { Import, Source } from "../_source.ts";

/**
 * Rule 2, second half: `run/`, `postgres/` and `cli/` import of the modules what their users can import too, but
 * from the file that defines it, because every file that a `mod.ts` loads besides costs time at each
 * start. Only a `types.ts`, which costs nothing, may pass on what others define. `postgres/`
 * may also use all of `run/`, and the command all of both.
 */
export function checkCompositions(project: Project): Problem[] {
  const problems: Problem[] = [];
  for (const source of sourcesIn(project, [COMPOSITION, DATABASE, COMMAND])) {
    for (const found of source.imports) {
      const target = resolveImport(project, source.path, found.specifier);
      const messages = target === null
        ? adviseOnAssertions(found.specifier)
        : isOpenTo(folderOf(source.path), target)
        ? []
        : adviseOnModule(project, target, found);
      problems.push(...messages.map((message) => problemAt(source, found, message)));
    }
  }
  return problems;
}

function problemAt({ path }: Source, { line }: Import, message: string): Problem {
  return { path, line, message };
}

function isOpenTo(folder: string, target: string): boolean {
  const other = folderOf(target);
  if (other === folder || other === "_internal") return true;
  if (folder === COMMAND) return other === COMPOSITION || other === DATABASE;
  return folder === DATABASE && other === COMPOSITION;
}

function adviseOnAssertions(specifier: string): string[] {
  if (!specifier.startsWith("@std/assert")) return [];
  return [`Imports "${specifier}" (rule 4): it is for tests and examples in documentation`];
}

function adviseOnModule(project: Project, target: string, { names }: Import): string[] {
  const folder = folderOf(target);
  if (!LIBRARY.includes(folder)) return [];
  if (names === null) {
    return [`Imports "${target}" without saying what (rule 2): name what is imported`];
  }
  const exported = definitionsOf(project, `${folder}/mod.ts`);
  return names.flatMap((name) => {
    const [definition] = definitionsOf(project, target, name);
    const home = definition?.source.path ?? target;
    if (home !== target && target !== `${folder}/types.ts`) {
      return [
        `Imports ${name} from "${target}" (rule 2): import it from "${home}", ` +
        "which defines it",
      ];
    }
    if (exported.some((known) => known.source.path === home && known.name === name)) return [];
    return [
      `Imports ${name}, which ${folder}/mod.ts does not export (rule 2): ` +
      "export it there, or move what is shared into _internal/",
    ];
  });
}
