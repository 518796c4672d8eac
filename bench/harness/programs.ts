import type { Case } from "./rounds.ts";
import { withDirectory } from "./temp_directory.ts";

/** The microseconds of a whole process, from its start until it has ended, in a directory. */
export async function timeProgram(cwd: string, program: URL, args: string[] = []): Promise<number> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", "--no-lock", program.pathname, ...args],
    cwd,
    stdout: "null",
    stderr: "null",
  });
  const start = performance.now();
  const { success } = await command.spawn().status;
  if (!success) throw new Error(`${program.pathname} failed`);
  return (performance.now() - start) * 1000;
}

/** A case that is a whole process in a new directory. */
export function programCase(name: string, program: URL, args: string[] = []): Case {
  return { name, run: () => withDirectory((cwd) => timeProgram(cwd, program, args)) };
}
