import { assert, assertEquals } from "@std/assert";
import { parseArgs } from "node:util";
import { COMMON_OPTIONS, type OptionTable, readArguments } from "../../cli/text/arguments.ts";
import { Random } from "../_util/random.ts";
import { longCount, seed } from "../_util/temp.ts";

const OPTIONS = {
  name: { value: "NAME", text: "what it is called" },
  all: { text: "all of them" },
} as const;
const WORDS = [
  "--name",
  "--name=x",
  "--name=",
  "--name=a=b",
  "--all",
  "--all=1",
  "--json",
  "--jsno",
  "--=x",
  "--",
  "-",
  "-x",
  "-xy",
  "-x=1",
  "",
  "run",
  "a b",
  "--constructor",
  "--no-all",
  "---name",
];

interface Outcome {
  options?: Record<string, unknown>;
  operands?: string[];
  problem?: string;
}

function ours(args: string[]): Outcome {
  try {
    const { options, operands } = readArguments("ls", args, OPTIONS);
    return { options, operands };
  } catch (error) {
    return { problem: (error as Error).message };
  }
}

function nodes(args: string[]): Outcome {
  const table: OptionTable = { ...COMMON_OPTIONS, ...OPTIONS };
  const options = Object.fromEntries(
    Object.entries(table).map(([name, { value }]) => {
      return [name, { type: value === undefined ? "boolean" : "string" } as const];
    }),
  );
  try {
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
    return { options: { ...values }, operands: positionals };
  } catch (error) {
    const [reason] = (error as Error).message.split(/[.\n]/);
    return { problem: `${reason}; see taffrail ls --help` };
  }
}

/** How often the option with a value is given. */
function timesNamed(args: string[]): number {
  const end = args.indexOf("--");
  const own = end === -1 ? args : args.slice(0, end);
  return own.filter((arg) => /^--name(=|$)/.test(arg)).length;
}

Deno.test("readArguments() takes arguments apart as Node's parseArgs does, with the same words, but for what is given twice", () => {
  const random = new Random(seed());
  for (let count = 0; count < longCount(2000, 200_000); count++) {
    const args = Array.from({ length: random.below(6) }, () => random.pick(WORDS));
    const outcome = ours(args);
    // Of an option that is given twice Node takes the last; here nobody knows which was meant.
    if (outcome.options === undefined && / is given twice: /.test(outcome.problem!)) {
      assert(timesNamed(args) > 1, JSON.stringify(args));
      continue;
    }
    assertEquals(outcome, nodes(args), JSON.stringify(args));
    assert(outcome.options === undefined || timesNamed(args) < 2, JSON.stringify(args));
  }
});
