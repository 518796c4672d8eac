/** What a program is given. */
export interface ProgramArguments {
  /** For the program. */
  args: readonly string[];
  /** For Deno. */
  flags?: readonly string[];
}

/** Starts one of this project's programs in a process of its own; its errors go to the terminal. */
export function startProgram(program: URL, given: ProgramArguments): Deno.ChildProcess {
  const { args, flags = [] } = given;
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", "--no-lock", ...flags, program.href, ...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  });
  return command.spawn();
}

/** Runs a program to its end and parses what it printed. */
export async function askProgram<T>(program: URL, given: ProgramArguments): Promise<T> {
  const child = startProgram(program, given);
  await child.stdin.close();
  const text = await new Response(child.stdout).text();
  const { success } = await child.status;
  if (!success) throw new Error(`${program.pathname} failed`);
  return JSON.parse(text) as T;
}
