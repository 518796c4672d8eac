import { assert, assertEquals, assertFalse, assertStringIncludes } from "@std/assert";
import { listRuns } from "../../eventlog/mod.ts";
import { runtimeDirectory } from "../../store/mod.ts";
import { isThere, namesIn } from "../_util/files.ts";
import { makeStranger, type Stranger, STRANGERS } from "../_util/strangers.ts";
import { withMemoryDir } from "../_util/temp.ts";
import { Answerer, writeDamagedRoot } from "./_answerer.ts";
import { HAS_SIGNALS } from "./_command.ts";

/** Verbs that read a run, and whether they are to fail is what the table below says. */
const READERS = [
  "show",
  "report",
  "logs",
  "verify",
  "trace",
  "replay",
  "diff",
  "follow",
  "stop",
] as const;
type Verb = typeof READERS[number] | "resume";

/** A file that is no run's: who verifies all of the root is told of it. */
const ROOT_FILE = ".ulid-last";

/** The files of a root, and the verbs that cannot do without them. */
const FILES: [name: string, needed: Verb[]][] = [
  ["RUN/run.json", [...READERS, "resume"]],
  ["RUN/events.jsonl", [...READERS, "resume"]],
  ["RUN/events.lock", []],
  ["RUN/live.lock", ["show", "report", "logs", "verify", "follow", "stop", "resume"]],
  ["RUN/flow.json", ["verify", "resume"]],
  ["RUN/capture.jsonl", ["show", "report", "logs", "verify", "replay", "diff", "resume"]],
  ["RUN/capture.json", ["verify"]],
  ["RUN/processes.jsonl", ["verify", "resume"]],
  ["RUN/trace.json", ["trace", "verify"]],
  ["RUN/nodes/z.1.out", ["logs", "verify"]],
  ["RUN/nodes/z.1.err", ["logs", "verify"]],
  ["STORE/runtime.json", ["verify"]],
  ["STORE/owner.lock", ["verify"]],
  ["STORE/events.jsonl", ["verify"]],
  ["STORE/journal-1.jsonl", ["verify"]],
  ["STORE/WORKER/worker.json", ["verify"]],
  ["STORE/WORKER/transcript.jsonl", ["verify"]],
  [ROOT_FILE, []],
];

/** Words of an engine or a system that say nothing to a reader. */
const ENGINE_WORDS = /is not a function|Cannot read prop|undefined|\[object|at file:/;

/** The path of a file of a run in a root; undefined of the store, which has none before the run ends. */
function pathOf(root: string, runId: string, name: string): string | undefined {
  const store = runtimeDirectory(root, runId);
  if (name.includes("STORE") && !isThere(store)) return undefined;
  const [worker] = isThere(store) ? namesIn(`${store}/workers`) : [];
  return name.replace("STORE/WORKER", `${store}/workers/${worker}`).replace("STORE", store)
    .replace("RUN", `${root}/runs/${runId}`).replace(/^\./, `${root}/.`);
}

/** Asks every verb of a root in which a stranger stands in the place of a file. */
async function checkVerbs(
  answerer: Answerer,
  { cwd, name, needed, stranger }: {
    cwd: string;
    name: string;
    needed: Verb[];
    stranger: Stranger;
  },
): Promise<void> {
  const root = `${cwd}/.taffrail`;
  const [bad, other, killed] = await listRuns(root) as [string, string, string];
  for (const runId of [bad, killed]) {
    const path = pathOf(root, runId, name);
    if (path !== undefined && !await makeStranger(stranger, path)) return;
  }
  const ask = async (...args: string[]) => {
    const answer = await answerer.ask(args, cwd);
    const text = answer.stdout + answer.stderr;
    const context = `${args.join(" ")}, ${name} is ${stranger}: ${text}`;
    assertFalse(ENGINE_WORDS.test(text), context);
    assert(answer.code === 0 || answer.code === 1, context);
    return { ...answer, text, context };
  };
  for (const verb of READERS) {
    const operands = verb === "diff" ? [bad, other] : [bad];
    const { code, text, context } = await ask(verb, ...operands);
    if (needed.includes(verb)) assertEquals(code, 1, context);
    const isNamed = text.includes(name.slice(name.lastIndexOf("/") + 1));
    assert(!needed.includes(verb) || isNamed || /runtimes|runtime store/.test(text), context);
  }
  for (const args of [["ls"], ["prune", "--keep", "0", "--dry-run"]]) {
    const { text, context } = await ask(...args);
    for (const runId of [bad, other, killed]) assertStringIncludes(text, runId, context);
  }
  const verified = await ask("verify");
  assertFalse(verified.text.includes(other), verified.context);
  const isTold = needed.includes("verify") || name === ROOT_FILE;
  assertEquals(verified.code, isTold ? 1 : 0, verified.context);
  const resumed = await ask("resume", killed);
  assertEquals(resumed.code, needed.includes("resume") ? 1 : resumed.code, resumed.context);
  await ask("repair");
  const pruned = await ask("prune", "--keep", "0", "--orphans");
  assertFalse((await listRuns(root)).includes(other), pruned.context);
}

for (const stranger of STRANGERS) {
  Deno.test(
    `no verb hangs on ${stranger} in the place of a file of a root, or lets the others down`,
    {
      ignore: !HAS_SIGNALS,
    },
    () =>
      withMemoryDir(async (directory) => {
        await writeDamagedRoot(`${directory}/whole`);
        await using answerer = new Answerer();
        for (const [name, needed] of FILES) {
          const cwd = `${directory}/damaged`;
          await new Deno.Command("cp", { args: ["-a", `${directory}/whole`, cwd] }).output();
          await checkVerbs(answerer, { cwd, name, needed, stranger });
          await Deno.remove(cwd, { recursive: true });
        }
      }),
  );
}
