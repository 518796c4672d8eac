// deno-lint-ignore-file no-console -- the parent reads it
/**
 * Times steps of DBOS, for Node: prints the microseconds of each, and the milliseconds until the workflow is over.
 *
 * Usage: `steps.mjs DATABASE_URL CALLERS WARM_UP COUNT`
 */
import { argv } from "node:process";

/** Not written into the import, so that a type check of this project does not look for it. */
const SPECIFIER = "@dbos-inc/dbos-sdk";
const { DBOS } = await import(SPECIFIER);

const [url, callers, warmUp, count] = argv.slice(2);

/** Makes steps, so many at once, and tells how long they took and when they were done. */
async function makeSteps(callers, count) {
  let next = 0;
  const caller = async () => {
    while (next < count) {
      const index = next++;
      const name = `part ${index}`;
      await DBOS.runStep(() => Promise.resolve({ index, name }), { name });
    }
  };
  const startMs = performance.now();
  await Promise.all(Array.from({ length: callers }, caller));
  const doneMs = performance.now();
  return { stepUs: (doneMs - startMs) * 1000 / count, doneMs };
}

DBOS.setConfig({ name: "bench", systemDatabaseUrl: url, logLevel: "error" });
const workflow = DBOS.registerWorkflow(makeSteps, { name: "steps" });
await DBOS.launch();
await workflow(Number(callers), Number(warmUp));
const { stepUs, doneMs } = await workflow(Number(callers), Number(count));
const endMs = performance.now() - doneMs;
await DBOS.shutdown();
console.log(JSON.stringify({ stepUs, endMs }));
