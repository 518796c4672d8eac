import {
  COMPOSITION,
  DATABASE,
  folderOf,
  MODULES,
  type Project,
  resolveImport,
  sourcesIn,
} from "../_project.ts";
import type { Problem } from "../_problem.ts";

/** Rule 1: no module imports a value from another, and types only from the other's `types.ts`. */
export function checkModules(project: Project): Problem[] {
  const problems: Problem[] = [];
  for (const source of sourcesIn(project, MODULES)) {
    for (const { specifier, isTypeOnly, line } of source.imports) {
      const target = resolveImport(project, source.path, specifier);
      if (target === null || !isOtherModule(source.path, target)) continue;
      const message = isTypeOnly ? adviseOnType(target) : adviseOnValue(target);
      if (message !== null) problems.push({ path: source.path, line, message });
    }
  }
  return problems;
}

function isOtherModule(path: string, target: string): boolean {
  const folder = folderOf(target);
  return [...MODULES, COMPOSITION, DATABASE].includes(folder) && folder !== folderOf(path);
}

function adviseOnValue(target: string): string {
  return `Imports a value from another module, "${target}" (rule 1): ` +
    "take it through an interface and let the program that composes the modules pass it in";
}

function adviseOnType(target: string): string | null {
  const types = `${folderOf(target)}/types.ts`;
  if (target === types) return null;
  return `Imports a type of another module from "${target}" (rule 1): import it from "${types}"`;
}
