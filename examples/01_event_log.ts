/**
 * Lesson 1: an event log. Events of one run go to one file; whoever reads them gets whole events, in
 * order, while others still write.
 *
 * Run: deno run --allow-read=.taffrail-examples --allow-write=.taffrail-examples examples/01_event_log.ts
 */
// deno-lint-ignore-file no-console -- an example prints
import { newRunId, openEventLog, readRun, verifyRun } from "@taffrail/taffrail/eventlog";

interface Imported {
  type: "imported";
  file: string;
  rows: number;
}

const root = ".taffrail-examples";
const runId = await newRunId({ root, name: "import" });
{
  await using log = await openEventLog<Imported>({ root, runId });
  // When append returns, the event survives the death of this process …
  await log.append({ type: "imported", file: "a.csv", rows: 17 });
  // … and with "disk" a power cut, too. Many events share one write and one sync.
  const rest = [4, 21].map((rows, index): Imported => ({
    type: "imported",
    file: `b${index}.csv`,
    rows,
  }));
  const { lastSeq } = await log.appendAll(rest, { durability: "disk" });
  console.log(`${lastSeq} events are on disk`);
}

let rows = 0;
for await (const { events, gaps } of readRun<Imported>(root, runId)) {
  for (const { seq, event } of events) {
    console.log(`${seq}: ${event.file} has ${event.rows} rows`);
    rows += event.rows;
  }
  for (const gap of gaps) console.log(`${gap.seq} cannot be read: ${gap.message}`);
}
const { ok } = await verifyRun(root, runId);
console.log(`${rows} rows; the log is ${ok ? "sound" : "damaged"}`);
