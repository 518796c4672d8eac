import { type FileEventLog, openEventLogSync } from "../../eventlog/mod.ts";
import { LmdbLog } from "../peers/lmdb.ts";
import { SqliteLog, type Synchronous } from "../peers/sqlite.ts";
import { Baseline } from "./baseline.ts";
import type { Case } from "./rounds.ts";
import { type SampleEvent, sampleEvents } from "./sample_events.ts";
import { withDirectory } from "./temp_directory.ts";

/** What the cases of logs append, again and again. */
export const events: readonly SampleEvent[] = sampleEvents(1000);

/** The event to append as number `index`. */
export function eventAt(index: number): SampleEvent {
  return events[index % events.length]!;
}

/** Times the microseconds of an operation on a new log. */
type Timing<Log> = (log: Log) => number | Promise<number>;

/** A case on Deno's bare file calls. */
export function baselineCase(name: string, time: Timing<Baseline>): Case {
  const run = () =>
    withDirectory(async (directory) => {
      using baseline = new Baseline(directory);
      return await time(baseline);
    });
  return { name, run };
}

/** A case on a log of this project. */
export function eventLogCase(
  name: string,
  durability: "os" | "disk",
  time: Timing<FileEventLog<SampleEvent>>,
): Case {
  const run = () =>
    withDirectory(async (root) => {
      using log = openEventLogSync<SampleEvent>({ root, runId: "bench", durability });
      return await time(log);
    });
  return { name, run };
}

/** A case on a database of Node's SQLite. */
export function sqliteCase(name: string, synchronous: Synchronous, time: Timing<SqliteLog>): Case {
  const run = () =>
    withDirectory(async (directory) => {
      using log = new SqliteLog(`${directory}/events.db`, synchronous);
      return await time(log);
    });
  return { name, run };
}

/** A case on a database of lmdb. */
export function lmdbCase(name: string, durable: boolean, time: Timing<LmdbLog>): Case {
  const run = () =>
    withDirectory(async (directory) => {
      await using log = await LmdbLog.open(`${directory}/lmdb`, { durable });
      return await time(log);
    });
  return { name, run };
}
