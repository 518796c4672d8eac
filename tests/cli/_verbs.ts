/** All verbs, as the command itself names and loads them. */
import type { Verb, Verbs } from "../../cli/text/arguments.ts";
import { ask } from "./_command.ts";

const overview = (await ask(["--help"], Deno.cwd())).stdout;

/** Their names, in the order in which the help has them. */
export const VERB_NAMES: readonly string[] = verbsIn(overview);

/** The verbs by their names. */
export const VERBS: Verbs = new Map(VERB_NAMES.map((name) => [name, () => loadVerb(name)]));

/** The names of the verbs in what `taffrail --help` prints. */
export function verbsIn(help: string): string[] {
  return Array.from(help.matchAll(/^ {2}(?!taffrail )([a-z-]+) /gm), ([, name]) => name!);
}

/** Loads a verb. */
async function loadVerb(name: string): Promise<Verb> {
  const module = await import(`../../cli/verbs/${name.replaceAll("-", "_")}.ts`);
  return Object.values(module).find(isVerb)!;
}

function isVerb(value: unknown): value is Verb {
  return typeof value === "object" && value !== null && "run" in value && "help" in value;
}
