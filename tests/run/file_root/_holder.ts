/** The command that holds a run of a root of files until it is killed. */
export function holderCommand(path: string, runId: string): string[] {
  const program = import.meta.resolve("./_programs/holder.ts");
  return [Deno.execPath(), "run", "--allow-all", "--no-check", program, path, runId];
}
