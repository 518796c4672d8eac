import { WorkerRuntime } from "../../store/mod.ts";
import { type Case, measureRounds, timeEachAwaited } from "../harness/rounds.ts";
import { RUNTIME_ID, writeSampleStore } from "../harness/sample_store.ts";
import { withDirectory } from "../harness/temp_directory.ts";
import { ratioOf, type Topic } from "../harness/topic.ts";

const PAGE_ROUNDS = 25;
const OPEN_ROUNDS = 9;
const EVENTS = 1_000_000;
const WORKERS = 10;
const PAGE_EVENTS = 100;
const PAGES = 500;
/** Without a divisor in common with the number of pages: a walk through all of them, far apart. */
const STRIDE = 271;
const CHUNK_BYTES = 256 * 1024;

const BARE = "seek + read + JSON.parse of 100 lines";
const PAGE = "readEvents of 100 at a random cursor";
const LOG = "reading and parsing the log, nothing kept";
const OPEN = "WorkerRuntime.open";

let total = 0;

/** Where the line of each event begins, and the end of the last one. */
function lineStarts(path: string): number[] {
  const bytes = Deno.readFileSync(path);
  const starts = [0];
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) starts.push(at + 1);
  return starts;
}

function firstIds(): number[] {
  const step = Math.floor((EVENTS - PAGE_EVENTS) / PAGES);
  return Array.from({ length: PAGES }, (_, index) => 1 + (index * STRIDE % PAGES) * step);
}

function barePage(file: Deno.FsFile, start: number, end: number): void {
  const buffer = new Uint8Array(end - start);
  file.seekSync(start, Deno.SeekMode.Start);
  file.readSync(buffer);
  for (const line of new TextDecoder().decode(buffer).trimEnd().split("\n")) {
    total += JSON.parse(line).id;
  }
}

function pageCases(runtime: WorkerRuntime, file: Deno.FsFile, starts: readonly number[]): Case[] {
  const ids = firstIds();
  const bare = (index: number) => {
    const first = ids[index]!;
    barePage(file, starts[first - 1]!, starts[first - 1 + PAGE_EVENTS]!);
    return Promise.resolve();
  };
  const own = async (index: number) => {
    const cursor = { runtime_id: RUNTIME_ID, next_event_id: ids[index]! };
    const { events } = await runtime.readEvents(cursor, PAGE_EVENTS);
    for (const { id } of events) total += id;
  };
  return [
    { name: BARE, run: () => timeEachAwaited(PAGES, bare) },
    { name: PAGE, run: () => timeEachAwaited(PAGES, own) },
  ];
}

/** A page somewhere in a large log. */
export const storePage: Topic = {
  name: "store-page",
  title: `100 events at a cursor among ${EVENTS.toLocaleString("en")}, warm cache`,
  measure: () =>
    withDirectory(async (root) => {
      const path = writeSampleStore(root, { workers: WORKERS, events: EVENTS });
      const starts = lineStarts(path);
      await using runtime = await WorkerRuntime.open({ root, runtimeId: RUNTIME_ID });
      using file = await Deno.open(path);
      const rounds = await measureRounds(pageCases(runtime, file, starts), PAGE_ROUNDS);
      return {
        operation: "a page",
        rounds,
        ratios: [ratioOf(rounds, { of: PAGE, to: BARE }, { atMost: 2.5 })],
      };
    }),
};

function readLog(path: string): void {
  using file = Deno.openSync(path);
  const buffer = new Uint8Array(CHUNK_BYTES);
  const decoder = new TextDecoder();
  let rest = "";
  for (let count = file.readSync(buffer); count; count = file.readSync(buffer)) {
    const text = rest + decoder.decode(buffer.subarray(0, count), { stream: true });
    const lines = text.split("\n");
    rest = lines.pop()!;
    for (const line of lines) total += JSON.parse(line).id;
  }
}

async function timeOpening(root: string): Promise<number> {
  const start = performance.now();
  await using _runtime = await WorkerRuntime.open({ root, runtimeId: RUNTIME_ID });
  return (performance.now() - start) * 1000;
}

function timeReading(path: string): number {
  const start = performance.now();
  readLog(path);
  return (performance.now() - start) * 1000;
}

/** Opening a runtime with much history. */
export const storeOpen: Topic = {
  name: "store-open",
  title: `opening ${WORKERS} workers with ${EVENTS.toLocaleString("en")} events, warm cache`,
  measure: () =>
    withDirectory(async (root) => {
      const path = writeSampleStore(root, { workers: WORKERS, events: EVENTS });
      const cases: Case[] = [
        { name: LOG, run: () => timeReading(path) },
        { name: OPEN, run: () => timeOpening(root) },
      ];
      const rounds = await measureRounds(cases, OPEN_ROUNDS);
      return {
        operation: "an opening",
        rounds,
        ratios: [ratioOf(rounds, { of: LOG, to: OPEN }, { atLeast: 100 })],
      };
    }),
};
