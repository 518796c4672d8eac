/** Real shells in a terminal, in which somebody types. */
import { hasProgram } from "../_util/process.ts";
import { isThere } from "../_util/files.ts";
import { ask, type RunningProcess, taffrailCommand } from "./_command.ts";
import { untilExists } from "./_runs.ts";
import { HAS_SCRIPT, startShellInTerminal } from "./_terminal.ts";

export type Shell = "bash" | "zsh" | "fish";

export const SHELLS: readonly Shell[] = ["bash", "zsh", "fish"];

/** Puts in whatever could stand there, each quoted: a key of each shell that has one. */
export const ALL = "\x0f";

/** What is there before anything is typed: no configuration of this machine. */
const CONFIGURATIONS: Record<Shell, { file: string; start: string; text: string }> = {
  bash: {
    file: "bashrc",
    start: "exec bash --noprofile --rcfile bashrc -i",
    text: `PS1='$ '
bind 'set bell-style none' '"\\C-o": insert-completions'
source ./taffrail.bash
cd ../work
echo READY
`,
  },
  zsh: {
    file: ".zshrc",
    start: "exec zsh -i",
    text: `PS1='$ '
unsetopt beep
fpath=($ZDOTDIR $fpath)
autoload -Uz compinit && compinit -u -D
zle -C all-matches complete-word _generic
zstyle ':completion:all-matches::::' completer _all_matches _complete
zstyle ':completion:all-matches:*' insert true
bindkey '^O' all-matches
cd ../work
echo READY
`,
  },
  fish: {
    file: "fish/config.fish",
    start: "exec fish -i",
    text: `function fish_prompt; echo '$ '; end
function fish_greeting; end
cd ../work
echo READY
`,
  },
};

/** Where each shell finds the script. */
const SCRIPTS: Record<Shell, string> = {
  bash: "taffrail.bash",
  zsh: "_taffrail",
  fish: "fish/completions/taffrail.fish",
};

/** Whether a shell can be driven here. */
export function canDrive(shell: Shell): boolean {
  return HAS_SCRIPT && hasProgram(shell);
}

/** The script for a shell. */
export async function scriptFor(shell: Shell): Promise<string> {
  return (await ask(["completions", shell], Deno.cwd())).stdout;
}

/** A shell that waits for somebody to type. */
export class ShellSession implements AsyncDisposable {
  readonly #directory: string;
  readonly #process: RunningProcess;

  private constructor(directory: string, process: RunningProcess) {
    this.#directory = directory;
    this.#process = process;
  }

  /**
   * Starts a shell in `work` of a directory, beside which it puts what belongs to the shell. There `taffrail` does
   * only what completion asks it; called in any other way it keeps its arguments.
   */
  static async start(shell: Shell, directory: string): Promise<ShellSession> {
    const home = `${directory}/home`;
    const { file, start, text } = CONFIGURATIONS[shell];
    // Where fish misses the second, it reads all man pages of the machine in the background.
    for (const folder of ["completions", "generated_completions"]) {
      await Deno.mkdir(`${home}/fish/${folder}`, { recursive: true });
    }
    await Deno.mkdir(`${directory}/bin`, { recursive: true });
    await Deno.writeTextFile(`${home}/${file}`, text);
    await Deno.writeTextFile(`${home}/${SCRIPTS[shell]}`, await scriptFor(shell));
    const command = taffrailCommand([]).map((word) => `'${word}'`).join(" ");
    await Deno.writeTextFile(
      `${directory}/bin/taffrail`,
      `#!/bin/sh
if [ "$2" = --words ]; then HOME='${Deno.env.get("HOME")}' exec ${command} "$@"; fi
printf '%s\\0' "$@" >"${directory}/calling" && mv "${directory}/calling" "${directory}/called"
`,
      { mode: 0o755 },
    );
    const process = startShellInTerminal(start, {
      cwd: home,
      columns: 200,
      env: {
        PATH: `${directory}/bin:${Deno.env.get("PATH")}`,
        HOME: home,
        ZDOTDIR: home,
        XDG_CONFIG_HOME: home,
        XDG_DATA_HOME: home,
        XDG_CACHE_HOME: home,
        HISTFILE: "",
      },
    });
    await process.stdout.until(() => process.stdout.text.includes("READY\r\n"));
    return new ShellSession(directory, process);
  }

  /** Types a line, presses Enter, and gives the arguments that the command is called with. */
  async type(line: string): Promise<string[]> {
    const called = `${this.#directory}/called`;
    if (isThere(called)) await Deno.remove(called);
    await this.#process.write(`${line}\r`);
    await untilExists(this.#directory, "called");
    return (await Deno.readTextFile(called)).split("\0").slice(0, -1);
  }

  /** Ends the shell. */
  async [Symbol.asyncDispose](): Promise<void> {
    await using process = this.#process;
    await process.write("exit\r");
    await process.end();
  }
}
