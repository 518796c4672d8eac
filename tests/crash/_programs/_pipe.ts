/** How a program of the crash tests talks to its test. */

const encoder = new TextEncoder();

/** Says a line. It is in the pipe when this returns, also if the process dies right after. */
export function say(line: string): void {
  const bytes = encoder.encode(line + "\n");
  for (let written = 0; written < bytes.length;) {
    written += Deno.stdout.writeSync(bytes.subarray(written));
  }
}

/** The lines that the test sends, until it ends them or is gone. */
export async function* commands(): AsyncGenerator<string, void> {
  let rest = "";
  for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
}

/** Lets everything else in this process have its turn. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
