import { dirname, relative } from "node:path";

/** The command that runs a task of `deno.json` or a script of `package.json`, with what it depends on. */
export function taskCommand(name: string): string[] {
  return ["deno", "task", "--quiet", name];
}

/**
 * The command that runs what a task itself does. Deno has no option to leave out what it depends
 * on, but runs any text as a task. Paths are told from where it runs, as the same tasks are the
 * same flow wherever the project lies.
 */
export function commandOfTask(
  command: string,
  place: { path: string; cwd: string },
): string[] {
  const path = relative(place.cwd, place.path);
  return ["deno", "task", "--quiet", "--config", path, "--cwd", dirname(path), "--eval", command];
}
