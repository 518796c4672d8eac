import { baselineCase, eventAt, eventLogCase, sqliteCase } from "../harness/log_cases.ts";
import { type Case, measureRounds, timeEach, timeEachAwaited } from "../harness/rounds.ts";
import { withDirectory } from "../harness/temp_directory.ts";
import { ratioOf, type Topic } from "../harness/topic.ts";
import { PinoLog } from "../peers/pino.ts";

const ROUNDS = 41;
const COUNT = 5000;
const SQLITE_COUNT = 1000;

const BASELINE = "lock + seek + write + unlock of a constant";
/** What an append cannot do without: it looks at nothing. */
const FLOOR = "the same with JSON.stringify and encodeInto";
const OURS = "appendSync";
const PINO = "pino, sync, no lock";
const SQLITE = "node:sqlite, WAL, NORMAL, a transaction each";

const cases: Case[] = [
  baselineCase(BASELINE, (baseline) => timeEach(COUNT, () => baseline.appendConstant())),
  baselineCase(
    FLOOR,
    (baseline) => timeEach(COUNT, (index) => baseline.appendText(JSON.stringify(eventAt(index)))),
  ),
  eventLogCase(
    OURS,
    "os",
    (log) => timeEach(COUNT, (index) => void log.appendSync(eventAt(index))),
  ),
  eventLogCase(
    "await append, one by one",
    "os",
    (log) => timeEachAwaited(COUNT, (index) => log.append(eventAt(index))),
  ),
  {
    name: PINO,
    run: () =>
      withDirectory(async (directory) => {
        using log = await PinoLog.open(`${directory}/pino.jsonl`);
        return timeEach(COUNT, (index) => log.append(eventAt(index)));
      }),
  },
  sqliteCase(
    SQLITE,
    "NORMAL",
    (log) => timeEach(SQLITE_COUNT, (index) => log.append(eventAt(index))),
  ),
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
        ratioOf(rounds, { of: OURS, to: FLOOR }, { atMost: 1.2 }),
        ratioOf(rounds, { of: OURS, to: BASELINE }, { atMost: 1.5 }),
        ratioOf(rounds, { of: FLOOR, to: BASELINE }),
        ratioOf(rounds, { of: PINO, to: OURS }, { atLeast: 1 }),
        ratioOf(rounds, { of: SQLITE, to: OURS }, { atLeast: 3 }),
      ],
    };
  },
};
