/** How steps are tried again: each member of `retry`, and what counts anew when the run is gone on with. */
import { assert, assertEquals } from "@std/assert";
import { millisecondsOf } from "../../../_internal/event_time.ts";
import { type Run, StepError, type StepRetry } from "../../../run/mod.ts";
import { withMemoryDir } from "../../_util/temp.ts";
import type { EventTime } from "../../../supervisor/mod.ts";
import { checkRecords, logOf } from "../_records.ts";
import { copyFolder, endsOf, errorOf, journalOf, open, placeIn, World } from "./_programs.ts";

const no = () => new Error("no");

/** The failure of a step that always fails. */
async function failOf(run: Run, world: World, retry: StepRetry): Promise<StepError> {
  const error = await errorOf(run.step("a", world.fail(no()), { retry }));
  assert(error instanceof StepError, String(error));
  return error;
}

const BUSY = new Error("busy");

/** How often a step that always fails is begun in a sitting, and the code of its cause. */
const TRIED: [retry: StepRetry, attempts: number][] = [
  [{}, 1],
  [{ maxRetries: 0 }, 1],
  [{ maxRetries: 2 }, 3],
  [{ maxRetries: 5, maxAttempts: 1 }, 1],
  [{ maxRetries: 5, maxAttempts: 3 }, 3],
  [{ maxRetries: 1, maxAttempts: 3 }, 2],
  [{ maxAttempts: 3 }, 1],
  [{ maxRetries: 2, delayMs: 1, factor: 3, maxDelayMs: 2 }, 3],
  [{ maxRetries: 3, if: () => true }, 4],
  [{ maxRetries: 3, if: (error) => error !== BUSY }, 4],
  [{ maxRetries: 3, if: () => false }, 1],
  [{
    maxRetries: 3,
    if: () => {
      throw new Error("cannot say");
    },
  }, 1],
];

Deno.test("a step is tried as often as its retry says, and fails by what it threw last", () =>
  withMemoryDir(async (folder) => {
    for (const [index, [retry, attempts]] of TRIED.entries()) {
      const root = `${folder}/${index}`;
      const world = new World();
      await using run = await open(root);
      const error = await failOf(run, world, retry);
      const name = JSON.stringify(retry);
      assertEquals(
        [error.attempts, error.cause],
        [attempts, { name: "Error", message: "no" }],
        name,
      );
      assertEquals(world.begun.length, attempts, name);
      await run.finish();
      await checkRecords(placeIn(root));
    }
  }));

Deno.test("without a retry of its own a step is tried as the constraints of the run say", () =>
  withMemoryDir(async (root) => {
    const world = new World();
    await using run = await open(root, { constraints: { max_retries: 2 } });
    assertEquals((await failOf(run, world, { maxAttempts: 2 })).attempts, 2);
    await errorOf(run.step("b", world.fail(no())));
    assertEquals(world.attemptsAt("b"), [1, 2, 3]);
  }));

Deno.test("retries wait for delayMs, by factor longer each, and for maxDelayMs at most", () =>
  withMemoryDir(async (root) => {
    const world = new World();
    await using run = await open(root);
    await failOf(run, world, { maxRetries: 3, delayMs: 2.5, factor: 2, maxDelayMs: 8 });
    const waits = journalOf(placeIn(root)).flatMap(({ decision, schedule_at: due, numbers }) => {
      if (decision !== "Defer") return [];
      const { now } = numbers as { now: EventTime };
      return [millisecondsOf(due as EventTime) - millisecondsOf(now)];
    });
    assertEquals(waits.map((wait) => Math.round(wait)), [3, 6, 8]);
  }));

Deno.test("retries count anew when a run is gone on with, attempts go on", () =>
  withMemoryDir(async (root) => {
    const world = new World();
    for (let sitting = 1; sitting <= 3; sitting++) {
      await using run = await open(root, { retryFailed: true });
      assertEquals((await failOf(run, world, { maxRetries: 1 })).attempts, 2 * sitting);
    }
    assertEquals(world.attemptsAt("a"), [1, 2, 3, 4, 5, 6]);
    await checkRecords(placeIn(root));
  }));

Deno.test("maxAttempts: 1 has a step run at most once, also where nobody has seen its end", () =>
  withMemoryDir(async (folder) => {
    const [root, image] = [`${folder}/a`, `${folder}/b`];
    const world = new World();
    {
      await using run = await open(root);
      await run.step("a", (context) => {
        world.note(context);
        copyFolder(root, image);
      }, { retry: { maxAttempts: 1 } });
    }
    const place = placeIn(image);
    for (let sitting = 1; sitting <= 3; sitting++) {
      await using run = await open(image, sitting === 3 ? { retryFailed: true } : {});
      const error = await failOf(run, world, { maxAttempts: 1, maxRetries: 3 });
      const cause = { message: "1 attempt was begun, and maxAttempts is 1", code: "max-attempts" };
      assertEquals([error.attempts, error.cause], [1, cause]);
      assertEquals(error.message, '"a" failed: 1 attempt was begun, and maxAttempts is 1');
    }
    assertEquals(world.begun, ["a 1"]);
    await checkRecords(place);
    // What was never begun is no attempt: neither its number nor an event is used up.
    const told = logOf(place).filter(({ node_id: id }) => id === "a");
    assertEquals(told.map(({ type, attempt }) => [type, attempt]), [
      ["node.started", 1],
      ["node.failed", 1],
    ]);
    assertEquals(endsOf(place).map(([_, { termination, begun }]) => [termination, begun]), [
      ["Aborted", undefined],
      [{ Failed: "SemanticError" }, false],
      [{ Failed: "SemanticError" }, false],
    ]);
    // Where more is allowed it is made.
    await using run = await open(image, { retryFailed: ["a"] });
    await run.step("a", world.act(1), { retry: { maxAttempts: 2 } });
    assertEquals(world.begun, ["a 1", "a 2"]);
    await run.finish();
    await checkRecords(place);
  }));

Deno.test("attempts that were cut off count for maxAttempts, and leave so many fewer retries", () =>
  withMemoryDir(async (folder) => {
    const [root, image] = [`${folder}/a`, `${folder}/b`];
    const world = new World();
    const retry = { maxAttempts: 3, maxRetries: 9 };
    {
      await using run = await open(root);
      const step = run.step("a", (context) => {
        world.note(context);
        if (context.attempt === 2) copyFolder(root, image);
        throw no();
      }, { retry });
      await errorOf(step);
    }
    assertEquals(world.begun, ["a 1", "a 2", "a 3"]);
    world.begun.length = 2;
    await using run = await open(image);
    const { attempts, cause } = await failOf(run, world, retry);
    assertEquals([attempts, cause.message, world.begun], [3, "no", ["a 1", "a 2", "a 3"]]);
    await run.finish();
    await checkRecords(placeIn(image));
  }));

Deno.test("what runs out of time is tried again, and fails by that in the end, also with maxAttempts", () =>
  withMemoryDir(async (root) => {
    const world = new World();
    const causes = [];
    for (let sitting = 1; sitting <= 2; sitting++) {
      await using run = await open(root);
      const error = await errorOf(run.step("a", (context) => {
        world.note(context);
        return new Promise((_, reject) => {
          context.signal.addEventListener("abort", () => reject(context.signal.reason));
        });
      }, { timeoutMs: 1, retry: { maxRetries: 5, maxAttempts: 2 } }));
      assert(error instanceof StepError, String(error));
      causes.push([error.attempts, error.cause.code]);
    }
    assertEquals(causes, [[2, "timeout"], [2, "timeout"]]);
    assertEquals(world.begun, ["a 1", "a 2"]);
    await checkRecords(placeIn(root));
  }));

Deno.test("a function that ignores its signal is given up, and what it gives later is nobody's", () =>
  withMemoryDir(async (root) => {
    const late = Promise.withResolvers<string>();
    const lateEnd = Promise.withResolvers<void>();
    const world = new World();
    await using run = await open(root, {
      constraints: { max_retries: 1, deadline: { secs: 0, nanos: 1e6 } },
    });
    const running: number[] = [];
    const given = await run.step("a", async (context) => {
      world.note(context);
      running.push(context.attempt);
      if (context.attempt === 2) {
        // The one that was given up runs beside its retry, and ends first.
        assert(running.includes(1));
        late.resolve("x".repeat(100_000));
        await lateEnd.promise;
        return "second";
      }
      const text = await late.promise;
      queueMicrotask(lateEnd.resolve);
      return text;
    });
    assertEquals(given, "second");
    assertEquals(world.begun, ["a 1", "a 2"]);
    assertEquals((await run.finish()).state, "Completed");
    const failed = logOf(placeIn(root)).filter(({ type }) => type === "node.failed");
    assertEquals(failed.map(({ error }) => error?.kind), ["timeout"]);
    await checkRecords(placeIn(root));
  }));
