import { type Shape, withTaffrail, writeFlow } from "../harness/flows.ts";
import { type Spread, spreadOf } from "../harness/rounds.ts";
import { mib, runAndWatch, type Taken } from "../harness/run_command.ts";
import { withDirectory } from "../harness/temp_directory.ts";
import type { Fact, Ratio, Topic } from "../harness/topic.ts";

const SHORT = 300;
const LONG = 10_000;
/** How many short flows a long one is set against, half of them before it. */
const SHORT_RUNS = 4;

/** One flow on a new root. */
async function takeFlow(words: readonly string[], shape: Shape, nodes: number): Promise<Taken> {
  return await withDirectory(async (directory) => {
    await writeFlow(directory, shape, nodes);
    return await runAndWatch([...words, "run", "flow.json"], directory);
  });
}

/** What one shape found. */
async function measureShape(
  words: readonly string[],
  shape: Shape,
): Promise<{ ratios: Ratio[]; facts: Fact[] }> {
  const short: Taken[] = [];
  const takeShort = async () => {
    for (let run = 0; run < SHORT_RUNS / 2; run++) short.push(await takeFlow(words, shape, SHORT));
  };
  await takeShort();
  const long = await takeFlow(words, shape, LONG);
  await takeShort();
  const perNode = ({ milliseconds }: Taken, nodes: number) => milliseconds / nodes;
  const shortCost = spreadOf(short.map((taken) => perNode(taken, SHORT)));
  const shortPeak = Math.max(...short.map(({ peakMib }) => peakMib ?? NaN));
  const cost = perNode(long, LONG);
  const what = `${shape}: a node of ${LONG.toLocaleString("en")} ÷ a node of ${SHORT}`;
  return {
    ratios: [{ what, spread: quotient(cost, shortCost), atMost: 1 }],
    facts: [
      { what: `${shape}, ms a node of ${SHORT}`, value: shortCost.median.toFixed(2) },
      { what: `${shape}, ms a node of ${LONG}`, value: cost.toFixed(2) },
      { what: `${shape}, greatest memory with ${SHORT} nodes`, value: mib(shortPeak) },
      { what: `${shape}, greatest memory with ${LONG} nodes`, value: mib(long.peakMib) },
    ],
  };
}

/** The long run's figure for those of the short ones. */
function quotient(value: number, { median, low, high }: Spread): Spread {
  return { median: value / median, low: value / high, high: value / low };
}

/** Whether a node costs more the more there are. */
export const longFlow: Topic = {
  name: "long-flow",
  title: "flows of 300 and of 10,000 nodes that run true, from the bundle, starts included",
  async measure() {
    return await withTaffrail(async ({ bundle }) => {
      const chain = await measureShape(bundle, "chain");
      const wide = await measureShape(bundle, "eight at once");
      return {
        operation: "a node",
        ratios: [...chain.ratios, ...wide.ratios],
        facts: [...chain.facts, ...wide.facts],
      };
    });
  },
};
