import type { FileEventLog } from "../../eventlog/mod.ts";
import {
  baselineCase,
  eventAt,
  eventLogCase,
  events,
  lmdbCase,
  sqliteCase,
} from "../harness/log_cases.ts";
import { type Case, measureRounds, timeEach, timeEachAwaited } from "../harness/rounds.ts";
import type { SampleEvent } from "../harness/sample_events.ts";
import { ratioOf, type Topic } from "../harness/topic.ts";

const ROUNDS = 41;
const BATCH = 100;
const BATCHES = 100;
const batch100 = events.slice(0, BATCH);

const STRINGIFY = "JSON.stringify alone";
const UNCHECKED = "JSON.stringify + encodeInto + lock + seek + write + unlock, by 100";
const PROMISED = "the same, with a promise for each event";
const ALL = "appendAll of 100";
const ALL_LARGE = "appendAll of 1,000";
const COALESCED = "100 times append, all awaited";
const COALESCED_LAST = "100 times append, the last awaited";
const SQLITE = "node:sqlite, WAL, NORMAL, 100 a transaction";
const LMDB = "lmdb, noSync, 100 times put, all awaited";

/** A case that hands batches to a new log; its figure is for one event. */
function batchCase(
  name: string,
  batch: { size: number; append: (log: FileEventLog<SampleEvent>) => Promise<unknown> },
): Case {
  const { size, append } = batch;
  return eventLogCase(
    name,
    "os",
    async (log) => await timeEachAwaited(BATCHES * BATCH / size, () => append(log)) / size,
  );
}

function appendTogether(log: { append(event: SampleEvent): Promise<unknown> }): Promise<unknown>[] {
  return batch100.map((event) => log.append(event));
}

let characters = 0;

const cases: Case[] = [
  {
    name: STRINGIFY,
    run: () =>
      timeEach(BATCHES * BATCH, (index) => {
        characters += JSON.stringify(eventAt(index)).length;
      }),
  },
  baselineCase(UNCHECKED, (baseline) => {
    const append = () =>
      baseline.appendText(batch100.map((event) => JSON.stringify(event)).join("\n"));
    return timeEach(BATCHES, append) / BATCH;
  }),
  baselineCase(PROMISED, async (baseline) => {
    const append = () => {
      const waiting: { line: string; resolve: () => void }[] = [];
      const answers = batch100.map((event) => {
        return new Promise<void>((resolve) => {
          waiting.push({ line: JSON.stringify(event), resolve });
        });
      });
      baseline.appendText(waiting.map(({ line }) => line).join("\n"));
      for (const { resolve } of waiting) resolve();
      return Promise.all(answers);
    };
    return await timeEachAwaited(BATCHES, append) / BATCH;
  }),
  batchCase(ALL, { size: BATCH, append: (log) => log.appendAll(batch100) }),
  batchCase(ALL_LARGE, { size: 1000, append: (log) => log.appendAll([...events]) }),
  batchCase(COALESCED, { size: BATCH, append: (log) => Promise.all(appendTogether(log)) }),
  batchCase(COALESCED_LAST, { size: BATCH, append: (log) => appendTogether(log).at(-1)! }),
  sqliteCase(
    SQLITE,
    "NORMAL",
    (log) => timeEach(BATCHES / 4, () => log.appendAll(batch100)) / BATCH,
  ),
  lmdbCase(
    LMDB,
    false,
    async (log) =>
      await timeEachAwaited(BATCHES / 4, () => Promise.all(appendTogether(log))) / BATCH,
  ),
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
        ratioOf(rounds, { of: ALL, to: UNCHECKED }, { atMost: 1.3 }),
        ratioOf(rounds, { of: ALL_LARGE, to: UNCHECKED }, { atMost: 1.3 }),
        ratioOf(rounds, { of: COALESCED, to: PROMISED }, { atMost: 1.3 }),
        ratioOf(rounds, { of: COALESCED_LAST, to: PROMISED }, { atMost: 1.3 }),
        ratioOf(rounds, { of: UNCHECKED, to: STRINGIFY }),
        ratioOf(rounds, { of: PROMISED, to: STRINGIFY }),
        ratioOf(rounds, { of: SQLITE, to: ALL }),
        ratioOf(rounds, { of: LMDB, to: COALESCED }),
      ],
    };
  },
};
