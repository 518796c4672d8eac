// deno-lint-ignore-file no-console -- what it measures is for the terminal
/**
 * Measures the modules against baselines and peers; BENCHMARKS.md tells the method.
 *
 * Usage: `deno task bench [TOPIC…]`
 */
import { describeMachine } from "./harness/machine.ts";
import { printFindings } from "./harness/print_findings.ts";
import { isMet, type Topic } from "./harness/topic.ts";
import { append } from "./topics/append.ts";
import { batch } from "./topics/batch.ts";
import { bundle } from "./topics/bundle.ts";
import { command } from "./topics/command.ts";
import { database } from "./topics/database.ts";
import { dbos } from "./topics/dbos.ts";
import { decide } from "./topics/decide.ts";
import { dispatch } from "./topics/dispatch.ts";
import { durable } from "./topics/durable.ts";
import { flow } from "./topics/flow.ts";
import { longFlow } from "./topics/long_flow.ts";
import { memory } from "./topics/memory.ts";
import { page } from "./topics/page.ts";
import { processes } from "./topics/processes.ts";
import { read } from "./topics/read.ts";
import { root } from "./topics/root.ts";
import { shrinking } from "./topics/shrink.ts";
import { start } from "./topics/start.ts";
import { steps } from "./topics/steps.ts";
import { trace } from "./topics/trace.ts";
import { store } from "./topics/store.ts";
import { storeOpen, storePage } from "./topics/store_read.ts";

const TOPICS: readonly Topic[] = [
  append,
  batch,
  durable,
  processes,
  read,
  page,
  decide,
  dispatch,
  bundle,
  shrinking,
  trace,
  store,
  storePage,
  storeOpen,
  database,
  dbos,
  start,
  command,
  flow,
  longFlow,
  steps,
  root,
  memory,
];

async function run(names: readonly string[]): Promise<void> {
  const unknown = names.find((name) => !TOPICS.some((topic) => topic.name === name));
  if (unknown !== undefined) {
    const known = TOPICS.map(({ name }) => name).join(", ");
    console.error(`There is no topic "${unknown}": say one or more of ${known}`);
    Deno.exit(2);
  }
  console.log(`${await describeMachine()}\n`);
  const missed: string[] = [];
  for (const topic of TOPICS) {
    if (names.length > 0 && !names.includes(topic.name)) continue;
    const findings = await topic.measure();
    printFindings(topic, findings);
    for (const ratio of findings.ratios) if (isMet(ratio) === false) missed.push(ratio.what);
  }
  console.log(missed.length === 0 ? "All goals were met." : `Missed: ${missed.join("; ")}.`);
}

await run(Deno.args);
