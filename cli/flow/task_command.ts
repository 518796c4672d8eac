import { dirname } from "node:path";

/** The command that runs a task of `deno.json` or a script of `package.json`, with what it depends on. */
export function taskCommand(name: string): string[] {
  return ["deno", "task", "--quiet", name];
}

/**
 * The command that runs what a task itself does. Deno has no option to leave out what it depends
 * on, but runs any text as a task.
 */
export function commandOfTask(command: string, path: string): string[] {
  const place = ["--config", path, "--cwd", dirname(path)];
  return ["deno", "task", "--quiet", ...place, "--eval", command];
}
