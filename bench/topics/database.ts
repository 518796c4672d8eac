import { Baseline } from "../harness/baseline.ts";
import { askProgram } from "../harness/child.ts";
import { denoRun } from "../harness/flows.ts";
import { eventAt } from "../harness/log_cases.ts";
import {
  type Case,
  measureRounds,
  spreadOf,
  timeEach,
  timeEachAwaited,
  timeEachTogether,
} from "../harness/rounds.ts";
import { runCommand } from "../harness/run_command.ts";
import { withDirectory } from "../harness/temp_directory.ts";
import { type Fact, type Findings, ratioOf, type Topic } from "../harness/topic.ts";
import { Dbos } from "../peers/dbos.ts";
import { Postgres } from "../peers/postgres.ts";
import type { MadeSteps } from "../programs/make_steps.ts";
import { openPostgresClient } from "../../cli/postgres/open_database.ts";
import { openEventLog } from "../../eventlog/open_event_log.ts";
import type { EventLog } from "../../eventlog/types.ts";
import { migratePostgres, openPostgresLog, openPostgresRoot } from "../../postgres/mod.ts";
import type { PostgresClient } from "../../postgres/types.ts";
import type { RunsRoot } from "../../run/types.ts";

const ROUNDS = 7;
const COUNT = 500;
const CALLERS = 200;
const STEPS = 500;
const MANY_RUNS = 10_000;
const MANY_EVENTS = 100_000;
const FOLLOWED = 300;
const WORKED_NODES = 1000;
const MAIN = new URL("../../cli/main.ts", import.meta.url).pathname;
const MAKE_STEPS = new URL("../programs/make_steps.ts", import.meta.url);

const FLOOR = "write + fdatasync of a constant";
const FILE = "append to a file, synced, one by one";
const DATABASE = "append to PostgreSQL, synced, one by one";
const FILE_MANY = `append to a file, synced, ${CALLERS} waiting`;
const DATABASE_MANY = `append to PostgreSQL, synced, ${CALLERS} waiting`;
const STEP = "a step of a program on PostgreSQL, one by one";
const DBOS_STEP = "a step of DBOS on PostgreSQL, one by one";

type Log = EventLog<object>;

async function appends(log: Log): Promise<number> {
  await using _closed = log;
  return await timeEachAwaited(COUNT, (index) => log.append(eventAt(index)));
}

async function manyAppends(log: Log): Promise<number> {
  await using _closed = log;
  const count = 20 * CALLERS;
  return await timeEachTogether({ callers: CALLERS, count }, (index) => log.append(eventAt(index)));
}

function logCases(directory: string, client: PostgresClient): Case[] {
  let logs = 0;
  const file = () =>
    openEventLog<object>({ root: directory, runId: `log-${++logs}`, durability: "disk" });
  const database = () =>
    openPostgresLog<object>(client, { runId: `log-${++logs}`, durability: "disk" });
  return [
    { name: FILE, run: async () => await appends(await file()) },
    { name: DATABASE, run: async () => await appends(await database()) },
    { name: FILE_MANY, run: async () => await manyAppends(await file()) },
    { name: DATABASE_MANY, run: async () => await manyAppends(await database()) },
  ];
}

async function floor(directory: string): Promise<number> {
  using baseline = new Baseline(await Deno.makeTempDir({ dir: directory }));
  return timeEach(COUNT, () => baseline.appendDurably());
}

function stepCases(root: string, { url, dbos }: { url: string; dbos: Dbos | undefined }): Case[] {
  const args = [root, "1", "50", String(STEPS)];
  const ours = async () => (await askProgram<MadeSteps>(MAKE_STEPS, { args })).stepUs;
  if (dbos === undefined) return [{ name: STEP, run: ours }];
  const steps = { callers: 1, warmUp: 50, count: STEPS };
  const theirs = async () => (await dbos.makeSteps(url, steps)).stepUs;
  return [{ name: STEP, run: ours }, { name: DBOS_STEP, run: theirs }];
}

/** The text of an event of a run. */
function eventText(runId: string, index: number): string {
  const id = `01hzzzzzzzzzzzzzzz${String(index).padStart(8, "0")}`;
  const rest = { kind: "command", name: "deno lint --quiet", pad: "x".repeat(60) };
  const event = { type: "node.started", node_id: `node-${index}`, attempt: 1, ...rest };
  return JSON.stringify({ id, ts: "2026-01-01T00:00:00.000Z", run_id: runId, ...event });
}

async function readFact(root: RunsRoot): Promise<Fact> {
  const runId = "long";
  await using held = await root.create({ about: { name: "long" }, runId });
  for (let first = 0; first < MANY_EVENTS; first += 1000) {
    const events = Array.from({ length: 1000 }, (_, index) => eventText(runId, first + index));
    await held.append({ events });
  }
  const begun = performance.now();
  let read = 0;
  let after: string | number = 0;
  for (let hasMore = true; hasMore;) {
    const page = await held.view.events.read({ after, limit: 10_000 });
    read += page.events.length;
    ({ next: after, hasMore } = page);
  }
  const perSecond = read / (performance.now() - begun) * 1000;
  return { what: `reading a run of ${MANY_EVENTS} events`, value: `${perSecond.toFixed(0)}/s` };
}

async function listFacts(root: RunsRoot): Promise<Fact[]> {
  const make = async (index: number) => {
    const runId = `run-${String(index).padStart(6, "0")}`;
    await using held = await root.create({ about: { name: "run" }, runId });
    await held.append({ events: [1, 2, 3].map((n) => eventText(runId, n)) });
  };
  await timeEachTogether({ callers: 50, count: MANY_RUNS }, make);
  const all = await timesOf(7, () => root.list({ limit: 10_000 }));
  const page = await timesOf(21, () => root.list({ limit: 100, newestFirst: true }));
  return [
    { what: `listing ${MANY_RUNS} runs`, value: `${all.toFixed(0)} ms` },
    { what: "listing a page of 100 of them", value: `${page.toFixed(1)} ms` },
  ];
}

async function timesOf(times: number, what: () => Promise<unknown>): Promise<number> {
  const all: number[] = [];
  for (let time = 0; time < times; time++) {
    const begun = performance.now();
    await what();
    all.push(performance.now() - begun);
  }
  return spreadOf(all).median;
}

/** How long after it was acknowledged an event is delivered to who follows from another connection. */
async function followFact(client: PostgresClient): Promise<Fact> {
  const open = () => openPostgresLog<{ n: number }>(client, { runId: "followed" });
  await using log = await open();
  await using other = await open();
  const sent: number[] = [];
  const late: number[] = [];
  const signal = AbortSignal.timeout(60_000);
  const following = (async () => {
    for await (const item of other.follow({ signal })) {
      if ("event" in item) late.push(performance.now() - sent[item.event.n]!);
      if (late.length === FOLLOWED) return;
    }
  })();
  for (let n = 0; n < FOLLOWED; n++) {
    sent[n] = performance.now();
    await log.append({ n });
    await new Promise((resolve) => setTimeout(resolve, 5 + Math.random() * 15));
  }
  await following;
  const sorted = late.slice(10).toSorted((one, other) => one - other);
  const at = (part: number) => sorted[Math.floor(sorted.length * part)]!.toFixed(1);
  return { what: "follow, p50 and p99", value: `${at(0.5)} ms and ${at(0.99)} ms` };
}

/** How many nodes a second that do nothing are run by so many workers of this machine, from start to end. */
async function workersFact(directory: string, root: string, workers: number): Promise<Fact> {
  const run = { run: ["true"] };
  const nodes = Object.fromEntries(
    Array.from({ length: WORKED_NODES }, (_, index) => [`n${index}`, run]),
  );
  const flow = { name: "many", nodes, constraints: { max_in_flight: 64 } };
  await Deno.writeTextFile(`${directory}/flow.json`, JSON.stringify(flow));
  const command = (...args: string[]) => [...denoRun(MAIN), ...args, "--root", root];
  const started = await Promise.all(
    Array.from({ length: workers }, () => startWorker(command("work", "--slots", "8"), directory)),
  );
  try {
    await runCommand(command("run", "flow.json", "--workers"), directory);
    const milliseconds = await runCommand(command("run", "flow.json", "--workers"), directory);
    const value = `${(WORKED_NODES / milliseconds * 1000).toFixed(0)}/s`;
    return { what: `nodes that do nothing, ${workers} workers of 8 places`, value };
  } finally {
    for (const worker of started) worker.kill("SIGTERM");
    await Promise.all(started.map(({ status }) => status));
  }
}

/** Starts a worker, and waits until it says that it is one. */
async function startWorker(
  [program = "", ...args]: readonly string[],
  cwd: string,
): Promise<Deno.ChildProcess> {
  const worker = new Deno.Command(program, {
    ...{ args, cwd, stdin: "null", stdout: "null", stderr: "piped" },
  }).spawn();
  const lines = worker.stderr.getReader();
  await lines.read();
  lines.releaseLock();
  void worker.stderr.pipeTo(new WritableStream());
  return worker;
}

/** How long the command takes to show the long run, as a whole process. */
async function showFact(directory: string, root: string): Promise<Fact> {
  const words = [...denoRun(MAIN), "show", "long", "--root", root, "--json"];
  const milliseconds = await timesOf(3, () => runCommand(words, directory));
  return { what: `show of a run of ${MANY_EVENTS} events`, value: `${milliseconds.toFixed(0)} ms` };
}

async function measureIn(directory: string): Promise<Findings> {
  const dbos = await Dbos.install(await Deno.makeTempDir({ dir: directory }));
  await using postgres = await Postgres.start();
  if (postgres === undefined) throw new Error("PostgreSQL is not installed, and cannot be");
  const client = await openPostgresClient(await postgres.database("runs"));
  await migratePostgres(client);
  await using root = await openPostgresRoot(client);
  const rounds = await measureRounds([
    { name: FLOOR, run: () => floor(directory) },
    ...logCases(directory, client),
    ...stepCases(client.name, { url: postgres.url, dbos }),
  ], ROUNDS);
  const facts = [
    { what: "PostgreSQL", value: postgres.version },
    { what: "DBOS", value: dbos?.version ?? "not measured, as Node or npm is not installed" },
    await readFact(root),
    await showFact(directory, client.name),
    await workersFact(directory, client.name, 1),
    await workersFact(directory, client.name, 2),
    await workersFact(directory, client.name, 4),
    ...await listFacts(root),
    await followFact(client),
  ];
  return {
    operation: "an event, or a step",
    rounds,
    ratios: [
      ratioOf(rounds, { of: DATABASE, to: FILE }),
      ratioOf(rounds, { of: DATABASE_MANY, to: FILE_MANY }),
      ratioOf(rounds, { of: STEP, to: FLOOR }),
      ...dbos === undefined ? [] : [ratioOf(rounds, { of: DBOS_STEP, to: STEP })],
    ],
    facts,
  };
}

/** What a root costs that many machines share, beside one in files and beside DBOS. */
export const database: Topic = {
  name: "database",
  title: "a root on PostgreSQL, beside files and DBOS",
  measure: () => withDirectory(measureIn),
};
