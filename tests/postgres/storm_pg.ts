/**
 * Eight writers at once, while clients are killed, sessions are ended and the server crashes. What is shown:
 *
 * - What was acknowledged on disk is there, once, at the seq that was told; seqs are dense.
 * - What was acknowledged by `"os"` is there too, or its writer was told before it went on; whoever follows was
 *   told as well, and skipped nothing.
 */
import { assert, assertEquals, assertFalse } from "@std/assert";
import type { EventLog, Stored } from "../../eventlog/types.ts";
import { migratePostgres, openPostgresLog, openPostgresRoot } from "../../postgres/mod.ts";
import type { RunView } from "../../run/types.ts";
import { mixSeeds, Random } from "../_util/random.ts";
import { longCount, seed } from "../_util/temp.ts";
import { clientOf } from "./_client.ts";
import { type OwnServer, startServer } from "./_server.ts";
import { Storm, type Writer } from "./_storm.ts";

const ROUNDS = longCount(8, 200);

interface StormEvent {
  writer: string;
  n: number;
}

function program(name: string): string[] {
  return [Deno.execPath(), "run", "--allow-all", "--no-check", import.meta.resolve(name)];
}

/** Runs `use` with a server that may crash, and what is left of its log if that fails. */
async function withServer(use: (server: OwnServer, url: string) => Promise<void>): Promise<void> {
  await using server = await startServer({ fsync: true });
  const url = server.url();
  await migratePostgres(clientOf(url));
  await server.orLog(() => use(server, url));
}

for (const durability of ["os", "disk"] as const) {
  Deno.test(`a log that eight append to by "${durability}" keeps what it acknowledged, or tells`, async () => {
    await withServer(async (server, url) => {
      await using log = await openPostgresLog<StormEvent>(clientOf(url), { runId: "storm" });
      const command = program("./_programs/log_writer.ts");
      await using storm = new Storm((name) => [...command, url, "storm", name, durability]);
      await using follower = new Follower(log);
      const random = new Random(mixSeeds(seed(), durability.length));
      const blows = await storm.rage({ server, rounds: ROUNDS, random });
      await storm.end();
      const events = await allOf(log);
      await follower.until(events.length);
      assertEquals(follower.seen, events);
      assertEquals(events.map(({ seq }) => seq), events.map((_, at) => at + 1));
      const lost = countLost(storm.writers, events);
      const told = storm.writers.flatMap(({ process }) => process.stdout.lines)
        .filter((line) => line === "rewound").length;
      tell({
        durability,
        ...blows,
        events: events.length,
        lost,
        told,
        restarts: follower.restarts,
      });
      if (durability === "disk") assertEquals([lost, told, follower.restarts], [0, 0, 0]);
    });
  });
}

Deno.test("runs that are held keep what they acknowledged, or tell", async () => {
  await withServer(async (server, url) => {
    const command = program("./_programs/run_writer.ts");
    await using storm = new Storm((name, slot) => [...command, url, `storm-${slot}`, name]);
    const random = new Random(mixSeeds(seed(), 7));
    const blows = await storm.rage({ server, rounds: ROUNDS, random });
    await storm.end();
    await using root = await openPostgresRoot(clientOf(url));
    let lines = 0;
    let told = 0;
    for (const slot of new Set(storm.writers.map(({ slot }) => slot))) {
      const kept = await linesOf(root.view(`storm-${slot}`));
      lines += kept.length;
      told += checkRun(kept, storm.writers.filter((writer) => writer.slot === slot));
    }
    tell({ ...blows, lines, told });
  });
});

/** How many lines may stand behind each other is what is counted; for whoever reads the output. */
function tell(counts: Record<string, unknown>): void {
  // deno-lint-ignore no-console -- how hard the storm was is worth knowing
  console.log(JSON.stringify(counts));
}

async function allOf(log: EventLog<StormEvent>): Promise<Stored<StormEvent>[]> {
  const all: Stored<StormEvent>[] = [];
  for (let after: Parameters<typeof log.read>[0] = {};;) {
    const { events, gaps, next, hasMore } = await log.read({ ...after, limit: 10_000 });
    assertEquals(gaps, []);
    all.push(...events);
    if (!hasMore) return all;
    after = { after: next };
  }
}

/**
 * How many events that were acknowledged are not there. Each that is there is at the seq that was told, and
 * once; and whoever lost one was told before anything further was acknowledged.
 */
function countLost(writers: readonly Writer[], events: readonly Stored<StormEvent>[]): number {
  const places = new Map(events.map(({ seq, event }) => [`${event.writer} ${event.n}`, seq]));
  assertEquals(places.size, events.length, "an event is there twice");
  let lost = 0;
  for (const { name, process, wasKilled } of writers) {
    let hasLost = false;
    for (const line of process.stdout.lines) {
      const [word, n, seq] = line.split(" ");
      if (word === "rewound") {
        assert(hasLost, `writer ${name} was told of a loss that is none`);
        hasLost = false;
        continue;
      }
      const place = places.get(`${name} ${n}`);
      if (place === undefined) {
        lost++;
        hasLost = true;
        continue;
      }
      assertEquals(place, Number(seq), `event ${n} of writer ${name}`);
      assertFalse(hasLost, `writer ${name} went on behind a loss: ${line}`);
    }
    assert(wasKilled || !hasLost, `writer ${name} was not told of its last loss`);
  }
  return lost;
}

/** Follows a log, from the beginning again whenever it is told that what it saw is gone. */
class Follower implements AsyncDisposable {
  /** What it saw since it began for the last time. */
  seen: Stored<StormEvent>[] = [];
  restarts = 0;
  readonly #over = new AbortController();
  readonly #following: Promise<void>;
  #changed = Promise.withResolvers<void>();

  constructor(log: EventLog<StormEvent>) {
    this.#following = this.#follow(log);
  }

  /** Resolves when it has seen so many. */
  async until(count: number): Promise<void> {
    while (this.seen.length < count) {
      await Promise.race([this.#changed.promise, this.#following]);
    }
  }

  async #follow(log: EventLog<StormEvent>): Promise<void> {
    while (!this.#over.signal.aborted) {
      this.seen = [];
      try {
        for await (const item of log.follow({ signal: this.#over.signal })) {
          assert("event" in item);
          this.seen.push(item);
          this.#changed.resolve();
          this.#changed = Promise.withResolvers();
        }
      } catch (error) {
        if ((error as { kind?: unknown }).kind !== "cursor") throw error;
        this.restarts++;
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await this.#following;
  }
}

interface RunLine {
  n: number;
  writer: string;
}

async function linesOf(view: RunView): Promise<RunLine[]> {
  const lines: RunLine[] = [];
  for (let after: Parameters<typeof view.lines>[1] = {};;) {
    const page = await view.lines("capture", { ...after, limit: 10_000 });
    lines.push(...page.events.map(({ event }) => event as RunLine));
    if (!page.hasMore) return lines;
    after = { after: page.next };
  }
}

/** Checks what a run has against what its writers, one behind the other, were told; how often of a loss. */
function checkRun(kept: readonly RunLine[], writers: readonly Writer[]): number {
  assertEquals(kept.map(({ n }) => n), kept.map((_, at) => at + 1));
  let told = 0;
  for (const { name, process, wasKilled } of writers) {
    const { lines } = process.stdout;
    const isThere = (n: number) => kept[n - 1]?.writer === name;
    let onDisk = 0;
    for (const [word, n] of lines.map((line) => line.split(" "))) {
      if (word === "disk") onDisk = Number(n);
      if (word === "rewound") told++;
    }
    for (const [word, text] of lines.map((line) => line.split(" "))) {
      const n = Number(text);
      if (word === "os" && n <= onDisk) assert(isThere(n), `line ${n} of writer ${name} is lost`);
    }
    const hasLost = lines.some((line) => /^os /.test(line) && !isThere(Number(line.slice(3))));
    const mayHaveLost = wasKilled || lines.at(-1) === "rewound";
    assert(mayHaveLost || !hasLost, `writer ${name} was not told of its loss`);
  }
  return told;
}
