/**
 * Reads a run while others write it, over and over and by different ways, until it has seen as many
 * lines as it is told to by `total <lines>`. Any error, false gap, duplicate or hole ends it badly.
 * At the end it says `<lines> <digest> <rounds>` of every way.
 *
 * Usage: observer.ts ROOT RUN_ID read|page|follow SEED
 */
import {
  type EventPage,
  followRun,
  openEventLog,
  readRun,
  readRunSync,
} from "../../../eventlog/mod.ts";
import { Random } from "../../_util/random.ts";
import { type CrashEvent, LogChecker } from "./_events.ts";
import { commands, nextTurn, say } from "./_pipe.ts";

const [root = "", runId = "", way = "", seed = "0"] = Deno.args;
const random = new Random(Number(seed));
const PAUSE_MS = 5;

let total: number | undefined;
const told = new AbortController();

async function listen(): Promise<void> {
  for await (const command of commands()) total = Number(command.split(" ")[1]);
  if (total === undefined) Deno.exit(1);
  told.abort();
}

function takePage(checker: LogChecker, page: EventPage<CrashEvent>): void {
  for (const { seq, event } of page.events) checker.take(seq, event);
  for (const gap of page.gaps) checker.takeGap(gap);
}

function report(checker: LogChecker, rounds: number): void {
  say(`${checker.lines} ${checker.digest} ${rounds}`);
}

/** Between two looks at an end that has not moved, so that the writers get on. */
async function pause(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, total === undefined ? PAUSE_MS : 0));
}

/** The whole log again and again. */
async function readAgainAndAgain(): Promise<void> {
  for (let round = 1;; round++) {
    const checker = new LogChecker();
    if (round % 2 === 0) {
      for (const page of readRunSync<CrashEvent>(root, runId)) takePage(checker, page);
    } else {
      for await (const page of readRun<CrashEvent>(root, runId)) takePage(checker, page);
    }
    await nextTurn();
    if (checker.lines === total) return report(checker, round);
  }
}

/** Page by page from cursors; through an open log, and without one. */
async function readPages(): Promise<void> {
  await using log = await openEventLog<CrashEvent>({ root, runId });
  const [open, closed] = [new LogChecker(), new LogChecker()];
  let [openCursor, closedCursor]: [string | number, string | number] = [0, 0];
  for (let round = 1;; round++) {
    const page = await log.read({ after: openCursor, limit: 1 + random.below(400) });
    takePage(open, page);
    openCursor = random.chance(0.1) ? open.lines : page.next;
    if (await log.lastSeq() < open.lines) throw new Error("The last seq is behind what was read");
    for await (const page of readRun<CrashEvent>(root, runId, { after: closedCursor })) {
      takePage(closed, page);
      closedCursor = page.next;
      if (random.chance(0.5)) break;
    }
    if (!page.hasMore) await pause();
    if (open.lines !== total || closed.lines !== total) continue;
    report(open, round);
    return report(closed, round);
  }
}

/** A follower from the beginning, and now and then one that begins at the end of the moment. */
async function follow(): Promise<void> {
  const checker = new LogChecker();
  const complete = new AbortController();
  const endWhenComplete = () => checker.lines === total && complete.abort();
  told.signal.addEventListener("abort", endWhenComplete);
  const joining = joinAgainAndAgain();
  for await (const item of followRun<CrashEvent>(root, runId, { signal: complete.signal })) {
    if ("reason" in item) throw new Error(`A gap was delivered: ${JSON.stringify(item)}`);
    checker.take(item.seq, item.event);
    endWhenComplete();
  }
  report(checker, 1);
  report(checker, await joining);
}

/** What follows the end has seqs in a row, and its events stand there. */
async function joinAgainAndAgain(): Promise<number> {
  for (let round = 1;; round++) {
    const items = followRun<CrashEvent>(root, runId, { after: "end", signal: told.signal });
    let before: number | undefined;
    let left = random.below(50);
    for await (const item of items) {
      if ("reason" in item) throw new Error(`A gap was delivered: ${JSON.stringify(item)}`);
      if (before !== undefined && item.seq !== before + 1) throw new Error("A seq is missing");
      before ??= await checkedSeq(item.seq, item.event);
      before = item.seq;
      if (left-- === 0) break;
    }
    if (total !== undefined) return round;
  }
}

/** That the seq is the physical line is seen by counting lines from the beginning. */
async function checkedSeq(seq: number, event: CrashEvent): Promise<number> {
  for await (const page of readRun<CrashEvent>(root, runId, { after: seq - 1 })) {
    const there = JSON.stringify(page.events[0]);
    if (there === JSON.stringify({ seq, event })) return seq;
    throw new Error(`Seq ${seq} was followed to, and ${there} stands there`);
  }
  throw new Error(`Seq ${seq} was followed to and is not there`);
}

const listening = listen();
say("ready");
if (way === "read") await readAgainAndAgain();
else if (way === "page") await readPages();
else await follow();
await listening;
