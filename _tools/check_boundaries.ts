// deno-lint-ignore-file no-console -- what it finds is for the terminal
/**
 * Checks who may import whom: rules 1 to 4 of CONTRIBUTING.md.
 *
 * Usage: `deno task check:boundaries [DIRECTORY]`
 */
import { openProject } from "./_project.ts";
import { formatProblem, type Problem, sortProblems } from "./_problem.ts";
import { checkCircles } from "./boundaries/circles.ts";
import { checkCompositions } from "./boundaries/compositions.ts";
import { checkCore } from "./boundaries/core.ts";
import { checkDocumentation } from "./boundaries/documentation.ts";
import { checkInternal } from "./boundaries/internal.ts";
import { checkLibraries } from "./boundaries/libraries.ts";
import { checkLoading } from "./boundaries/loading.ts";
import { checkModules } from "./boundaries/modules.ts";

/** Finds every import that breaks a rule in the project at `directory`. */
export async function checkBoundaries(directory: string): Promise<Problem[]> {
  const project = await openProject(directory);
  return sortProblems([
    ...checkModules(project),
    ...checkCircles(project),
    ...checkInternal(project),
    ...checkCompositions(project),
    ...checkDocumentation(project),
    ...checkCore(project),
    ...checkLibraries(project),
    ...checkLoading(project),
  ]);
}

if (import.meta.main) {
  const problems = await checkBoundaries(Deno.args[0] ?? ".");
  problems.forEach((problem) => console.error(formatProblem(problem)));
  if (problems.length > 0) Deno.exit(1);
}
