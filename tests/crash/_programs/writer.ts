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

type Form = (log: FileEventLog<CrashEvent>, events: CrashEvent[]) => void | Promise<void>;

const oneSync: Form = (log, events) => {
  for (const event of events) acknowledge([event], log.appendSync(event).firstSeq);
};

const one: Form = async (log, events) => {
  for (const event of events) acknowledge([event], (await log.append(event)).firstSeq);
};

const group: Form = async (log, events) => {
  await Promise.all(events.map(async (event) => {
    acknowledge([event], (await log.append(event)).firstSeq);
  }));
};

const allSync: Form = (log, events) => acknowledge(events, log.appendAllSync(events).firstSeq);

const all: Form = async (log, events) => {
  acknowledge(events, (await log.appendAll(events)).firstSeq);
};

async function write(log: FileEventLog<CrashEvent>): Promise<void> {
  while (!stopped) {
    const form = random.pick([oneSync, oneSync, one, one, group, allSync, all]);
    const events = createEvents(1 + random.below(MOST_AT_ONCE));
    const begun = performance.now();
    await form(log, events);
    longestMs = Math.max(longestMs, performance.now() - begun);
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
