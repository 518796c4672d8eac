/**
 * Appends until it is told to stop or is killed, and says `<n> <seq>` of each event after its
 * append was acknowledged. In between it changes between all forms of appending.
 *
 * Usage: writer.ts ROOT RUN_ID WRITER GENERATION SEED
 */
import { type FileEventLog, openEventLog, openEventLogSync } from "../../../eventlog/mod.ts";
import { mixSeeds, Random } from "../../_util/random.ts";
import { type CrashEvent, createEvent } from "./_events.ts";
import { commands, nextTurn, say } from "./_pipe.ts";

const [root = "", runId = ""] = Deno.args;
const [writer = 0, generation = 0, seed = 0] = Deno.args.slice(2).map(Number);
const random = new Random(mixSeeds(seed, writer, generation));
const MOST_AT_ONCE = 16;

let stopped = false;
let appended = 0;
let longestMs = 0;

function createEvents(count: number): CrashEvent[] {
  return Array.from({ length: count }, () => createEvent(writer, generation, appended++));
}

function acknowledge(events: CrashEvent[], firstSeq: number): void {
  say(events.map(({ n }, index) => `${n} ${firstSeq + index}`).join("\n"));
}

/** Notes how long an append took; saying so may take longer, as the test may be slow to listen. */
function noteTime(begun: number): void {
  longestMs = Math.max(longestMs, performance.now() - begun);
}

function appendNowSync(log: FileEventLog<CrashEvent>, events: CrashEvent[]): void {
  const begun = performance.now();
  const { firstSeq } = events.length === 1 ? log.appendSync(events[0]!) : log.appendAllSync(events);
  noteTime(begun);
  acknowledge(events, firstSeq);
}

async function append(log: FileEventLog<CrashEvent>, events: CrashEvent[]): Promise<void> {
  const begun = performance.now();
  const { firstSeq } = await (events.length === 1 ? log.append(events[0]!) : log.appendAll(events));
  noteTime(begun);
  acknowledge(events, firstSeq);
}

type Form = (log: FileEventLog<CrashEvent>, events: CrashEvent[]) => unknown;

const oneSync: Form = (log, events) => events.forEach((event) => appendNowSync(log, [event]));

const one: Form = async (log, events) => {
  for (const event of events) await append(log, [event]);
};

const group: Form = (log, events) => Promise.all(events.map((event) => append(log, [event])));

async function write(log: FileEventLog<CrashEvent>): Promise<void> {
  while (!stopped) {
    const form = random.pick([oneSync, oneSync, one, one, group, appendNowSync, append]);
    await form(log, createEvents(1 + random.below(MOST_AT_ONCE)));
    await nextTurn();
  }
}

async function listen(): Promise<void> {
  for await (const _ of commands());
  stopped = true;
}

const listening = listen();
const log = random.chance(0.5)
  ? await openEventLog<CrashEvent>({ root, runId })
  : openEventLogSync<CrashEvent>({ root, runId });
await write(log);
await log.close();
await listening;
say(`longest ${longestMs.toFixed(1)}`);
