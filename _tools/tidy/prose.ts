import type { Project } from "../_project.ts";
import type { Problem } from "../_problem.ts";

/** Text for people and tools has no blanks at the end of lines and ends with one newline. */
export function checkProse(project: Project): Problem[] {
  return [...project.documents].flatMap(([path, text]) => [
    ...checkLines(path, text),
    ...checkEnd(path, text),
  ]);
}

function checkLines(path: string, text: string): Problem[] {
  return text.split("\n").flatMap((content, index) => {
    if (!/\s$/.test(content)) return [];
    return [{ path, line: index + 1, message: "Line ends in white space: remove it" }];
  });
}

function checkEnd(path: string, text: string): Problem[] {
  if (text === "" || /[^\n]\n$/.test(text)) return [];
  const line = text.trimEnd().split("\n").length;
  return [{ path, line, message: "File does not end with exactly one newline" }];
}
