import { type Project, resolveImport } from "../_project.ts";
import type { Problem } from "../_problem.ts";
import type { Import } from "../_source.ts";

/** An import that leads to another file of the project. */
interface Step {
  /** The file that it leads to. */
  target: string;
  found: Import;
}

/**
 * Rule 1, last part: no file imports itself by way of others, types included, so that each can be
 * read, moved and tested with nothing but what stands below it.
 */
export function checkCircles(project: Project): Problem[] {
  const stepsFrom = new Map<string, Step[]>();
  for (const { path, imports } of project.sources.values()) {
    stepsFrom.set(path, imports.flatMap((found) => stepOf(project, path, found)));
  }
  const known = new Set<string>();
  const problems: Problem[] = [];
  for (const path of stepsFrom.keys()) {
    const circle = shortestCircle(stepsFrom, path);
    if (circle === undefined || circle.some(({ target }) => known.has(target))) continue;
    circle.forEach(({ target }) => known.add(target));
    const way = circle.map(({ target }) => `"${target}"`).join(" → ");
    const message = `Imports itself by way of ${way} (rule 1): move what both need below both`;
    problems.push({ path, line: circle[0]!.found.line, message });
  }
  return problems;
}

function stepOf(project: Project, path: string, found: Import): Step[] {
  const target = resolveImport(project, path, found.specifier);
  return target === null || !project.sources.has(target) ? [] : [{ target, found }];
}

/** The imports that lead from `start` back to it, by as few files as can be. */
function shortestCircle(stepsFrom: Map<string, Step[]>, start: string): Step[] | undefined {
  const ways = new Map<string, Step[]>([[start, []]]);
  for (const [path, way] of ways) {
    for (const step of stepsFrom.get(path) ?? []) {
      if (step.target === start) return [...way, step];
      if (!ways.has(step.target)) ways.set(step.target, [...way, step]);
    }
  }
  return undefined;
}
