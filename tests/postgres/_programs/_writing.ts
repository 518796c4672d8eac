/** What the writers of a storm share. */

/** The kind of an error. */
export function kindOf(error: unknown): unknown {
  return (error as { kind?: unknown }).kind;
}

/** Asks until the server is there: whoever holds nothing yet is told that it is away, and may ask again. */
export async function throughCrashes<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (kindOf(error) !== "io") throw error;
    }
  }
}

/** Prints a line at once. */
export function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

/** Aborts when the input of this program ends. */
export function untilInputEnds(): AbortSignal {
  const over = new AbortController();
  (async () => {
    for await (const _ of Deno.stdin.readable) { /* Until it ends. */ }
    over.abort();
  })();
  return over.signal;
}
