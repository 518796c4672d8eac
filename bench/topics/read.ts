import { readRun, readRunSync } from "../../eventlog/mod.ts";
import { askProgram, type ProgramArguments } from "../harness/child.ts";
import { type Case, measureRounds, type Rounds } from "../harness/rounds.ts";
import type { SampleEvent } from "../harness/sample_events.ts";
import { RUN_ID, writeSampleLog } from "../harness/sample_log.ts";
import { withDirectory } from "../harness/temp_directory.ts";
import { type Fact, ratioOf, type Topic } from "../harness/topic.ts";

const ROUNDS = 9;
const LINES = 1_000_000;
const MEMORY_ROUNDS = 4;
const HEAP_LIMIT = "--v8-flags=--max-heap-size=32";
const BLOCK_BYTES = 256 * 1024;
const PROGRAM = new URL("../programs/read_all.ts", import.meta.url);

const PARSE = "JSON.parse alone";
const SYNC = "readRunSync";
const ASYNC = "readRun";
const HALF_SYNC = "greatest memory, readRunSync of 1,000,000 lines";
const WHOLE_SYNC = "greatest memory, readRunSync of 2,000,000 lines";
const HALF_ASYNC = "greatest memory, readRun of 1,000,000 lines";
const WHOLE_ASYNC = "greatest memory, readRun of 2,000,000 lines";

let total = 0;

/** The same lines in the same blocks; only the parsing is timed. */
function parseAlone(path: string): number {
  using file = Deno.openSync(path);
  const buffer = new Uint8Array(BLOCK_BYTES);
  const decoder = new TextDecoder();
  let milliseconds = 0;
  let rest = "";
  for (let filled = file.readSync(buffer); filled !== null; filled = file.readSync(buffer)) {
    const lines = (rest + decoder.decode(buffer.subarray(0, filled))).split("\n");
    rest = lines.pop()!;
    const start = performance.now();
    for (const line of lines) total += JSON.parse(line).index;
    milliseconds += performance.now() - start;
  }
  return milliseconds * 1000 / LINES;
}

function readSync(root: string): number {
  const start = performance.now();
  for (const { events } of readRunSync<SampleEvent>(root, RUN_ID)) {
    for (const { event } of events) total += event.index;
  }
  return (performance.now() - start) * 1000 / LINES;
}

async function readAsync(root: string): Promise<number> {
  const start = performance.now();
  for await (const { events } of readRun<SampleEvent>(root, RUN_ID)) {
    for (const { event } of events) total += event.index;
  }
  return (performance.now() - start) * 1000 / LINES;
}

/** The greatest memory of a process that reads a log, in MiB. */
function memoryCase(name: string, given: ProgramArguments): Case {
  return { name, run: () => askProgram<number>(PROGRAM, given) };
}

/**
 * A long log and one of half its length, with a heap of 32 MiB: what the log's length cost would
 * show. Without that limit V8 lets garbage gather up to about 130 MiB, the sooner the longer it
 * runs.
 */
async function measureMemory(roots: { half: string; whole: string }) {
  const { half, whole } = roots;
  const flags = [HEAP_LIMIT];
  const limited = await measureRounds([
    memoryCase(HALF_SYNC, { args: [half, "sync"], flags }),
    memoryCase(WHOLE_SYNC, { args: [whole, "sync"], flags }),
    memoryCase(HALF_ASYNC, { args: [half, "async"], flags }),
    memoryCase(WHOLE_ASYNC, { args: [whole, "async"], flags }),
  ], MEMORY_ROUNDS);
  const unlimited = await measureRounds([
    memoryCase(HALF_SYNC, { args: [half, "sync"] }),
    memoryCase(WHOLE_SYNC, { args: [whole, "sync"] }),
  ], MEMORY_ROUNDS);
  return {
    ratios: [
      ratioOf(limited, { of: WHOLE_SYNC, to: HALF_SYNC }, { atMost: 1.1 }),
      ratioOf(limited, { of: WHOLE_ASYNC, to: HALF_ASYNC }, { atMost: 1.1 }),
    ],
    facts: [
      ...factsOf("a heap of 32 MiB", limited),
      ...factsOf("no limit to the heap", unlimited),
    ],
  };
}

function factsOf(condition: string, rounds: Rounds): Fact[] {
  return rounds.names.map((name) => {
    const value = `${rounds.of(name).median.toFixed(0)} MiB`;
    return { what: `${name}, ${condition}`, value };
  });
}

/** A whole log, streamed. */
export const read: Topic = {
  name: "read",
  title: "a whole log of 1,000,000 lines, warm cache",
  measure: () =>
    withDirectory(async (directory) => {
      const roots = { half: `${directory}/half`, whole: `${directory}/whole` };
      const path = writeSampleLog(roots.half, LINES);
      writeSampleLog(roots.whole, 2 * LINES);
      const cases: Case[] = [
        { name: PARSE, run: () => parseAlone(path) },
        { name: SYNC, run: () => readSync(roots.half) },
        { name: ASYNC, run: () => readAsync(roots.half) },
      ];
      const rounds = await measureRounds(cases, ROUNDS);
      const { ratios, facts } = await measureMemory(roots);
      return {
        operation: "a line",
        rounds,
        ratios: [
          ratioOf(rounds, { of: SYNC, to: PARSE }, { atMost: 1.3 }),
          ratioOf(rounds, { of: ASYNC, to: PARSE }, { atMost: 1.6 }),
          ...ratios,
        ],
        facts,
      };
    }),
};
