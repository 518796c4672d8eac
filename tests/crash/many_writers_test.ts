/**
 * Many processes write one run and are killed at any moment (OLG-3, W-OMN-1, 2, 3, 5): what was
 * acknowledged is there once, at the seq that was told, and those who read meanwhile never notice.
 */
import { assert, assertEquals } from "@std/assert";
import { openEventLogSync } from "../../eventlog/mod.ts";
import { Random } from "../_util/random.ts";
import { longCount, seed, withTempDir } from "../_util/temp.ts";
import { Child } from "./_child.ts";
import { report } from "./_report.ts";
import { type CrashEvent, createEvent, LogChecker } from "./_programs/_events.ts";

const WRITERS = 8;
const KILLS = longCount(20, 200);
const LEAST_EVENTS = longCount(5_000, 100_000);
const MOST_ACKNOWLEDGED = 200;
const RUN_ID = "many-writers";
const NEWLINE = 10;

/** A writer's acknowledgements, kept over all its lives. */
class Writer implements AsyncDisposable {
  readonly #root: string;
  readonly #index: number;
  #generation = -1;
  #child!: Child;
  #acknowledged = 0;
  /** Seqs by `<writer>.<generation>.<n>`. */
  readonly seqs = new Map<string, number>();
  /** What it said at its end. */
  longestMs = 0;

  constructor(root: string, index: number) {
    this.#root = root;
    this.#index = index;
    this.start();
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  start(): void {
    const generation = ++this.#generation;
    this.#child = new Child("./_programs/writer.ts", {
      args: [this.#root, RUN_ID, this.#index, generation, seed()],
      onLine: (line) => {
        const [n, seq] = line.split(" ");
        if (n === "longest") this.longestMs = Number(seq);
        else this.#acknowledge(`${this.#index}.${generation}.${n}`, Number(seq));
      },
    });
  }

  async waitFor(acknowledged: number): Promise<void> {
    while (this.#acknowledged < acknowledged && !this.#child.ended) await this.#child.changed;
  }

  async killAndRestart(): Promise<void> {
    await this.#child.kill();
    this.start();
  }

  async stop(): Promise<void> {
    await this.#child.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child[Symbol.asyncDispose]();
  }

  #acknowledge(name: string, seq: number): void {
    this.#acknowledged++;
    assert(!this.seqs.has(name), `${name} was acknowledged twice`);
    this.seqs.set(name, seq);
  }
}

/**
 * Leaves the beginning of an event behind, as a writer does that is killed inside its write: kills
 * that happen to come right then are too few. A lock dies with its process, so it is free again.
 */
function leaveTornSync(directory: string, event: CrashEvent, random: Random): void {
  const bytes = new TextEncoder().encode(JSON.stringify(event));
  using log = Deno.openSync(`${directory}/events.jsonl`, { read: true, append: true });
  using beside = Deno.build.os === "windows"
    ? Deno.openSync(`${directory}/events.lock`, { read: true, append: true })
    : undefined;
  (beside ?? log).lockSync(true);
  const last = new Uint8Array([NEWLINE]);
  if (log.seekSync(0, Deno.SeekMode.End) > 0) log.seekSync(-1, Deno.SeekMode.End);
  log.readSync(last);
  if (last[0] === NEWLINE) log.writeSync(bytes.subarray(0, 1 + random.below(bytes.length)));
}

async function writeAndKill(directory: string, writers: Writer[]): Promise<void> {
  const random = new Random(seed());
  const total = () => writers.reduce((sum, { acknowledged }) => sum + acknowledged, 0);
  for (let kills = 0; kills < KILLS; kills++) {
    const victim = random.pick(writers);
    await victim.waitFor(victim.acknowledged + random.below(MOST_ACKNOWLEDGED + 1));
    await victim.killAndRestart();
    leaveTornSync(directory, createEvent(WRITERS, kills, 0), random);
  }
  while (total() < LEAST_EVENTS) {
    const writer = random.pick(writers);
    await writer.waitFor(writer.acknowledged + MOST_ACKNOWLEDGED);
  }
  await Promise.all(writers.map((writer) => writer.stop()));
}

/** Reads the file by hand, not with the code under test. */
async function checkLog(directory: string, writers: Writer[]): Promise<LogChecker> {
  const text = new TextDecoder("utf-8", { fatal: true })
    .decode(await Deno.readFile(`${directory}/events.jsonl`));
  const lines = text.split("\n");
  assertEquals(lines.pop(), "", "the last line is whole");
  const checker = new LogChecker();
  const acknowledged = new Map(writers.flatMap(({ seqs }) => [...seqs]));
  for (const [index, line] of lines.entries()) {
    const { writer, generation, n } = JSON.parse(line) as CrashEvent;
    const event = createEvent(writer, generation, n);
    assertEquals(line, JSON.stringify(event), `line ${index + 1} is neither torn nor mixed`);
    checker.take(index + 1, event);
    const name = `${writer}.${generation}.${n}`;
    const seq = acknowledged.get(name);
    if (seq !== undefined) assertEquals(seq, index + 1, `the seq that was told of ${name}`);
    acknowledged.delete(name);
  }
  assertEquals([...acknowledged.keys()], [], "acknowledged and not there");
  return checker;
}

/** What was moved aside is the beginning of one event that nobody was promised. */
async function checkTornFiles(directory: string, writers: Writer[]): Promise<number> {
  let count = 0;
  for await (const { name } of Deno.readDir(directory)) {
    if (!name.startsWith("events.jsonl.torn-")) continue;
    count++;
    const bytes = await Deno.readFile(`${directory}/${name}`);
    const named = /^\{"writer":(\d+),"generation":(\d+),"n":(\d+),/
      .exec(new TextDecoder().decode(bytes.subarray(0, 80)));
    if (named === null) continue;
    const [writer = 0, generation = 0, n = 0] = named.slice(1).map(Number);
    const whole = new TextEncoder().encode(JSON.stringify(createEvent(writer, generation, n)));
    assertEquals(bytes, whole.slice(0, bytes.length), `${name} is the beginning of an event`);
    assert(!writers[writer]?.seqs.has(`${writer}.${generation}.${n}`), `${name} was acknowledged`);
  }
  return count;
}

Deno.test("writers that are killed lose nothing acknowledged, and readers beside them never fail", async () => {
  await withTempDir(async (root) => {
    await using stack = new AsyncDisposableStack();
    // The observers need a log to be there. Nobody waits for a lock in this process.
    openEventLogSync({ root, runId: RUN_ID })[Symbol.dispose]();
    const observers = ["read", "page", "follow"].map((way) =>
      stack.use(
        new Child("./_programs/observer.ts", {
          args: [root, RUN_ID, way, seed()],
          permissions: [
            `--allow-read=${root}`,
            ...(way === "page" ? [`--allow-write=${root}`] : []),
          ],
        }),
      )
    );
    for (const observer of observers) assertEquals(await observer.next(), "ready");
    const writers = Array.from(
      { length: WRITERS },
      (_, index) => stack.use(new Writer(root, index)),
    );
    const directory = `${root}/runs/${RUN_ID}`;
    await writeAndKill(directory, writers);

    const { lines, digest } = await checkLog(directory, writers);
    assert(lines >= LEAST_EVENTS);
    for (const observer of observers) {
      await observer.send(`total ${lines}`);
      await observer.end();
      const seen = observer.takeLines();
      for (const line of seen) assertEquals(line.split(" ").slice(0, 2), [`${lines}`, `${digest}`]);
      assert(seen.length > 0);
    }
    const torn = await checkTornFiles(directory, writers);
    const longest = Math.max(...writers.map(({ longestMs }) => longestMs));
    report(`${lines} events, ${KILLS} kills, ${torn} torn tails, longest append ${longest} ms`);
  });
});
