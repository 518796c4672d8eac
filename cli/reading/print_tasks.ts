/** The list of `taffrail run --tasks`. */
import { defined } from "../../_internal/errors.ts";
import { listed, printableLine } from "../text/printable.ts";
import type { Screen } from "../text/screen.ts";
import type { TaskFile } from "../flow/task_files.ts";

/** Prints the tasks of some files, for people: what each is for, what it runs and what before. */
export function printTasks(screen: Screen, files: readonly TaskFile[]): void {
  for (const { path, packageName, tasks } of files) {
    if (tasks.size === 0) continue;
    const name = packageName === undefined ? "" : `  ${packageName}`;
    screen.line(screen.paint(printableLine(`${path}${name}`), "bold"));
    const width = Math.max(...[...tasks.keys()].map((name) => printableLine(name).length));
    for (const { name, command, description, dependencies } of tasks.values()) {
      const needs = dependencies.length === 0 ? undefined : `after ${listed(dependencies)}`;
      const [first = "", ...others] = [description, command, needs]
        .filter((text) => text !== undefined).map(printableLine);
      screen.line(`  ${printableLine(name).padEnd(width)}  ${first}`);
      for (const text of others) {
        screen.line(`  ${"".padEnd(width)}    ${screen.paint(text, "dim")}`);
      }
    }
  }
}

/** Prints the same for programs. */
export function printTasksJson(screen: Screen, files: readonly TaskFile[]): void {
  const document = {
    files: files.map(({ path, packageName, tasks }) => ({
      path,
      ...defined({ package: packageName }),
      tasks: Array.from(tasks.values(), ({ name, command, description, dependencies }) => {
        return { name, ...defined({ command, description }), dependencies };
      }),
    })),
  };
  screen.line(JSON.stringify(document));
}
