/**
 * Lesson 9: an agent. A model says which tool to call next; what it said and what each tool gave is
 * recorded, so an agent that was killed asks no question twice. Before it does what cannot be undone a
 * person has to agree: `taffrail pass` lets it go on, now or after days, whether it runs or not.
 *
 * Run: deno run --allow-read=.taffrail-examples --allow-write=.taffrail-examples --allow-run examples/09_agent.ts
 */
// deno-lint-ignore-file no-console -- an example prints
import { durable, type StepContext } from "@taffrail/taffrail/run";

const root = ".taffrail-examples";
const folder = `${root}/agent`;
await Deno.mkdir(folder, { recursive: true });
await Deno.writeTextFile(`${folder}/prices.csv`, "apples,3\npears,4\nplums,5\n");

type Move = { tool: "read" | "run" | "sum"; input: string } | { answer: string };

/** Stands for a language model, which costs money and never says the same thing twice. */
function model(seen: readonly string[]): Move {
  const [prices = "", program = ""] = seen;
  switch (seen.length) {
    case 0:
      return { tool: "read", input: "prices.csv" };
    case 1: {
      const lines = JSON.stringify(prices.trim().split("\n"));
      return { tool: "run", input: `${lines}.forEach((line) => console.log(line.split(",")[1]))` };
    }
    case 2:
      return { tool: "sum", input: program };
    default:
      return { answer: `all of it costs ${seen[2]}` };
  }
}

const TOOLS = {
  read: (name: string) => Deno.readTextFile(`${folder}/${name}`),
  /** Runs a program. With `env` it is known as a part of the run, with `signal` it ends with the step. */
  async run(program: string, { env, signal }: StepContext<string>): Promise<string> {
    const args = ["eval", program];
    const { code, stdout } = await new Deno.Command(Deno.execPath(), { args, env, signal })
      .output();
    if (code !== 0) throw new Error(`the program ended with ${code}`);
    return new TextDecoder().decode(stdout);
  },
  sum: (numbers: string) =>
    String(numbers.trim().split("\n").reduce((sum, n) => sum + Number(n), 0)),
};

const sent = await durable({ root, name: "agent", resume: "newest" }, async (run) => {
  const seen: string[] = [];
  for (let turn = 1;; turn++) {
    const move = await run.step(`${turn} think`, () => model(seen));
    if ("answer" in move) {
      console.log(`may it say "${move.answer}"? Somebody has to answer:`);
      console.log(`taffrail pass --root ${root} ${run.runId} agreed --value '{"by":"ada"}'`);
      const { by } = await run.waitFor<{ by: string }>("agreed");
      const text = `${move.answer}\nagreed: ${by}\n`;
      // One name and one text, however often it is done.
      await run.step("send", () => Deno.writeTextFile(`${folder}/sent.txt`, text));
      return text;
    }
    const { tool, input } = move;
    const retry = { maxRetries: 2 };
    const work = (context: StepContext<string>) => {
      console.log(`${turn}: ${tool}`);
      return TOOLS[tool](context.input, context);
    };
    seen.push(await run.step(`${turn} ${tool}`, work, { input, retry, timeoutMs: 60_000 }));
  }
});
console.log(sent.trimEnd());
