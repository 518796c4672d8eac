import { UsageError } from "../exit_codes.ts";
import { Screen } from "../text/screen.ts";
import {
  onlyOperand,
  type OptionTable,
  readArguments,
  type Verb,
  type Verbs,
} from "../text/arguments.ts";

const OPTIONS = {
  root: { value: "ROOT", isRefused: true, text: "a script looks at the root at hand" },
} as const satisfies OptionTable;

/** How scripts ask for words; people have no use for it. */
const ASKED = "--words";

/** `taffrail completions`: prints what makes a shell complete its command lines. */
export const completionsVerb: Verb = {
  summary: "print a script that completes command lines in a shell",
  help: {
    about: `Prints a script for a shell, by which TAB completes verbs, options and their
values, files, runs, nodes, gates and tasks. SHELL is bash, zsh or fish. Once:

  taffrail completions bash >~/.local/share/bash-completion/completions/taffrail
  taffrail completions zsh >DIR/_taffrail     (DIR is one of those in $fpath)
  taffrail completions fish >~/.config/fish/completions/taffrail.fish

or in what the shell reads when it starts, as ~/.bashrc or ~/.zshrc, there
behind compinit:

  eval "$(taffrail completions bash)"`,
    usage: ["[options] SHELL"],
    options: OPTIONS,
    operands: ["SHELL"],
    notes: `Runs and nodes are those of the root that --root of the line says, else of the
one that the verb would take; of a root in a database they come within a second
or not at all. A flow that is a program is not evaluated for its nodes. The
script is made of the options that this version has: print it anew with a new
one.`,
    exitCodes: "0 it is printed, 2 called wrongly.",
    json: `{ "shell", "script" }.`,
  },

  async run(args, verbs) {
    if (args[0] === ASKED) return await printWords(args.slice(1));
    const { json, operands } = readArguments("completions", args, OPTIONS);
    const shell = onlyOperand("completions", operands, "shell");
    const script = await scriptFor(shell, verbs);
    const screen = new Screen(Deno.stdout);
    screen.line(json ? JSON.stringify({ shell, script }) : script);
    return 0;
  },
};

async function scriptFor(shell: string, verbs: Verbs): Promise<string> {
  const { offeredVerbs } = await import("../completions/offers.ts");
  switch (shell) {
    case "bash":
      return (await import("../completions/bash.ts")).bashScript(await offeredVerbs(verbs));
    case "zsh":
      return (await import("../completions/zsh.ts")).zshScript(await offeredVerbs(verbs));
    case "fish":
      return (await import("../completions/fish.ts")).fishScript(await offeredVerbs(verbs));
    default:
      throw new UsageError(
        `Cannot complete in ${JSON.stringify(shell)}: say bash, zsh or fish`,
      );
  }
}

/** Prints words for a script, a line each, with what they mean behind a tab. `KIND -- TYPED ROOT OPERAND`. */
async function printWords(
  [kind = "", , typed = "", root = "", operand = ""]: string[],
): Promise<number> {
  const { wordsFor } = await import("../completions/words.ts");
  const screen = new Screen(Deno.stdout);
  using _batch = screen.batch();
  for (const { word, about } of await wordsFor({ kind, typed, root, operand })) {
    screen.line(`${word}\t${about}`);
  }
  return 0;
}
