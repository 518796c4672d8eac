/** Every command line that the documentation, the help and errors show is one that the command takes. */
import { assert, assertEquals } from "@std/assert";
import { parsePage } from "../../_tools/markdown.ts";
import { openProject, PUBLISHED, sourcesIn } from "../../_tools/_project.ts";
import { PassedCodeError, UsageError } from "../../cli/exit_codes.ts";
import type { Verb } from "../../cli/text/arguments.ts";
import { VERBS } from "./_verbs.ts";

/** A command line, and where it stands. */
interface Shown {
  where: string;
  verb: string;
  words: string[];
  /** Whether it stands in a sentence, which may name an option without its value. */
  isMentioned: boolean;
}

/** What is wrong with a command line, or nothing. */
async function problemOf({ where, verb: name, words, isMentioned }: Shown): Promise<string[]> {
  const shown = `${where}: ${[name, ...words].join(" ")}`;
  const load = VERBS.get(name);
  if (load === undefined) return [`${shown}: there is no verb ${name}`];
  const problem = await refusalOf(await load(), words);
  const isNamed = isMentioned && problem?.startsWith(`Option '${words.at(-1)}`) === true;
  return problem === null || isNamed ? [] : [`${shown}: ${problem}`];
}

/** The option that no verb has: a verb that complains of it takes all that is before it. */
const UNKNOWN = "--no-such-option";

/** Why a verb refuses these arguments, or null; it reads them before it does anything. */
async function refusalOf(verb: Verb, words: readonly string[]): Promise<string | null> {
  try {
    await verb.run([...words, UNKNOWN], VERBS);
  } catch (thrown) {
    // What exec itself does wrong has an exit code of its own.
    const error = thrown instanceof PassedCodeError ? thrown.cause : thrown;
    if (!(error instanceof UsageError)) throw error;
    return error.message.startsWith(`Unknown option '${UNKNOWN}'`) ? null : error.message;
  }
  throw new Error(`It was done: ${words.join(" ")}`);
}

/** The words of a command line as a shell takes them, up to the end of its own and of the command. */
function ownWords(text: string): string[] {
  const words = Array.from(
    text.replaceAll(/[[\]]/g, "").matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g),
    ([word]) => word,
  );
  const end = words.findIndex((word) => /^(--|[|;&#].*|\d?>.*|<.*)$/.test(word));
  return (end === -1 ? words : words.slice(0, end))
    .map((word) => word.replaceAll(/['"]|;$/g, ""))
    // All verbs take it, before they are asked.
    .filter((word) => word !== "" && !/^--help(=man)?$/.test(word));
}

const COMMAND_LINE = /^\s*(?:\$ )?(?:[A-Z_]+=\S+ )*taffrail ([a-z][a-z-]*)(?![\w-])(.*)$/;

/** The command lines in a text of which every line may be one. */
function commandsIn(text: string, where: string): Shown[] {
  const lines = text.replaceAll(/\\\n\s*/g, " ").split(/\n| && | \|\| | \| /);
  return lines.flatMap((line) => {
    const found = COMMAND_LINE.exec(line);
    if (found === null) return [];
    return [{ where, verb: found[1]!, words: ownWords(found[2]!), isMentioned: false }];
  });
}

/** What stands between backticks: a command line, or a verb with what it takes. */
function commandOfSpan(text: string, where: string): Shown[] {
  const [verb = "", next = ""] = text.split(" ");
  const isCommand = verb === "taffrail" || VERBS.has(verb) && next.startsWith("-");
  const line = verb === "taffrail" ? text : `taffrail ${text}`;
  return isCommand ? commandsIn(line, where).map((shown) => ({ ...shown, isMentioned: true })) : [];
}

const project = await openProject(`${import.meta.dirname}/../..`);

Deno.test("every command line in the README and the docs has a verb and options that are there", async () => {
  const pages = [...project.documents].filter(([path]) => path.endsWith(".md"));
  const shown = pages.flatMap(([path, text]) => {
    const { blocks, spans } = parsePage(text);
    return [
      ...blocks.flatMap(({ text, line }) => commandsIn(text, `${path}:${line}`)),
      ...spans.flatMap(({ text, line }) => commandOfSpan(text, `${path}:${line}`)),
    ];
  });
  assert(shown.length > 100, `${shown.length} command lines`);
  assertEquals((await Promise.all(shown.map(problemOf))).flat(), []);
});

/** A command line in a text or comment: what is computed in a text is a word as any other. */
const IN_SOURCES = /\btaffrail ([a-z-]+)((?: (?:\$\{[^}]*\}|postgres:|[^\s"'`,;:()])+)*)/g;

/** Prose says "taffrail finds", and "taffrail finds it with --json". */
function isSurelyCommand({ verb, words }: Shown): boolean {
  // That is how scripts of completion ask, and no option.
  if (words[0] === "--words") return false;
  const hasOption = words.some((word) => word.startsWith("-"));
  return words[0]?.startsWith("-") === true || VERBS.has(verb) && hasOption;
}

Deno.test("every command line in help, errors and comments has a verb and options that are there", async () => {
  const shown = sourcesIn(project, [...PUBLISHED, "examples"]).flatMap(({ path, text }) =>
    Array.from(text.matchAll(IN_SOURCES), ([, verb, words]) => {
      const [sentence = ""] = words!.split(/\. /);
      return { where: path, verb: verb!, words: ownWords(sentence), isMentioned: true };
    }).filter(isSurelyCommand)
  );
  assert(shown.length > 10, `${shown.length} command lines`);
  assertEquals((await Promise.all(shown.map(problemOf))).flat(), []);
});

Deno.test("a command line that is not there is found, wherever it stands in a line", async () => {
  const text = "$ taffrail show RUN --jsno # why\nA=1 taffrail ls --json && taffrail shwo\n" +
    "taffrail exec --grace 1s -- taffrail none --none | cat\n$ taffrail logs \\\n  --tail 3 -x\n";
  const problems = await Promise.all(commandsIn(text, "page:1").map(problemOf));
  assertEquals(problems.flat(), [
    "page:1: show RUN --jsno: Unknown option '--jsno'; see taffrail show --help",
    "page:1: shwo: there is no verb shwo",
    "page:1: logs --tail 3 -x: Unknown option '-x'; see taffrail logs --help",
  ]);
  const mentioned = commandOfSpan("run --tasks", "page:2");
  assertEquals(mentioned.length, 1);
  assertEquals(await problemOf(mentioned[0]!), []);
  assertEquals(commandOfSpan("run", "page:2"), []);
});
