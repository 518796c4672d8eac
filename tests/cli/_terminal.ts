/** Starts the command in a terminal. */
import { type RunningProcess, start, taffrailCommand } from "./_command.ts";

/** `script` of util-linux gives a command a terminal; those of other systems are called otherwise. */
export const HAS_SCRIPT = Deno.build.os === "linux";

interface TerminalOptions {
  cwd: string;
  env?: Record<string, string>;
  columns?: number;
}

/**
 * Starts `taffrail` in a terminal, of 40 columns unless told otherwise. Both of its outputs come
 * together. It finds the name of its terminal in TTY.
 */
export function startInTerminal(args: string[], options: TerminalOptions): RunningProcess {
  return startShellInTerminal('exec "$@"', { ...options, args });
}

/** Starts a text of `sh` in a terminal; `"$@"` in it is `taffrail` with the arguments. */
export function startShellInTerminal(
  text: string,
  { cwd, env, columns = 40, args = [] }: TerminalOptions & { args?: string[] },
): RunningProcess {
  const words = taffrailCommand(args).map(quote).join(" ");
  const command = `stty cols ${columns}; export TTY=$(tty); set -- ${words}; ${text}`;
  return start("script", ["-qec", command, "/dev/null"], { cwd, env: { TERM: "xterm", ...env } });
}

function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
