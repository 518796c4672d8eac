/** One place that breaks a rule. */
export interface Problem {
  /** Path of the file, relative to the checked root, with `/` on every system. */
  path: string;
  /** 1-based line. */
  line: number;
  /** What is wrong, the rule, and what to do instead. */
  message: string;
}

/** Prints a problem as one line that editors can jump to. */
export function formatProblem({ path, line, message }: Problem): string {
  return `${path}:${line}: ${message}`;
}

/** The problems in the order of the files, each once. */
export function sortProblems(problems: Problem[]): Problem[] {
  const byText = new Map(problems.map((problem) => [formatProblem(problem), problem]));
  return [...byText.values()].toSorted((a, b) =>
    compareText(a.path, b.path) || a.line - b.line || compareText(a.message, b.message)
  );
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
