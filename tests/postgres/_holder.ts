/** The command that holds a run of a root on PostgreSQL until it is killed. */
export function holderCommand(url: string, runId: string): string[] {
  const program = import.meta.resolve("./_programs/holder.ts");
  return [Deno.execPath(), "run", "--allow-all", "--no-check", program, url, runId];
}
