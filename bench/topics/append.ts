import { openEventLogSync } from "../../eventlog/mod.ts";
import { Baseline } from "../harness/baseline.ts";
import { type Case, measureRounds, timeEach, timeEachAwaited } from "../harness/rounds.ts";
import { type SampleEvent, sampleEvents } from "../harness/sample_events.ts";
import { withDirectory } from "../harness/temp_directory.ts";
import { ratioOf, type Topic } from "../harness/topic.ts";
import { PinoLog } from "../peers/pino.ts";
import { SqliteLog } from "../peers/sqlite.ts";

const ROUNDS = 41;
const COUNT = 5000;
const SQLITE_COUNT = 1000;
const events = sampleEvents(1000);
const eventAt = (index: number) => events[index % events.length]!;

const BASELINE = "lock + seek + write + unlock of a constant";
const UNCHECKED = "the same with JSON.stringify and encodeInto";
const OURS = "appendSync";
const PINO = "pino, sync, no lock";
const SQLITE = "node:sqlite, WAL, NORMAL, a transaction each";

const cases: Case[] = [
  {
    name: BASELINE,
    run: () =>
      withDirectory((directory) => {
        using baseline = new Baseline(directory);
        return timeEach(COUNT, () => baseline.appendConstant());
      }),
  },
  {
    name: UNCHECKED,
    run: () =>
      withDirectory((directory) => {
        using baseline = new Baseline(directory);
        return timeEach(COUNT, (index) => baseline.appendText(JSON.stringify(eventAt(index))));
      }),
  },
  {
    name: OURS,
    run: () =>
      withDirectory((root) => {
        using log = openEventLogSync<SampleEvent>({ root, runId: "bench" });
        return timeEach(COUNT, (index) => void log.appendSync(eventAt(index)));
      }),
  },
  {
    name: "await append, one by one",
    run: () =>
      withDirectory(async (root) => {
        using log = openEventLogSync<SampleEvent>({ root, runId: "bench" });
        return await timeEachAwaited(COUNT, (index) => log.append(eventAt(index)));
      }),
  },
  {
    name: PINO,
    run: () =>
      withDirectory(async (directory) => {
        using log = await PinoLog.open(`${directory}/pino.jsonl`);
        return timeEach(COUNT, (index) => log.append(eventAt(index)));
      }),
  },
  {
    name: SQLITE,
    run: () =>
      withDirectory((directory) => {
        using log = new SqliteLog(`${directory}/events.db`, "NORMAL");
        return timeEach(SQLITE_COUNT, (index) => log.append(eventAt(index)));
      }),
  },
];

/** One event at a time, handed to the operating system before the call returns. */
export const append: Topic = {
  name: "append",
  title: "one event at a time, not synced",
  async measure() {
    const rounds = await measureRounds(cases, ROUNDS);
    return {
      operation: "an event",
      rounds,
      ratios: [
        ratioOf(rounds, { of: OURS, to: BASELINE }, { atMost: 1.5 }),
        ratioOf(rounds, { of: UNCHECKED, to: BASELINE }),
        ratioOf(rounds, { of: PINO, to: OURS }, { atLeast: 1 }),
        ratioOf(rounds, { of: SQLITE, to: OURS }, { atLeast: 3 }),
      ],
    };
  },
};
