import { type FileEventLog, openEventLogSync } from "../../eventlog/mod.ts";
import { Baseline } from "../harness/baseline.ts";
import { type Case, measureRounds, timeEach, timeEachAwaited } from "../harness/rounds.ts";
import { type SampleEvent, sampleEvents } from "../harness/sample_events.ts";
import { withDirectory } from "../harness/temp_directory.ts";
import { ratioOf, type Topic } from "../harness/topic.ts";
import { LmdbLog } from "../peers/lmdb.ts";
import { SqliteLog } from "../peers/sqlite.ts";

const ROUNDS = 25;
const COUNT = 250;
const CALLERS = 64;
const GROUPS = 100;
const events = sampleEvents(1000);
const eventAt = (index: number) => events[index % events.length]!;
const callers = events.slice(0, CALLERS);

const BASELINE = "write + fdatasync of a constant";
const SYNC = 'appendSync, "disk"';
const AWAITED = 'await append, "disk"';
const TOGETHER = '64 callers of append, "disk"';
const FRESH = "node:sqlite, WAL, FULL, new database";
const RECYCLED = "node:sqlite, WAL, FULL, recycled log";
const LMDB = "64 callers of lmdb put, overlappingSync: false";

function logCase(
  name: string,
  time: (log: FileEventLog<SampleEvent>) => number | Promise<number>,
): Case {
  const run = () =>
    withDirectory(async (root) => {
      using log = openEventLogSync<SampleEvent>({ root, runId: "bench", durability: "disk" });
      return await time(log);
    });
  return { name, run };
}

function sqliteCase(name: string, prepare: (log: SqliteLog) => void): Case {
  const run = () =>
    withDirectory((directory) => {
      using log = new SqliteLog(`${directory}/events.db`, "FULL");
      prepare(log);
      return timeEach(COUNT, (index) => log.append(eventAt(index)));
    });
  return { name, run };
}

const cases: Case[] = [
  {
    name: BASELINE,
    run: () =>
      withDirectory((directory) => {
        using baseline = new Baseline(directory);
        return timeEach(COUNT, () => baseline.appendDurably());
      }),
  },
  logCase(SYNC, (log) => timeEach(COUNT, (index) => void log.appendSync(eventAt(index)))),
  logCase(AWAITED, (log) => timeEachAwaited(COUNT, (index) => log.append(eventAt(index)))),
  logCase(TOGETHER, async (log) => {
    const append = () => Promise.all(callers.map((event) => log.append(event)));
    return await timeEachAwaited(GROUPS, append) / CALLERS;
  }),
  {
    name: LMDB,
    run: () =>
      withDirectory(async (directory) => {
        await using log = await LmdbLog.open(`${directory}/lmdb`, { durable: true });
        const append = () => Promise.all(callers.map((event) => log.append(event)));
        return await timeEachAwaited(GROUPS, append) / CALLERS;
      }),
  },
  sqliteCase(FRESH, () => {}),
  sqliteCase(RECYCLED, (log) => log.recycleLog(eventAt(0))),
];

/** Events that are on disk before they are acknowledged. */
export const durable: Topic = {
  name: "durable",
  title: "on disk before it is acknowledged, one process",
  async measure() {
    const rounds = await measureRounds(cases, ROUNDS);
    return {
      operation: "an event",
      rounds,
      ratios: [
        ratioOf(rounds, { of: SYNC, to: BASELINE }, { atMost: 1.2 }),
        ratioOf(rounds, { of: AWAITED, to: BASELINE }),
        ratioOf(rounds, { of: AWAITED, to: TOGETHER }, { atLeast: 25 }),
        ratioOf(rounds, { of: SYNC, to: TOGETHER }),
        ratioOf(rounds, { of: LMDB, to: TOGETHER }, { atLeast: 2 }),
        ratioOf(rounds, { of: FRESH, to: SYNC }),
        ratioOf(rounds, { of: RECYCLED, to: SYNC }),
      ],
    };
  },
};
