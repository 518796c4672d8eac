import { openEventLogSync, readRunSync } from "../../eventlog/mod.ts";
import { type Case, measureRounds, timeEach, timeEachAwaited } from "../harness/rounds.ts";
import { EVENT_BYTES, type SampleEvent } from "../harness/sample_events.ts";
import { RUN_ID, writeSampleLog } from "../harness/sample_log.ts";
import { withDirectory } from "../harness/temp_directory.ts";
import { ratioOf, type Topic } from "../harness/topic.ts";

const ROUNDS = 25;
const LINES = 1_000_000;
const PAGE_LINES = 100;
const PAGE_BYTES = PAGE_LINES * (EVENT_BYTES + 1);
const PAGES = 700;
/** Without a divisor in common with the number of pages: a walk through all of them, far apart. */
const STRIDE = 271;

const BARE = "seek + read + JSON.parse of 100 lines";
const OURS = "read of 100 from a cursor";

let total = 0;

function barePages(path: string, offsets: readonly number[]): number {
  using file = Deno.openSync(path);
  const buffer = new Uint8Array(PAGE_BYTES);
  const decoder = new TextDecoder();
  return timeEach(PAGES, (index) => {
    file.seekSync(offsets[index * STRIDE % offsets.length]!, Deno.SeekMode.Start);
    file.readSync(buffer);
    for (const line of decoder.decode(buffer).trimEnd().split("\n")) {
      total += JSON.parse(line).index;
    }
  });
}

async function ownPages(root: string, cursors: readonly string[]): Promise<number> {
  using log = openEventLogSync<SampleEvent>({ root, runId: RUN_ID });
  return await timeEachAwaited(PAGES, async (index) => {
    const after = cursors[index * STRIDE % cursors.length]!;
    const { events } = await log.read({ after, limit: PAGE_LINES });
    for (const { event } of events) total += event.index;
  });
}

/** A page somewhere in a large log. */
export const page: Topic = {
  name: "page",
  title: `100 lines from a cursor in a log of ${LINES.toLocaleString("en")}, warm cache`,
  measure: () =>
    withDirectory(async (root) => {
      const path = writeSampleLog(root, LINES);
      const pages = [...readRunSync(root, RUN_ID)].filter(({ hasMore }) => hasMore);
      const cursors = pages.map(({ next }) => next).slice(0, PAGES);
      const offsets = pages.map(({ events }) => events.at(-1)!.seq * (EVENT_BYTES + 1));
      const cases: Case[] = [
        { name: BARE, run: () => barePages(path, offsets.slice(0, PAGES)) },
        { name: OURS, run: () => ownPages(root, cursors) },
      ];
      const rounds = await measureRounds(cases, ROUNDS);
      return {
        operation: "a page",
        rounds,
        ratios: [ratioOf(rounds, { of: OURS, to: BARE }, { atMost: 2.5 })],
      };
    }),
};
