/**
 * One of the records fails at any step, in one sitting after the other: nobody waits for ever, what was told
 * is never done again, and the last sitting leaves records that agree.
 */
import { assert, assertEquals } from "@std/assert";
import { CaptureJournalError } from "../../../capture/mod.ts";
import type { RunEngine } from "../../../run/engine/run_engine.ts";
import type { AttemptEnd } from "../../../run/types.ts";
import { Random } from "../../_util/random.ts";
import { longCount, seed } from "../../_util/temp.ts";
import { checkCapture, endsInCapture, endsInLog, logOf, type Place } from "../_records.ts";
import {
  beginEngine,
  type EngineChoices,
  type GatedRun,
  goOnEngine,
  holdAgain,
  withGatedRun,
} from "./_gated_run.ts";

const SITTINGS = 4;
const NODES = ["a", "b", "c", "d"];
const STEPS = ["append", "barrier", "putDocument"] as const;

/** Has one step of a run fail, at once or when others have gone on; no line stands behind one that is missing. */
function failOnce(held: GatedRun, random: Random): void {
  const name = random.pick(STEPS);
  const step = held[name].bind(held) as () => Promise<void>;
  const isLate = random.chance(0.5);
  let left = 1 + random.below(14);
  let failed: Error | undefined;
  held[name] = async (...args: unknown[]) => {
    const isBehind = failed !== undefined && name === "append" && "capture" in Object(args[0]);
    if (isBehind) throw failed;
    if (--left !== 0) return await Reflect.apply(step, held, args);
    failed = new Error(`no ${name}`);
    if (isLate) await new Promise((resolve) => setTimeout(resolve));
    throw failed;
  };
}

/** Work whose end, once it was told, must stand. */
class Work {
  readonly #random: Random;
  readonly #isOutside: boolean;
  readonly #running = new Set<string>();
  readonly #begun = new Set<string>();
  readonly told = new Set<string>();

  constructor(random: Random, { isOutside }: { isOutside: boolean }) {
    this.#random = random;
    this.#isOutside = isOutside;
  }

  get choices(): EngineChoices {
    return {
      constraints: { max_in_flight: 2, max_retries: 1 },
      isOutside: this.#isOutside,
      invoke: ({ signal }, { nodeId, attempt }) =>
        this.#run(signal, nodeId, `${nodeId}#${attempt}`),
      observer: {
        attemptBegan: () => {},
        attemptEnded: ({ nodeId }, { termination }) => {
          if (termination === "Completed") this.told.add(nodeId);
        },
      },
    };
  }

  async #run(signal: AbortSignal, nodeId: string, key: string): Promise<AttemptEnd> {
    assert(!this.told.has(nodeId), `${nodeId} runs again`);
    // A function cannot be ended, and begins before its begin is on disk.
    const isTwice = this.#running.has(nodeId) || this.#begun.has(key);
    assert(!this.#isOutside || !isTwice, `${key} runs twice`);
    this.#begun.add(key);
    this.#running.add(nodeId);
    for (let turns = this.#random.below(4); turns > 0; turns--) {
      await new Promise((resolve) => setTimeout(resolve));
    }
    this.#running.delete(nodeId);
    if (signal.aborted) return { termination: "Aborted", end: {} };
    const isDone = this.#random.chance(0.7);
    return { termination: isDone ? "Completed" : { Failed: "RuntimeError" }, end: {} };
  }
}

/** Begins a run, or goes on with it; undefined when that failed. */
async function open(
  held: GatedRun,
  place: Place,
  { choices, told }: Work,
): Promise<{ engine: RunEngine; completed: Set<string> } | undefined> {
  try {
    const opened = await goOnEngine(held, place, choices);
    assertEquals(told.difference(opened.completed), new Set());
    return opened;
  } catch (error) {
    const isNew = error instanceof CaptureJournalError && error.kind === "no-session";
    if (isNew) return { engine: beginEngine(held, choices), completed: new Set() };
    assert(error instanceof Error && error.message.startsWith("no "), `${error}`);
    return undefined;
  }
}

/** Works on a run until it ends, or breaks off. */
async function sit(held: GatedRun, place: Place, work: Work): Promise<void> {
  const opened = await open(held, place, work);
  if (opened === undefined) return;
  const { engine, completed } = opened;
  try {
    for (const id of NODES) if (!completed.has(id)) await engine.ask(id, "{}");
    await engine.session.supervisor.idle();
    await engine.withdrawDeferred();
    await engine.end({ reason: "enough" });
  } catch (error) {
    assert(error instanceof Error && error.message.startsWith("no "), `${error}`);
    await engine.breakOff(error);
  }
}

for (const isOutside of [true, false]) {
  const what = isOutside ? "commands" : "functions";
  Deno.test(`${what} of which a record fails at any step, again and again, are gone on with (property)`, async () => {
    const random = new Random(seed());
    for (let round = 0; round < longCount(30, 1000); round++) {
      await withGatedRun(async (held, place) => {
        const work = new Work(random, { isOutside });
        for (let sitting = 1; sitting <= SITTINGS; sitting++) {
          await using run = sitting === 1 ? held : await holdAgain(place);
          if (sitting < SITTINGS) failOnce(run, random);
          await sit(run, place, work);
        }
        assertEquals(endsInLog(logOf(place)), endsInCapture(await checkCapture(place)));
        assertEquals(logOf(place).at(-1)?.reason, "enough");
      });
    }
  });
}
