import {
  baselineCase,
  eventAt,
  eventLogCase,
  events,
  lmdbCase,
  sqliteCase,
} from "../harness/log_cases.ts";
import { type Case, measureRounds, timeEach, timeEachAwaited } from "../harness/rounds.ts";
import { ratioOf, type Topic } from "../harness/topic.ts";
import type { SqliteLog } from "../peers/sqlite.ts";

const ROUNDS = 25;
const COUNT = 250;
const CALLERS = 64;
const GROUPS = 100;

const BASELINE = "write + fdatasync of a constant";
const SYNC = 'appendSync, "disk"';
const AWAITED = 'await append, "disk"';
const TOGETHER = '64 callers of append, "disk"';
const FRESH = "node:sqlite, WAL, FULL, new database";
const RECYCLED = "node:sqlite, WAL, FULL, recycled log";
const LMDB = "64 callers of lmdb put, overlappingSync: false";

/** What one of many callers waits for, who all append at the same time. */
async function timeTogether(log: { append(event: unknown): Promise<unknown> }): Promise<number> {
  const callers = events.slice(0, CALLERS);
  const append = () => Promise.all(callers.map((event) => log.append(event)));
  return await timeEachAwaited(GROUPS, append) / CALLERS;
}

function timeSqlite(log: SqliteLog): number {
  return timeEach(COUNT, (index) => log.append(eventAt(index)));
}

const cases: Case[] = [
  baselineCase(BASELINE, (baseline) => timeEach(COUNT, () => baseline.appendDurably())),
  eventLogCase(
    SYNC,
    "disk",
    (log) => timeEach(COUNT, (index) => void log.appendSync(eventAt(index))),
  ),
  eventLogCase(
    AWAITED,
    "disk",
    (log) => timeEachAwaited(COUNT, (index) => log.append(eventAt(index))),
  ),
  eventLogCase(TOGETHER, "disk", (log) => timeTogether(log)),
  lmdbCase(LMDB, true, timeTogether),
  sqliteCase(FRESH, "FULL", timeSqlite),
  sqliteCase(RECYCLED, "FULL", (log) => {
    log.recycleLog(eventAt(0));
    return timeSqlite(log);
  }),
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
