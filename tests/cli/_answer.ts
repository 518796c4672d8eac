/**
 * Does command lines one after the other: reads a {@linkcode Request} a line, and prints an
 * {@linkcode Answer} a line, until its input ends.
 *
 * Usage: _answer.ts MAIN, where MAIN is the file of the command
 */

/** A command line. */
export interface Request {
  args: string[];
  /** Where it is done. */
  cwd: string;
}

/** What became of it. */
export interface Answer {
  code: number;
  stdout: string;
  stderr: string;
}

const { main }: { main(args: string[]): Promise<number> } = await import(Deno.args[0]!);
const home = Deno.cwd();
const print = Deno.stdout.writeSync.bind(Deno.stdout);
const encoder = new TextEncoder();

/** What is written to a stream while `use` runs, instead of writing it. */
async function capture<T>(
  stream: typeof Deno.stdout | typeof Deno.stderr,
  use: () => Promise<T>,
): Promise<{ text: string; result: T }> {
  const decoder = new TextDecoder();
  const { writeSync } = stream;
  let text = "";
  stream.writeSync = (bytes) => {
    text += decoder.decode(bytes, { stream: true });
    return bytes.length;
  };
  try {
    return {
      result: await use(),
      get text() {
        return text;
      },
    };
  } finally {
    stream.writeSync = writeSync;
  }
}

async function answer({ args, cwd }: Request): Promise<Answer> {
  Deno.chdir(cwd);
  try {
    const errors = await capture(Deno.stderr, () => capture(Deno.stdout, () => main(args)));
    const { result: code, text: stdout } = errors.result;
    return { code, stdout, stderr: errors.text };
  } finally {
    // No directory can be removed on Windows while it is a process's own.
    Deno.chdir(home);
  }
}

let rest = "";
for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + chunk).split("\n");
  rest = lines.pop()!;
  for (const line of lines) {
    const bytes = encoder.encode(JSON.stringify(await answer(JSON.parse(line))) + "\n");
    for (let at = 0; at < bytes.length;) at += print(bytes.subarray(at));
  }
}
