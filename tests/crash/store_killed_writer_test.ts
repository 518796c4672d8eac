/**
 * A process that is killed while it changes a runtime, checkpoints included (W-FRS-3): all that was
 * acknowledged is there, at most one mutation more, and that one whole.
 */
import { assert, assertEquals } from "@std/assert";
import { FsRuntimeStore, verifyStore, WorkerRuntime } from "../../store/mod.ts";
import type { RuntimeEvent, TranscriptEntry } from "../../store/types.ts";
import { mixSeeds, Random } from "../_util/random.ts";
import { longCount, seed, withTempDir } from "../_util/temp.ts";
import { type Readable, readEvents, readTranscript, readWorkers } from "../store/_read.ts";
import { Child } from "./_child.ts";
import { type Acknowledged, inputCountOf, inputOf, RUNTIME_ID } from "./_programs/_store.ts";
import { report } from "./_report.ts";

const KILLS = longCount(12, 200);
/** So that no runtime grows large. */
const KILLS_A_ROOT = 6;
const MOST_MUTATIONS = 30;

/** One input as both sides know it. */
interface Input {
  worker: string;
  sequence: number;
  event: number;
  content: string;
}

/** All that must be there, in the order of events. */
class Ledger {
  /** How many events there are, the first included. */
  events = 1;
  readonly workers: string[] = [];
  readonly inputs: Input[] = [];
  unacknowledged = 0;

  take(life: number, acknowledged: Acknowledged): void {
    if (acknowledged.did === "created") return this.#created(acknowledged);
    assertEquals(acknowledged.inputs.length, inputCountOf(acknowledged.n));
    for (const [index, input] of acknowledged.inputs.entries()) {
      const { content } = inputOf(life, acknowledged.n, index);
      this.#sent({ ...input, content });
    }
  }

  #created({ worker, event }: { worker: string; event: number }): void {
    assertEquals(event, ++this.events);
    this.workers.push(worker);
  }

  #sent(input: Input): void {
    assertEquals(input.event, ++this.events);
    const before = this.inputs.filter(({ worker }) => worker === input.worker).length;
    assertEquals(input.sequence, before + 1);
    this.inputs.push(input);
  }

  /** What is there and was not acknowledged is nothing, or the next mutation as a whole. */
  takeRest(life: number, n: number, found: Found): void {
    const rest = found.events.slice(this.events);
    if (rest.length === 0) return;
    this.unacknowledged++;
    const [first] = rest;
    if (first?.kind.kind === "worker_created") {
      assertEquals(rest.length, 1);
      return this.take(life, { n, did: "created", worker: workerOf(first), event: first.id });
    }
    const inputs = rest.map((event) => {
      const entry = found.entries.find(({ event_id }) => event_id === event.id);
      assert(entry !== undefined, `event ${event.id} has its entry`);
      return { worker: workerOf(event), sequence: entry.sequence, event: event.id };
    });
    this.take(life, { n, did: "sent", inputs });
  }
}

function workerOf(event: RuntimeEvent): string {
  return event.worker_ref!.worker_id;
}

/** What readers see. */
interface Found {
  workers: string[];
  events: RuntimeEvent[];
  entries: TranscriptEntry[];
}

async function find(runtime: Readable): Promise<Found> {
  const refs = (await readWorkers(runtime)).map(({ worker_ref }) => worker_ref);
  const entries: TranscriptEntry[] = [];
  for (const ref of refs) {
    const transcript = await readTranscript(runtime, ref);
    assertEquals((await runtime.workerDetail(ref)).transcript_len, transcript.length);
    entries.push(...transcript);
  }
  return {
    workers: refs.map(({ worker_id }) => worker_id),
    events: await readEvents(runtime, RUNTIME_ID),
    entries: entries.sort((a, b) => a.event_id - b.event_id),
  };
}

function assertFound(ledger: Ledger, found: Found): void {
  assertEquals(found.workers, ledger.workers);
  assertEquals(found.events.map(({ id }) => id), found.events.map((_, index) => index + 1));
  assertEquals(found.events.length, ledger.events);
  const inputs = found.entries.map(({ worker_ref, sequence, event_id, content }) => ({
    worker: worker_ref.worker_id,
    sequence,
    event: event_id,
    content,
  }));
  assertEquals(inputs, ledger.inputs);
}

/** Lets a writer go for a while and kills it at any moment. */
async function killOne(root: string, life: number, random: Random): Promise<Acknowledged[]> {
  await using child = new Child("./_programs/store_writer.ts", { args: [root, life] });
  assertEquals(await child.next(), "ready");
  const acknowledged: string[] = [];
  for (let left = random.below(MOST_MUTATIONS + 1); left > 0; left--) {
    acknowledged.push(await child.next());
  }
  spin(random.next() * 2);
  await child.kill();
  return [...acknowledged, ...child.takeLines()].map((line) => JSON.parse(line));
}

function spin(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

/** Looks at what a killed writer left: by opening for reading, or as the next owner. */
async function findAfterKill(root: string, asOwner: boolean): Promise<Found> {
  const options = { root, runtimeId: RUNTIME_ID };
  if (asOwner) {
    await using runtime = await WorkerRuntime.open(options);
    return await find(runtime);
  }
  // Changes nothing: the next writer finds the journal.
  await using store = await FsRuntimeStore.open({ ...options, readOnly: true });
  return await find(store);
}

async function killSome(root: string, random: Random, kills: number): Promise<Ledger> {
  const ledger = new Ledger();
  for (let life = 0; life < kills; life++) {
    const acknowledged = await killOne(root, life, random);
    for (const one of acknowledged) ledger.take(life, one);
    const found = await findAfterKill(root, random.chance(0.5));
    ledger.takeRest(life, acknowledged.length, found);
    assertFound(ledger, found);
    assertEquals((await verifyStore(root)).problems, []);
  }
  return ledger;
}

Deno.test("a writer that is killed leaves all that was acknowledged, and each mutation whole (W-FRS-3)", async () => {
  let mutations = 0;
  let unacknowledged = 0;
  for (let kills = 0; kills < KILLS; kills += KILLS_A_ROOT) {
    const random = new Random(mixSeeds(seed(), kills));
    await withTempDir(async (root) => {
      const ledger = await killSome(root, random, Math.min(KILLS_A_ROOT, KILLS - kills));
      mutations += ledger.events;
      unacknowledged += ledger.unacknowledged;
    });
  }
  report(
    `${KILLS} kills, ${mutations} events, ${unacknowledged} mutations done but not acknowledged`,
  );
});
