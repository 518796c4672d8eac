// deno-lint-ignore-file no-console -- what it finds is for the terminal
/**
 * Checks what the formatter and the linter do not: rule 5 of CONTRIBUTING.md.
 *
 * Usage: `deno task check:tidy [DIRECTORY]`
 */
import { openProject } from "./_project.ts";
import { formatProblem, type Problem, sortProblems } from "./_problem.ts";
import { checkDeadFiles } from "./tidy/dead_files.ts";
import { checkDiskNames } from "./tidy/disk_names.ts";
import { checkExamples } from "./tidy/examples.ts";
import { checkFileOpenings } from "./tidy/file_openings.ts";
import { checkLeftovers } from "./tidy/leftovers.ts";
import { checkLinks } from "./tidy/links.ts";
import { checkNames } from "./tidy/names.ts";
import { checkProse } from "./tidy/prose.ts";
import { checkSizes } from "./tidy/sizes.ts";

/** Finds everything untidy in the project at `directory`. */
export async function tidy(directory: string): Promise<Problem[]> {
  const project = await openProject(directory);
  return sortProblems([
    ...checkSizes(project),
    ...checkNames(project),
    ...checkDiskNames(project),
    ...checkFileOpenings(project),
    ...checkLeftovers(project),
    ...checkDeadFiles(project),
    ...checkExamples(project),
    ...checkLinks(project),
    ...checkProse(project),
  ]);
}

if (import.meta.main) {
  const problems = await tidy(Deno.args[0] ?? ".");
  problems.forEach((problem) => console.error(formatProblem(problem)));
  if (problems.length > 0) Deno.exit(1);
}
