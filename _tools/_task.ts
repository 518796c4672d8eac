// deno-lint-ignore-file no-console -- what goes wrong is told on the terminal
/** What tasks have in common: how they start Deno, where they write, and how they end. */

/** How another Deno ended, and what it has said. */
export interface Answer {
  success: boolean;
  /** What it has printed. */
  output: string;
  /** What it says of itself, and of what is wrong. */
  text: string;
}

/** Runs Deno to its end, with nothing to read. */
export async function askDeno(cwd: string, args: string[]): Promise<Answer> {
  const env = { NO_COLOR: "1" };
  const command = new Deno.Command(Deno.execPath(), { args, cwd, env, stdin: "null" });
  const { success, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return { success, output: decoder.decode(stdout), text: decoder.decode(stderr) };
}

/** Runs Deno on the terminal of this process, and gives its exit code. */
export async function runDeno(
  cwd: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<number> {
  return (await new Deno.Command(Deno.execPath(), { args, cwd, env }).spawn().status).code;
}

/** Makes a directory with nothing in it: what is there is removed. */
export async function makeEmptyDirectory(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  await Deno.mkdir(path, { recursive: true });
}

/** Does a task in the project at hand, and leaves its exit code; of what it throws only the message is told. */
export async function runTask(
  does: (root: string, args: readonly string[]) => Promise<number>,
): Promise<void> {
  try {
    Deno.exitCode = await does(await Deno.realPath("."), Deno.args);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exitCode = 1;
  }
}
