/** Limits of a run: those that it began with hold, however often it is gone on with. */
import { assert, assertEquals } from "@std/assert";
import { durationOfMs, millisecondsOf } from "../../../_internal/event_time.ts";
import { type Run, StepError } from "../../../run/mod.ts";
import type { EventTime } from "../../../supervisor/mod.ts";
import { withMemoryDir } from "../../_util/temp.ts";
import { checkRecords } from "../_records.ts";
import { copyFolder, endsOf, errorOf, journalOf, open, placeIn, World } from "./_programs.ts";

const WINDOW_MS = 60;

Deno.test("a rate holds over a kill: no more is started in any window, and all is done", () =>
  withMemoryDir(async (folder) => {
    const [root, image] = [`${folder}/a`, `${folder}/b`];
    const constraints = {
      max_retries: 0,
      max_per_window: 2,
      rate_window: durationOfMs(WINDOW_MS),
    };
    const world = new World();
    const program = (run: Run, onStep: (id: string) => void = () => {}) =>
      Promise.all(Array.from({ length: 7 }, (_, index) =>
        run.step(`${index}`, (context) => {
          world.note(context);
          onStep(context.stepId);
          return index;
        })));
    {
      await using run = await open(root, { constraints });
      const done = program(run, (id) => id === "3" && copyFolder(root, image));
      assertEquals(await done, [0, 1, 2, 3, 4, 5, 6]);
    }
    // The fourth is cut off, and perhaps the third that ran beside it.
    world.begun.length = 4;
    const over = endsOf(placeIn(image)).map(([id]) => id);
    await using run = await open(image, { constraints: { max_retries: 0 } });
    assertEquals(await program(run), [0, 1, 2, 3, 4, 5, 6]);
    for (const id of ["0", "1", "2", "3", "4", "5", "6"]) {
      const isCut = Number(id) < 4 && !over.includes(id);
      assertEquals(world.attemptsAt(id), isCut ? [1, 2] : [1], id);
    }
    const starts = journalOf(placeIn(image)).flatMap(({ decision, numbers }) => {
      return decision === "Invoke" ? [millisecondsOf((numbers as { now: EventTime }).now)] : [];
    });
    for (const [index, start] of starts.entries()) {
      const third = starts[index + 2] ?? Infinity;
      assert(third - start >= WINDOW_MS - 0.001, `${starts}`);
    }
    await run.finish();
    await checkRecords(placeIn(image));
  }));

Deno.test("a deadline of the constraints is that of each attempt, and timeoutMs one of a step's own", () =>
  withMemoryDir(async (root) => {
    const untilAborted = (signal: AbortSignal) =>
      new Promise<never>((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      });
    const constraints = { max_retries: 0, deadline: durationOfMs(5) };
    for (let sitting = 1; sitting <= 2; sitting++) {
      await using run = await open(root, sitting === 1 ? { constraints } : {});
      const error = await errorOf(run.step(`a ${sitting}`, ({ signal }) => untilAborted(signal)));
      assert(error instanceof StepError && error.cause.code === "timeout");
      const long = run.step(
        `b ${sitting}`,
        () => new Promise((resolve) => setTimeout(() => resolve(1), 20)),
        {
          timeoutMs: 3_600_000,
        },
      );
      assertEquals(await long, 1);
    }
  }));

Deno.test("as many as there are places run at a time, in the order in which they are asked for", () =>
  withMemoryDir(async (root) => {
    await using run = await open(root, { constraints: { max_in_flight: 3, max_retries: 1 } });
    const world = new World();
    let [running, most] = [0, 0];
    const ids = Array.from({ length: 20 }, (_, index) => `${index}`);
    await Promise.all(ids.map((id, index) =>
      run.step(id, async (context) => {
        world.note(context);
        most = Math.max(most, ++running);
        await new Promise((resolve) => setTimeout(resolve));
        running--;
        if (index % 5 === 0 && context.attempt === 1) throw new Error("busy");
      })
    ));
    assertEquals(most, 3);
    const first = world.begun.filter((name) => name.endsWith(" 1"));
    assertEquals(first, ids.map((id) => `${id} 1`));
    await run.finish();
    await checkRecords(placeIn(root));
  }));
