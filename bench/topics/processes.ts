import { startProgram } from "../harness/child.ts";
import { type Case, measureRounds, type Spread, spreadOf } from "../harness/rounds.ts";
import { withDirectory } from "../harness/temp_directory.ts";
import { type Fact, type Ratio, ratioOf, type Topic } from "../harness/topic.ts";
import type { Written } from "../programs/write_durably.ts";

const ROUNDS = 7;
const WRITERS = 8;
const COUNT = 6000;
const PROGRAM = new URL("../programs/write_durably.ts", import.meta.url);

const OURS = 'eventlog, appendSync "disk"';
const BASELINE = "write + fdatasync of a constant, no lock";
const SQLITE = "node:sqlite, WAL, FULL";

/** What the writers of one kind did in each round. */
interface Behaviour {
  /** Slowest for fastest writer, in events while all of them were running. */
  fairness: number[];
  /** The longest time that one append took, in milliseconds. */
  longestWait: number[];
  /** How many appends gave up after five seconds. */
  failures: number[];
}

/** Starts the writers, lets them begin together, and gathers what they did. */
async function runWriters(kind: string, directory: string): Promise<Written[]> {
  const children = Array.from(
    { length: WRITERS },
    () => startProgram(PROGRAM, { args: [kind, directory, String(COUNT)] }),
  );
  const outputs = children.map((child) => child.stdout.pipeThrough(new TextDecoderStream()));
  const readers = outputs.map((output) => output.getReader());
  await Promise.all(readers.map((reader) => reader.read()));
  await Promise.all(children.map(async ({ stdin }) => {
    const writer = stdin.getWriter();
    await writer.write(new Uint8Array(1));
    await writer.close();
  }));
  const texts = await Promise.all(readers.map(readToEnd));
  const ended = await Promise.all(children.map(({ status }) => status));
  if (ended.some(({ success }) => !success)) throw new Error(`A writer of ${kind} failed`);
  return texts.map((text) => JSON.parse(text));
}

async function readToEnd(reader: ReadableStreamDefaultReader<string>): Promise<string> {
  let text = "";
  for (let read = await reader.read(); !read.done; read = await reader.read()) text += read.value;
  return text;
}

function fairnessOf(writers: readonly Written[]): number {
  const begin = Math.max(...writers.map(({ start }) => start));
  const end = Math.min(...writers.map(({ ends }) => ends.at(-1)!));
  const counts = writers.map(({ ends }) => ends.filter((at) => at >= begin && at <= end).length);
  return Math.min(...counts) / Math.max(...counts);
}

function longestWaitOf(writers: readonly Written[]): number {
  const waits = writers.flatMap(({ start, ends }) =>
    ends.map((at, index) => at - (index === 0 ? start : ends[index - 1]!))
  );
  return waits.reduce((longest, wait) => Math.max(longest, wait), 0);
}

function writersCase(name: string, kind: string): { measured: Case; behaviour: Behaviour } {
  const behaviour: Behaviour = { fairness: [], longestWait: [], failures: [] };
  const run = () =>
    withDirectory(async (directory) => {
      const writers = await runWriters(kind, directory);
      behaviour.fairness.push(fairnessOf(writers));
      behaviour.longestWait.push(longestWaitOf(writers));
      behaviour.failures.push(writers.reduce((sum, { failures }) => sum + failures, 0));
      const begin = Math.min(...writers.map(({ start }) => start));
      const end = Math.max(...writers.map(({ ends }) => ends.at(-1)!));
      return (end - begin) * 1000 / (WRITERS * COUNT);
    });
  return { measured: { name, run }, behaviour };
}

/** The spread without the round that warms up. */
function withoutFirst(values: readonly number[]): Spread {
  return spreadOf(values.slice(1));
}

function factsOf(name: string, { longestWait, failures }: Behaviour): Fact[] {
  const { median } = withoutFirst(longestWait);
  const longest = Math.max(...longestWait.slice(1));
  const value = `${median.toFixed(0)} ms (median of the rounds), ${longest.toFixed(0)} ms at most`;
  const failed = failures.slice(1).reduce((sum, count) => sum + count, 0);
  return [
    { what: `longest wait for one append, ${name}`, value },
    { what: `appends that gave up after 5 s, all rounds together, ${name}`, value: String(failed) },
  ];
}

function fairnessRatio(name: string, behaviour: Behaviour, atLeast?: number): Ratio {
  const what = `slowest ÷ fastest of ${WRITERS} writers, ${name}`;
  const spread = withoutFirst(behaviour.fairness);
  return atLeast === undefined ? { what, spread } : { what, spread, atLeast };
}

/** Many processes that append to one log, each event on disk before it is acknowledged. */
export const processes: Topic = {
  name: "processes",
  title: `${WRITERS} processes × ${COUNT.toLocaleString("en")} appends to one log, on disk`,
  async measure() {
    const baseline = writersCase(BASELINE, "constant");
    const ours = writersCase(OURS, "eventlog");
    const sqlite = writersCase(SQLITE, "sqlite");
    const cases = [baseline, ours, sqlite].map(({ measured }) => measured);
    const rounds = await measureRounds(cases, ROUNDS);
    return {
      operation: "an event",
      rounds,
      ratios: [
        ratioOf(rounds, { of: SQLITE, to: OURS }, { atLeast: 1.25 }),
        ratioOf(rounds, { of: OURS, to: BASELINE }),
        ratioOf(rounds, { of: SQLITE, to: BASELINE }),
        fairnessRatio(OURS, ours.behaviour, 0.7),
        fairnessRatio(SQLITE, sqlite.behaviour),
      ],
      facts: [...factsOf(OURS, ours.behaviour), ...factsOf(SQLITE, sqlite.behaviour)],
    };
  },
};
