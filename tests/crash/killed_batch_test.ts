/**
 * A process that is killed inside `appendAll` (W-OMN-2): a prefix of whole lines may stay of its
 * last batch and the beginning of one line more, which whoever appends next moves aside. All that
 * was acknowledged is whole.
 */
import { assert, assertEquals } from "@std/assert";
import { type FileEventLog, openEventLog, type Recovery } from "../../eventlog/mod.ts";
import { mixSeeds, Random } from "../_util/random.ts";
import { longCount, seed, withMemoryDir } from "../_util/temp.ts";
import { Child } from "./_child.ts";
import { BATCH_SIZE, type BatchEvent, createBatchEvent } from "./_programs/_batches.ts";
import { report } from "./_report.ts";

const KILLS = longCount(15, 200);
/** So that no run's file grows large. */
const KILLS_A_RUN = 10;
const MOST_BATCHES = 3;
const RUN_ID = "killed-batch";
const encoder = new TextEncoder();

/** What stands in the log behind what was checked before. */
interface Tail {
  /** Lines of the last, unacknowledged batch. */
  lines: number;
  /** Bytes behind the last newline. */
  torn: Uint8Array;
  /** The event whose beginning they are. */
  next: BatchEvent;
}

/** Reads a log piece by piece, by hand. */
class LogReader {
  readonly #path: string;
  #checked = 0;
  lines = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** The bytes that nobody has taken yet. */
  async rest(): Promise<Uint8Array> {
    using file = await Deno.open(this.#path);
    await file.seek(this.#checked, Deno.SeekMode.Start);
    return new Uint8Array(await new Response(file.readable).arrayBuffer());
  }

  /** Takes exactly these lines, which must stand there. */
  take(rest: Uint8Array, events: unknown[]): Uint8Array {
    const expected = encoder.encode(events.map((event) => JSON.stringify(event) + "\n").join(""));
    assert(isPrefix(expected, rest), `line ${this.lines + 1} and those behind it are as expected`);
    this.#checked += expected.length;
    this.lines += events.length;
    return rest.subarray(expected.length);
  }

  /** Takes what a killed writer left: acknowledged batches and the prefix of one more. */
  async takeLife(life: number, acknowledged: string[]): Promise<Tail> {
    let rest = await this.rest();
    let batch = 0;
    for (const line of acknowledged) {
      assertEquals(line, `${batch} ${this.lines + 1} ${this.lines + BATCH_SIZE}`);
      for (let index = 0; index < BATCH_SIZE; index++) {
        rest = this.take(rest, [createBatchEvent(life, batch, index)]);
      }
      batch++;
    }
    let lines = 0;
    while (lines < BATCH_SIZE && rest.includes(10)) {
      rest = this.take(rest, [createBatchEvent(life, batch, lines++)]);
    }
    const next = createBatchEvent(life, batch, lines);
    assert(isPrefix(rest, encoder.encode(JSON.stringify(next))), "a torn line is that of an event");
    assert(lines < BATCH_SIZE || rest.length === 0, "nothing follows a whole batch");
    return { lines, torn: rest, next };
  }
}

function isPrefix(prefix: Uint8Array, bytes: Uint8Array): boolean {
  return prefix.length <= bytes.length && prefix.every((byte, index) => byte === bytes[index]);
}

function spin(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

/** Returns when a file becomes larger, or after a while. */
function awaitGrowthSync(path: string): void {
  const { size } = Deno.statSync(path);
  const until = performance.now() + 200;
  while (Deno.statSync(path).size === size && performance.now() < until);
}

/** Kills a writer after some batches, at a moment that has nothing to do with what it does. */
async function killOne(
  root: string,
  options: { life: number; random: Random; path: string },
): Promise<string[]> {
  const { life, random, path } = options;
  await using child = new Child("./_programs/batch_writer.ts", {
    args: [root, RUN_ID, life, random.pick(["sync", "async"])],
  });
  assertEquals(await child.next(), "ready");
  const acknowledged: string[] = [];
  for (let left = random.below(MOST_BATCHES + 1); left > 0; left--) {
    acknowledged.push(await child.next());
  }
  // Most of a batch's time is not spent in its write, so that is looked for: the file has grown.
  if (random.chance(0.8)) awaitGrowthSync(path);
  spin(random.next());
  await child.kill();
  return [...acknowledged, ...child.takeLines()];
}

/** Appends behind a killed writer: by a log that was open all the while, or one opened for it. */
async function appendNext(
  root: string,
  log: FileEventLog<unknown>,
  fresh: boolean,
): Promise<{ firstSeq: number; recovery: Recovery }> {
  if (!fresh) {
    const before = log.recovery;
    const { firstSeq } = await log.append({ next: true });
    return { firstSeq, recovery: log.recovery === before ? { completed: false } : log.recovery };
  }
  await using opened = await openEventLog<unknown>({ root, runId: RUN_ID });
  const { recovery } = opened;
  return { firstSeq: opened.appendSync({ next: true }).firstSeq, recovery };
}

async function killSome(root: string, kills: number, random: Random): Promise<Tail[]> {
  await using log = await openEventLog<unknown>({ root, runId: RUN_ID });
  const reader = new LogReader(log.path);
  const tails: Tail[] = [];
  for (let life = 0; life < kills; life++) {
    const tail = await reader.takeLife(life, await killOne(root, { life, random, path: log.path }));
    tails.push(tail);
    const { firstSeq, recovery } = await appendNext(root, log, random.chance(0.5));
    if (recovery.completed) reader.take(await reader.rest(), [tail.next]);
    else assertEquals(recovery.tornFile !== undefined, tail.torn.length > 0);
    if (recovery.tornFile !== undefined) {
      assertEquals(await Deno.readFile(recovery.tornFile), tail.torn);
    }
    assertEquals(firstSeq, reader.lines + 1);
    assertEquals(reader.take(await reader.rest(), [{ next: true }]).length, 0);
  }
  return tails;
}

Deno.test("appendAll() that is killed leaves a prefix of whole lines, and what is torn is mended", async () => {
  const tails: Tail[] = [];
  for (let kills = 0; kills < KILLS; kills += KILLS_A_RUN) {
    const random = new Random(mixSeeds(seed(), kills));
    await withMemoryDir(async (root) => {
      tails.push(...await killSome(root, Math.min(KILLS_A_RUN, KILLS - kills), random));
    });
  }
  const count = (is: (tail: Tail) => boolean) => tails.filter(is).length;
  report(
    `${tails.length} kills: ${count(({ lines }) => lines > 0)} left lines of a batch, ` +
      `${count(({ torn }) => torn.length > 0)} a torn one`,
  );
});
