import { type WorkerRef, WorkerRuntime } from "../../store/mod.ts";
import { baselineCase } from "../harness/log_cases.ts";
import { type Case, measureRounds, timeEach, timeEachAwaited } from "../harness/rounds.ts";
import { SeedStore } from "../harness/seed_store.ts";
import { withDirectory } from "../harness/temp_directory.ts";
import { ratioOf, type Topic } from "../harness/topic.ts";
import { SqliteStore } from "../peers/sqlite_store.ts";

const ROUNDS = 25;
const COUNT = 250;
const WORKERS = 10;
const BATCH = 100;
const BATCHES = 20;
const CONTENT = "Please look at the failing test in the parser and tell me what is wrong with it.";
const input = { kind: "user", content: CONTENT } as const;
const REQUEST = { intent: { kind: "assistant" }, profile: { kind: "runtime_default" } } as const;

const BASELINE = "write + fdatasync of a constant";
const SEND = "sendInput";
const SEED = "sendInput as the original program does it";
const FRESH = "the same in node:sqlite, WAL, FULL, new database";
const RECYCLED = "the same in node:sqlite, WAL, FULL, recycled log";
const CREATE = "createWorker";
const SQLITE_CREATE = "createWorker in node:sqlite, new database";
const BATCHED = `sendInput, ${BATCH} in a transaction`;
const SQLITE_BATCHED = `the same in node:sqlite, ${BATCH} in a transaction, new database`;

function storeCase(
  name: string,
  time: (runtime: WorkerRuntime, refs: readonly WorkerRef[]) => Promise<number>,
): Case {
  const run = () =>
    withDirectory(async (root) => {
      await using runtime = await WorkerRuntime.open({ root, runtimeId: "bench" });
      const refs: WorkerRef[] = [];
      while (refs.length < WORKERS) refs.push((await runtime.createWorker(REQUEST)).worker_ref);
      // The first one makes the worker's folder and transcript, once.
      for (const ref of refs) await runtime.sendInput(ref, input);
      return await time(runtime, refs);
    });
  return { name, run };
}

function sqliteCase(
  name: string,
  time: (store: SqliteStore, workers: readonly string[]) => number,
): Case {
  const run = () =>
    withDirectory((directory) => {
      using store = new SqliteStore(`${directory}/store.db`);
      const workers: string[] = [];
      store.transaction(() => {
        while (workers.length < WORKERS) workers.push(store.createWorker(REQUEST));
        for (const worker of workers) store.sendInput(worker, CONTENT);
      });
      return time(store, workers);
    });
  return { name, run };
}

function timeSqliteInputs(store: SqliteStore, workers: readonly string[]): number {
  return timeEach(COUNT, (index) => {
    store.transaction(() => store.sendInput(workers[index % WORKERS]!, CONTENT));
  });
}

const cases: Case[] = [
  baselineCase(BASELINE, (baseline) => timeEach(COUNT, () => baseline.appendDurably())),
  storeCase(
    SEND,
    (runtime, refs) =>
      timeEachAwaited(COUNT, (index) => runtime.sendInput(refs[index % WORKERS]!, input)),
  ),
  {
    name: SEED,
    run: () =>
      withDirectory((root) => {
        const store = new SeedStore(root, WORKERS);
        return timeEach(COUNT, (index) => store.sendInput(index, CONTENT));
      }),
  },
  sqliteCase(FRESH, timeSqliteInputs),
  sqliteCase(RECYCLED, (store, workers) => {
    store.recycleLog(workers[0]!);
    return timeSqliteInputs(store, workers);
  }),
  storeCase(CREATE, (runtime) => timeEachAwaited(COUNT, () => runtime.createWorker(REQUEST))),
  sqliteCase(
    SQLITE_CREATE,
    (store) => timeEach(COUNT, () => store.transaction(() => void store.createWorker(REQUEST))),
  ),
  storeCase(BATCHED, async (runtime, refs) => {
    const send = () =>
      runtime.transaction((transaction) => {
        for (let n = 0; n < BATCH; n++) transaction.sendInput(refs[n % WORKERS]!, input);
      });
    return await timeEachAwaited(BATCHES, send) / BATCH;
  }),
  sqliteCase(SQLITE_BATCHED, (store, workers) => {
    const send = () =>
      store.transaction(() => {
        for (let n = 0; n < BATCH; n++) store.sendInput(workers[n % WORKERS]!, CONTENT);
      });
    return timeEach(BATCHES, send) / BATCH;
  }),
];

/** Mutations of a runtime that are on disk before they are acknowledged. */
export const store: Topic = {
  name: "store",
  title: `mutations of a runtime with ${WORKERS} workers, on disk before they are acknowledged`,
  async measure() {
    const rounds = await measureRounds(cases, ROUNDS);
    return {
      operation: "a mutation",
      rounds,
      ratios: [
        ratioOf(rounds, { of: SEND, to: BASELINE }, { atMost: 1.3 }),
        ratioOf(rounds, { of: SEED, to: SEND }, { atLeast: 5 }),
        ratioOf(rounds, { of: FRESH, to: SEND }),
        ratioOf(rounds, { of: RECYCLED, to: SEND }),
        ratioOf(rounds, { of: SQLITE_CREATE, to: CREATE }),
        ratioOf(rounds, { of: SQLITE_BATCHED, to: BATCHED }),
        ratioOf(rounds, { of: SEND, to: BATCHED }),
      ],
    };
  },
};
