import { type FileEventLog, openEventLogSync } from "../../eventlog/mod.ts";
import { Baseline } from "../harness/baseline.ts";
import { type Case, measureRounds, timeEach, timeEachAwaited } from "../harness/rounds.ts";
import { type SampleEvent, sampleEvents } from "../harness/sample_events.ts";
import { withDirectory } from "../harness/temp_directory.ts";
import { ratioOf, type Topic } from "../harness/topic.ts";
import { LmdbLog } from "../peers/lmdb.ts";
import { SqliteLog } from "../peers/sqlite.ts";

const ROUNDS = 41;
const BATCH = 100;
const BATCHES = 100;
const events = sampleEvents(1000);
const batch100 = events.slice(0, BATCH);

const STRINGIFY = "JSON.stringify alone";
const UNCHECKED = "JSON.stringify + encodeInto + lock + seek + write + unlock, by 100";
const ALL = "appendAll of 100";
const ALL_LARGE = "appendAll of 1,000";
const COALESCED = "100 times append, all awaited";
const COALESCED_LAST = "100 times append, the last awaited";
const SQLITE = "node:sqlite, WAL, NORMAL, 100 a transaction";
const LMDB = "lmdb, noSync, 100 times put, all awaited";

/** A case that hands batches to a new log; its figure is for one event. */
function logCase(
  name: string,
  batch: { size: number; append: (log: FileEventLog<SampleEvent>) => Promise<unknown> },
): Case {
  const { size, append } = batch;
  const run = () =>
    withDirectory(async (root) => {
      using log = openEventLogSync<SampleEvent>({ root, runId: "bench" });
      return await timeEachAwaited(BATCHES * BATCH / size, () => append(log)) / size;
    });
  return { name, run };
}

function appendTogether(log: FileEventLog<SampleEvent>): Promise<unknown>[] {
  return batch100.map((event) => log.append(event));
}

let characters = 0;

const cases: Case[] = [
  {
    name: STRINGIFY,
    run: () =>
      timeEach(BATCHES * BATCH, (index) => {
        characters += JSON.stringify(events[index % events.length]).length;
      }),
  },
  {
    name: UNCHECKED,
    run: () =>
      withDirectory((directory) => {
        using baseline = new Baseline(directory);
        const append = () =>
          baseline.appendText(batch100.map((event) => JSON.stringify(event)).join("\n"));
        return timeEach(BATCHES, append) / BATCH;
      }),
  },
  logCase(ALL, { size: BATCH, append: (log) => log.appendAll(batch100) }),
  logCase(ALL_LARGE, { size: 1000, append: (log) => log.appendAll(events) }),
  logCase(COALESCED, { size: BATCH, append: (log) => Promise.all(appendTogether(log)) }),
  logCase(COALESCED_LAST, { size: BATCH, append: (log) => appendTogether(log).at(-1)! }),
  {
    name: SQLITE,
    run: () =>
      withDirectory((directory) => {
        using log = new SqliteLog(`${directory}/events.db`, "NORMAL");
        return timeEach(BATCHES / 4, () => log.appendAll(batch100)) / BATCH;
      }),
  },
  {
    name: LMDB,
    run: () =>
      withDirectory(async (directory) => {
        await using log = await LmdbLog.open(`${directory}/lmdb`, { durable: false });
        const append = () => Promise.all(batch100.map((event) => log.append(event)));
        return await timeEachAwaited(BATCHES / 4, append) / BATCH;
      }),
  },
];

/** Many events at a time. */
export const batch: Topic = {
  name: "batch",
  title: "many events at a time, not synced",
  async measure() {
    const rounds = await measureRounds(cases, ROUNDS);
    return {
      operation: "an event",
      rounds,
      ratios: [
        ratioOf(rounds, { of: ALL, to: STRINGIFY }, { atMost: 1.7 }),
        ratioOf(rounds, { of: ALL_LARGE, to: STRINGIFY }, { atMost: 1.7 }),
        ratioOf(rounds, { of: COALESCED, to: STRINGIFY }, { atMost: 1.7 }),
        ratioOf(rounds, { of: COALESCED_LAST, to: STRINGIFY }, { atMost: 1.7 }),
        ratioOf(rounds, { of: UNCHECKED, to: STRINGIFY }),
        ratioOf(rounds, { of: SQLITE, to: ALL }),
        ratioOf(rounds, { of: LMDB, to: COALESCED }),
      ],
    };
  },
};
