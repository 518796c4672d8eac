// deno-lint-ignore-file no-console -- the parent reads it
/**
 * Says `ready`, waits for a byte, appends events durably, and prints when each one was acknowledged.
 *
 * Usage: `write_durably.ts eventlog|sqlite|constant DIRECTORY COUNT`
 */
import { openEventLogSync } from "../../eventlog/mod.ts";
import { Baseline } from "../harness/baseline.ts";
import { sampleEvent } from "../harness/sample_events.ts";
import { RUN_ID } from "../harness/sample_log.ts";
import { SqliteLog } from "../peers/sqlite.ts";

/** What a writer did, in milliseconds since 1970. */
export interface Written {
  /** When it began. */
  start: number;
  /** When each event was acknowledged. */
  ends: number[];
  /** How often an append gave up waiting for the lock, and was begun again. */
  failures: number;
}

type Log = { append(event: object): void } & Disposable;

function openLog(kind: string, directory: string): Log {
  if (kind === "constant") {
    const baseline = new Baseline(directory);
    return {
      append: () => baseline.appendDurably(),
      [Symbol.dispose]: () => baseline[Symbol.dispose](),
    };
  }
  if (kind === "sqlite") return new SqliteLog(`${directory}/events.db`, "FULL");
  const log = openEventLogSync({ root: directory, runId: RUN_ID, durability: "disk" });
  return {
    append: (event) => void log.appendSync(event as never),
    [Symbol.dispose]: () => log[Symbol.dispose](),
  };
}

if (import.meta.main) {
  const [kind, directory, count] = Deno.args;
  using log = openLog(kind!, directory!);
  console.log("ready");
  Deno.stdin.readSync(new Uint8Array(1));
  const now = () => performance.timeOrigin + performance.now();
  const written: Written = { start: now(), ends: [], failures: 0 };
  while (written.ends.length < Number(count)) {
    try {
      log.append(sampleEvent(written.ends.length));
      written.ends.push(now());
    } catch {
      written.failures++;
    }
  }
  console.log(JSON.stringify(written));
}
