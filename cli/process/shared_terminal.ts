/**
 * The terminal of this process, as the command of `exec` shares it.
 *
 * - The command stays in the session and the process group of this process: prompts that open `/dev/tty` reach
 *   it, and so do Ctrl-C, Ctrl-\ and Ctrl-Z, which the terminal sends to every process of that group. They are
 *   the command's from when it has begun, and nothing for this process to act upon.
 * - That group is therefore never signalled, and what the command leaves behind is found by its environment.
 * - What it prints is recorded through pipes, so that only its input is the terminal, unless its output is left
 *   to the terminal, too: then nothing of it is recorded.
 */

/** A terminal that a command shares. */
export interface SharedTerminal {
  /** Whether its outputs are left to the terminal, and not recorded. */
  leavesOutput: boolean;
  /** Called as soon as the command has begun: from now on the keys are for it. */
  onLent: () => void;
}

/** Whether a person is there: one of the three streams is a terminal. */
export function hasTerminal(): boolean {
  return [Deno.stdin, Deno.stdout, Deno.stderr].some((stream) => stream.isTerminal());
}

/**
 * What a command finds in its environment when all that it prints is passed on to a terminal: it sees pipes,
 * and would leave out the colours. Who has said whether colours are wanted is obeyed.
 *
 * @param own The variables that the flow gives it.
 */
export function colourVariables(own: Readonly<Record<string, string>>): Record<string, string> {
  const valueOf = (name: string) => own[name] ?? Deno.env.get(name);
  const isShown = Deno.stdout.isTerminal() && Deno.stderr.isTerminal();
  if (!isShown || valueOf("TERM") === "dumb") return {};
  if (valueOf("FORCE_COLOR") !== undefined || (valueOf("NO_COLOR") ?? "") !== "") return {};
  return { FORCE_COLOR: "1" };
}
