/**
 * The table "Steps of programs" as a whole: a program of everything is cut off at every line that it writes, in
 * each of the ways in which a run can end, and goes on.
 */
import { assert, assertEquals } from "@std/assert";
import { passGate, type Run, StepError } from "../../../run/mod.ts";
import { withMemoryDir } from "../../_util/temp.ts";
import { checkRecords, type Place } from "../_records.ts";
import { copyFolder, endsOf, linesOf, open, placeIn, WatchedRoot, World } from "./_programs.ts";

/** A program that does all that programs can do. */
async function everything(run: Run, world: World) {
  const files = await run.step("list", world.act(["a", "b", "c"]));
  const sizes = await Promise.all(files.map((file) =>
    run.step(`size ${file}`, async (context) => {
      world.note(context);
      await Promise.resolve();
      return context.input.file.length;
    }, { input: { file } })
  ));
  await run.record("sizes", { sizes });
  const busy = await run.step("busy", (context) => {
    world.note(context);
    if (world.attemptsAt("busy").length < 3) throw new Error("busy");
    return "at last";
  }, { retry: { maxRetries: 5, delayMs: 1 } });
  const why = await run.step("charge", world.fail(new RangeError("declined", { cause: "poor" })))
    .catch(async (error) => {
      if (!(error instanceof StepError)) throw error;
      await run.step("refund", world.act(undefined));
      return error.cause;
    });
  const [long, nothing] = await Promise.all([
    run.step("long", world.act("é".repeat(40_000))),
    run.step("nothing", world.act(undefined)),
    run.sleep("rest", 1),
  ]);
  const by = await run.waitFor("approved", { timeoutMs: 3_600_000 });
  const denied = await run.waitFor("refused").catch((error) => {
    if (!(error instanceof StepError)) throw error;
    return error.cause;
  });
  return { sizes, busy, why, long: long.length, nothing, by, denied };
}

const RESULT = {
  sizes: [1, 1, 1],
  busy: "at last",
  why: { name: "RangeError", message: "declined", causes: [{ message: "poor" }] },
  long: 40_000,
  by: "ada",
  denied: { message: "the gate was denied by bob", code: "gate-denied" },
};

const STEPS = ["list", "size a", "size b", "size c", "charge", "refund", "long", "nothing"];

async function answerGates({ root, runId }: Place): Promise<void> {
  await passGate(root, runId, "approved", { value: "ada" });
  await passGate(root, runId, "refused", { reject: true, by: "bob" });
}

/** Answers before the program comes to it. */
async function answerBefore(place: Place): Promise<void> {
  await (await open(place.root))[Symbol.asyncDispose]();
  await answerGates(place);
}

/** Does the program to its end, with a journal that nobody disturbs. */
async function doAll(root: string, world: World) {
  await using run = await open(root, { constraints: { max_in_flight: 2, max_retries: 0 } });
  const { state, unasked } = await run.finish(await everything(run, world));
  assertEquals([state, unasked], ["Completed", []]);
}

/** Goes on with what was left, and looks whether that was as it has to be. */
async function checkGoingOn(place: Place, world: World, wasKilled = false): Promise<void> {
  const before = [...world.begun];
  const ended = endsOf(place);
  const hasCompleted = linesOf(place, "ended").length > 0;
  const over = ended.filter(([id, { termination }]) => {
    return termination === "Completed" || (id === "charge" && termination !== "Aborted");
  }).map(([id]) => id);
  await using run = await open(place.root);
  const result = await everything(run, world);
  const { state, unasked } = await run.finish(result);
  assertEquals([state, unasked], ["Completed", []]);
  assertEquals(JSON.parse(JSON.stringify(result)), RESULT);
  const since = world.begun.slice(before.length).map((name) => name.replace(/ \d+$/, ""));
  for (const id of over) assert(!since.includes(id), `${id} ran again`);
  for (const id of [...STEPS, "busy"]) {
    const attempts = world.attemptsAt(id);
    assert(attempts.length > 0, `${id} never ran`);
    const inOrder = [...new Set(attempts)].toSorted((a, b) => a - b);
    assertEquals(attempts, inOrder, `${id} had a number twice`);
  }
  // What a run lacks that has completed by its journal is for `taffrail repair`.
  if (wasKilled && hasCompleted) assertEquals(since, []);
  else await checkRecords(place);
}

Deno.test("killed at any line of the journal or the log: no result is lost, nothing recorded runs again", async () => {
  await withMemoryDir(async (folder) => {
    const world = new World();
    const root = `${folder}/whole`;
    const images: { root: string; begun: string[]; what: string }[] = [];
    await using watched = new WatchedRoot(root, (what) => {
      const image = `${folder}/${images.length}`;
      copyFolder(root, image);
      images.push({ root: image, begun: [...world.begun], what });
    });
    await using run = await open(watched, { constraints: { max_in_flight: 2, max_retries: 0 } });
    await answerGates(placeIn(root));
    await run.finish(await everything(run, world));
    assert(images.length > 80, `${images.length}`);
    for (const { root, begun, what } of images.slice(1)) {
      const again = new World();
      again.begun.push(...begun);
      const place = placeIn(root);
      // Of the first lines some stand before both gates were answered; of two answers the first counts.
      await answerGates(place);
      try {
        await checkGoingOn(place, again, true);
      } catch (error) {
        throw new Error(`killed before ${what} in ${root}`, { cause: error });
      }
    }
  });
});

/** Ways in which a run ends early, where it has come to; each undoes itself. */
const WAYS: Record<string, (root: string, world: World, at: number) => Promise<void>> = {
  "stopped by a signal": async (root, world, at) => {
    const stop = new AbortController();
    let writes = 0;
    const reason = new Error("stopped");
    await using watched = new WatchedRoot(root, () => {
      if (++writes === at) setTimeout(() => stop.abort(reason));
    });
    await using run = await open(watched, { signal: stop.signal });
    const error = await everything(run, world).then(() => reason, (error) => error);
    assertEquals(error, reason);
  },
  "left by an error of the program": async (root, world, at) => {
    let writes = 0;
    const failed = Promise.withResolvers<never>();
    await using watched = new WatchedRoot(root, () => {
      if (++writes === at) failed.reject(new Error("a bug"));
    });
    await using run = await open(watched);
    const all = everything(run, world);
    all.catch(() => {});
    await Promise.race([failed.promise, all]).catch(() => {});
  },
  "unable to record any more": async (root, world, at) => {
    let writes = 0;
    await using watched = new WatchedRoot(root, () => {
      if (++writes >= at) throw new Error("the disk is full");
    });
    const run = await open(watched);
    await everything(run, world).then((value) => run.finish(value)).catch(() => {});
    await run[Symbol.asyncDispose]().catch(() => {});
  },
};

for (const [way, end] of Object.entries(WAYS)) {
  Deno.test(`${way} at any write: no result is lost, nothing recorded runs again`, async () => {
    for (let at = 4; at <= 70; at += 3) {
      await withMemoryDir(async (root) => {
        const world = new World();
        const place = placeIn(root);
        await answerBefore(place);
        await end(root, world, at);
        try {
          await checkGoingOn(place, world);
        } catch (error) {
          throw new Error(`${way} at write ${at}`, { cause: error });
        }
      });
    }
  });
}

Deno.test("undisturbed, everything is done once", async () => {
  await withMemoryDir(async (root) => {
    const world = new World();
    await answerBefore(placeIn(root));
    await doAll(root, world);
    const once = [...STEPS.map((id) => `${id} 1`), "busy 1", "busy 2", "busy 3"];
    assertEquals(world.begun.toSorted(), once.toSorted());
  });
});
