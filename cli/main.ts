/**
 * The entry of the `taffrail` command. What it does for whoever calls it is documented in
 * `taffrail.d.ts`, which is published with the bundle that `deno task bundle` makes of this file.
 *
 * @module
 */
import { VERSION } from "../_internal/version.ts";
import { exitCodeOfError, optionError, PassedCodeError, UsageError } from "./exit_codes.ts";
import { printableLine } from "./text/printable.ts";
import { Screen } from "./text/screen.ts";
import type { Verb, Verbs } from "./text/arguments.ts";

/** Each verb is loaded when it is asked for, so that none pays for the others. */
const VERBS: Verbs = new Map<string, () => Promise<Verb>>([
  ["run", async () => (await import("./verbs/run.ts")).runVerb],
  ["exec", async () => (await import("./verbs/exec.ts")).execVerb],
  ["resume", async () => (await import("./verbs/resume.ts")).resumeVerb],
  ["init", async () => (await import("./verbs/init.ts")).initVerb],
  ["ls", async () => (await import("./verbs/ls.ts")).lsVerb],
  ["show", async () => (await import("./verbs/show.ts")).showVerb],
  ["logs", async () => (await import("./verbs/logs.ts")).logsVerb],
  ["follow", async () => (await import("./verbs/follow.ts")).followVerb],
  ["report", async () => (await import("./verbs/report.ts")).reportVerb],
  ["work", async () => (await import("./verbs/work.ts")).workVerb],
  ["stop", async () => (await import("./verbs/stop.ts")).stopVerb],
  ["pass", async () => (await import("./verbs/pass.ts")).passVerb],
  ["replay", async () => (await import("./verbs/replay.ts")).replayVerb],
  ["what-if", async () => (await import("./verbs/what_if.ts")).whatIfVerb],
  ["shrink", async () => (await import("./verbs/shrink.ts")).shrinkVerb],
  ["trace", async () => (await import("./verbs/trace.ts")).traceVerb],
  ["diff", async () => (await import("./verbs/diff.ts")).diffVerb],
  ["drill", async () => (await import("./verbs/drill.ts")).drillVerb],
  ["verify", async () => (await import("./verbs/verify.ts")).verifyVerb],
  ["repair", async () => (await import("./verbs/repair.ts")).repairVerb],
  ["copy", async () => (await import("./verbs/copy.ts")).copyVerb],
  ["export", async () => (await import("./verbs/export.ts")).exportVerb],
  ["import", async () => (await import("./verbs/import.ts")).importVerb],
  ["prune", async () => (await import("./verbs/prune.ts")).pruneVerb],
  ["completions", async () => (await import("./verbs/completions.ts")).completionsVerb],
]);

/**
 * Does what a command line asks for.
 *
 * @param args The arguments, without the name of the program.
 * @returns The exit code.
 */
export async function main(args: string[]): Promise<number> {
  return await exitCodeOf(() => dispatch(args));
}

/** Does what the command line of this process asks for. */
async function mainOfProcess(): Promise<number> {
  return await exitCodeOf(async () => {
    // Hardly anybody needs this, so nobody else loads it.
    if (Deno.args.some((arg) => arg.includes("\ufffd"))) {
      (await import("./text/changed_arguments.ts")).refuseChangedArguments(Deno.args);
    }
    return await dispatch(Deno.args);
  });
}

async function exitCodeOf(does: () => Promise<number>): Promise<number> {
  const errors = new Screen(Deno.stderr);
  try {
    const exitCode = await does();
    if (exitCode === 0) Screen.check();
    return exitCode;
  } catch (error) {
    for (const message of messagesOf(error)) {
      errors.line(errors.paint(message.split("\n").map(printableLine).join("\n"), "red"));
    }
    return exitCodeOfError(error);
  }
}

/** What went wrong first, then what went wrong while that was cleared up, each once. */
function messagesOf(error: unknown): Set<string> {
  if (error instanceof SuppressedError) {
    return new Set([...messagesOf(error.suppressed), ...messagesOf(error.error)]);
  }
  if (error instanceof PassedCodeError) return messagesOf(error.cause);
  if (!(error instanceof Error)) return new Set([String(error)]);
  if (isStackOverflow(error)) {
    return new Set(["Cannot go on: something that was read is nested too deeply"]);
  }
  if (isNotUnicode(error)) {
    return new Set([`Cannot work with what is not UTF-8: ${error.message}; give it another name`]);
  }
  const remedy = remedyOf(error);
  const isSaid = remedy === undefined || error.message.includes(remedy);
  return new Set([isSaid ? error.message : `${error.message}\n${remedy}`]);
}

/** Nobody has bounded the depth; that is at least said in words for people. */
function isStackOverflow(error: Error): boolean {
  return error instanceof RangeError && error.message === "Maximum call stack size exceeded";
}

/** The working directory, or a variable, has bytes that make no text. */
function isNotUnicode(error: Error): boolean {
  return error instanceof Deno.errors.InvalidData &&
    /not valid (?:UTF-8|unicode)/.test(error.message);
}

/** What to do about an error, if it or one of its causes knows that besides its message. */
function remedyOf(error: Error): string | undefined {
  const remedy: unknown = Reflect.get(error, "remedy");
  if (typeof remedy === "string") return remedy;
  return error.cause instanceof Error ? remedyOf(error.cause) : undefined;
}

async function dispatch([name = "", ...args]: string[]): Promise<number> {
  if (name === "help" && VERBS.has(args[0] ?? "")) {
    return await dispatch([args[0]!, "--help", ...args.slice(1)]);
  }
  const form = helpForm(name === "help" ? ["--help", ...args] : [name]);
  if (form !== undefined) return await printHelp(form);
  if (["version", "--version", "-v"].includes(name)) {
    new Screen(Deno.stdout).line(`taffrail ${VERSION}`);
    return 0;
  }
  const load = VERBS.get(name);
  if (load === undefined) throw new UsageError(unknownVerb(name));
  const verb = await load();
  const verbForm = helpForm(args);
  if (verbForm !== undefined) return await printHelp(verbForm, { name, verb });
  return await verb.run(args, VERBS);
}

/** As what help is asked for; undefined where it is not. What stands behind `--` belongs to a command. */
function helpForm(args: string[]): "text" | "man" | undefined {
  const end = args.indexOf("--");
  const own = end === -1 ? args : args.slice(0, end);
  const asked = own.filter((arg) => arg === "-h" || /^--help(?:=|$)/.test(arg));
  const form = asked.find((arg) => arg.startsWith("--help="))?.slice("--help=".length);
  if (form === undefined) return asked.length === 0 ? undefined : "text";
  if (form === "man") return form;
  throw optionError("help", form, "say man, or only --help");
}

/** Prints help of a verb, or of the command. Few ask for it, so nobody else loads it. */
async function printHelp(
  form: "text" | "man",
  of?: { name: string; verb: Verb },
): Promise<number> {
  const texts = await import("./help/help_text.ts");
  const pages = form === "man" ? await import("./help/man_page.ts") : undefined;
  const text = of === undefined
    ? await (pages?.commandPage ?? texts.overview)(VERBS)
    : (pages?.verbPage ?? texts.verbHelp)(of.name, of.verb);
  new Screen(Deno.stdout).line(text);
  return 0;
}

function unknownVerb(name: string): string {
  const verbs = [...VERBS.keys()].join(", ");
  const problem = name === ""
    ? "Say what to do"
    : name.startsWith("-")
    ? `Say what to do before ${JSON.stringify(name)}`
    : `There is no ${JSON.stringify(name)}${guess(name)}`;
  const end = problem.endsWith("?") ? "" : ":";
  return `${problem}${end} taffrail ${verbs.replaceAll(", ", "|")}; see taffrail --help`;
}

/** Verbs that end or remove something: whoever tries out what was guessed must not lose anything. */
const NEVER_GUESSED = ["stop", "prune", "repair"];

/** The verb that begins so, or that a slip or two make of it, unless a verb that is never guessed is as near. */
function guess(name: string): string {
  const verbs = Array.from(VERBS.keys(), (verb) => {
    return { verb, slips: verb.startsWith(name) ? 0 : slipsBetween(verb, name) };
  });
  const fewest = Math.min(...verbs.map(({ slips }) => slips));
  const nearest = verbs.filter(({ slips }) => slips === fewest).map(({ verb }) => verb);
  const isFar = fewest > Math.max(1, Math.floor(name.length / 3));
  if (isFar || nearest.some((verb) => NEVER_GUESSED.includes(verb))) return "";
  return `, did you mean ${nearest.join(" or ")}?`;
}

/** How many letters were left out, added, mistaken, or changed places with the next, to make a text of another. */
function slipsBetween(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, column) => column)];
  for (let row = 1; row <= a.length; row++) {
    const slips = rows[row] = [row];
    for (let column = 1; column <= b.length; column++) {
      const mistaken = rows[row - 1]![column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1);
      const isSwapped = a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      const swapped = isSwapped ? rows[row - 2]![column - 2]! + 1 : Infinity;
      const added = Math.min(slips[column - 1]!, rows[row - 1]![column]!) + 1;
      slips[column] = Math.min(mistaken, swapped, added);
    }
  }
  return rows[a.length]![b.length]!;
}

if (import.meta.main) Deno.exit(await mainOfProcess());
