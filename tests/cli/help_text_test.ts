/** What `--help` makes of what a verb says of itself. */
import { assertEquals } from "@std/assert";
import { verbHelp } from "../../cli/help/help_text.ts";
import { COMMON_OPTIONS, type VerbHelp } from "../../cli/text/arguments.ts";

const HELP: VerbHelp = {
  about: `Does something with a run, which is told here in more words than a line has room
for.

A text may show lines:
  { "stay":
      "as they are" }
and go on.`,
  usage: ["[options] RUN", "[options] --all"],
  options: {
    all: { letter: "a", text: "all of them" },
    "a-very-long-name": { value: "DURATION", text: "its text begins below" },
    root: { value: "ROOT", text: "something else" },
  },
  notes: "More.",
  exitCodes: "0 done.",
  json: "{}.",
};

Deno.test("verbHelp() wraps words, keeps lines that begin with a blank, and lists options", () => {
  assertEquals(
    verbHelp("do", { help: HELP }),
    `Does something with a run, which is told here in more words than a line has room
for.

A text may show lines:
  { "stay":
      "as they are" }
and go on.

Usage: taffrail do [options] RUN
       taffrail do [options] --all

  -a, --all           all of them
  --a-very-long-name DURATION
                      its text begins below
  --root ROOT         something else
  --json              ${COMMON_OPTIONS.json.text}
  -h, --help          print this help, or with --help=man a man page

More.

Exit codes: 0 done.

--json prints {}.`,
  );
});
