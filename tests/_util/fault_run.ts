/** What `every_cut.ts` and `every_failure.ts` share: one run of a workload among many. */

/** More runs than this are a workload that grows with each run, not a test. */
export const RUNS_MAX = 20_000;

/** Makes the root of one run below `directory`, with the files that are there beforehand. */
export async function makeRoot(
  directory: string,
  before: ((root: string) => void | Promise<void>) | undefined,
): Promise<string> {
  const root = `${directory}/root`;
  await Deno.mkdir(root, { mode: 0o700 });
  await before?.(root);
  return root;
}

/** Is `error`, or an error that it wraps at any depth, one that `wanted` says yes to? */
export function comesFrom(error: unknown, wanted: (error: unknown) => boolean): boolean {
  const seen = new Set<unknown>();
  const waiting = [error];
  while (waiting.length > 0) {
    const next = waiting.pop();
    if (wanted(next)) return true;
    if (!(next instanceof Error) || seen.has(next)) continue;
    seen.add(next);
    waiting.push(next.cause);
    if (next instanceof AggregateError) waiting.push(...next.errors);
    if (next instanceof SuppressedError) waiting.push(next.error, next.suppressed);
  }
  return false;
}

/** An error that says in which run `error` happened. */
export function withContext(context: string, error: unknown): Error {
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new Error(`${context}: ${message}`, { cause: error });
}
