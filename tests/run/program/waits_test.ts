/** Sleeps and gates of programs: how long, until when, and what ends them. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { millisecondsOf } from "../../../_internal/event_time.ts";
import { durable, type OpenRunOptions, passGate, type Run, StepError } from "../../../run/mod.ts";
import type { EventTime } from "../../../supervisor/mod.ts";
import { withMemoryDir } from "../../_util/temp.ts";
import { checkRecords, logOf } from "../_records.ts";
import { copyFolder, errorOf, linesOf, open, placeIn, RUN_ID } from "./_programs.ts";

const optionsIn = (root: string): OpenRunOptions => ({ root, name: "demo", runId: RUN_ID });

const untilOf = (line: Record<string, unknown> | undefined) => {
  return line?.until === undefined ? undefined : millisecondsOf(line.until as EventTime);
};

Deno.test("a sleep lasts for milliseconds, fractions and none too, or until a date, also a past one", () =>
  withMemoryDir(async (root) => {
    const before = Date.now();
    const soon = new Date(before + 30);
    const sleeps: [id: string, until: number | Date][] = [
      ["ms", 20],
      ["fraction", 0.25],
      ["none", 0],
      ["date", soon],
      ["past", new Date(0)],
      ["long past", new Date(-1e12)],
    ];
    await using run = await open(root);
    await Promise.all(sleeps.map(([id, until]) => run.sleep(id, until)));
    assert(Date.now() >= soon.getTime());
    const waits = linesOf(placeIn(root), "wait");
    assertEquals(waits.map(({ id, kind }) => [id, kind]), sleeps.map(([id]) => [id, "sleep"]));
    assert(untilOf(waits[0])! >= before + 20);
    assertEquals(waits.slice(3).map(untilOf), [soon.getTime(), 0, 0]);
    assertEquals(linesOf(placeIn(root), "waited").map(({ how }) => how), sleeps.map(() => "due"));
    await run.finish();
    await checkRecords(placeIn(root));
  }));

Deno.test("what is no time is refused, and the id can be used again", () =>
  withMemoryDir(async (root) => {
    await using run = await open(root);
    for (const until of [-1, NaN, new Date(NaN), "5" as unknown as number, undefined as never]) {
      const error = await assertRejects(() => run.sleep("a", until), RangeError);
      assertStringIncludes(error.message, 'Cannot sleep "a" for ');
    }
    for (const timeoutMs of [-1, NaN]) {
      const error = await assertRejects(() => run.waitFor("a", { timeoutMs }), RangeError);
      assertStringIncludes(error.message, `Cannot use timeoutMs ${timeoutMs}`);
    }
    await run.sleep("a", 0);
    assertEquals(linesOf(placeIn(root), "wait").length, 1);
  }));

Deno.test("what is longer than any time is waited for without end, and can be gone on with", () =>
  withMemoryDir(async (root) => {
    for (let sitting = 1; sitting <= 2; sitting++) {
      await using run = await open(root);
      const waits = [
        run.sleep("for ever", Infinity),
        run.sleep("long", 1e300),
        run.waitFor("a", { timeoutMs: Infinity }),
        run.waitFor("b", { timeoutMs: 1e300 }),
      ];
      await Promise.race([...waits, run.sleep(`short ${sitting}`, 5)]);
      assertEquals(linesOf(placeIn(root), "wait").length, 4 + sitting);
    }
    await using run = await open(root);
    await run.finish();
    await checkRecords(placeIn(root));
  }));

Deno.test("until when is fixed when it is first asked for, whatever is said when the run goes on", () =>
  withMemoryDir(async (root) => {
    const place = placeIn(root);
    {
      await using run = await open(root);
      void run.sleep("a", 3_600_000);
      void run.waitFor("b", { timeoutMs: 3_600_000 });
      void run.sleep("c", 15);
      void run.waitFor("d", { timeoutMs: 15 });
    }
    const waits = linesOf(place, "wait");
    await using run = await open(root);
    // These are over by now or soon, and were to last for 15 ms.
    await run.sleep("c", 3_600_000);
    const error = await errorOf(run.waitFor("d", { timeoutMs: 3_600_000 }));
    assert(error instanceof StepError && error.cause.code === "gate-timeout");
    const long = [run.sleep("a", 0), run.waitFor("b", { timeoutMs: 0 })];
    await Promise.race([...long, run.sleep("e", 5)]);
    assertEquals(linesOf(place, "wait").slice(0, 4), waits);
    assertEquals(linesOf(place, "waited").map(({ id }) => id).toSorted(), ["c", "d", "e"]);
    await run.finish();
    await checkRecords(place);
  }));

Deno.test("a gate is passed before it is waited for, meanwhile, and while nobody works on the run", () =>
  withMemoryDir(async (root) => {
    const program = async (run: Run) => {
      const before = await run.waitFor("before");
      const [one, two] = await Promise.all([run.waitFor("one"), run.waitFor("two")]);
      return [before, one, two, await run.waitFor("later")];
    };
    {
      await using run = await open(root);
      await passGate(root, RUN_ID, "before", { value: 0 });
      const done = program(run);
      done.catch(() => {});
      assertEquals(await run.waitFor("mark", { timeoutMs: 1 }).catch(() => "is over"), "is over");
      // The other way round than they are waited for.
      await passGate(root, RUN_ID, "two", { value: 2 });
      await passGate(root, RUN_ID, "one");
      while (linesOf(placeIn(root), "waited").length < 4) await run.sleep(crypto.randomUUID(), 1);
    }
    await passGate(root, RUN_ID, "later", { value: null });
    await passGate(root, RUN_ID, "later", { value: "too late" });
    for (let sitting = 1; sitting <= 2; sitting++) {
      await using run = await open(root);
      assertEquals(await program(run), [0, undefined, 2, null]);
    }
    await checkRecords(placeIn(root));
  }));

const numberSchema = {
  "~standard": {
    version: 1 as const,
    vendor: "test",
    validate: async (value: unknown) => {
      await Promise.resolve();
      if (value === "throws") throw new Error("odd");
      return typeof value === "number"
        ? { value: { doubled: value * 2 } }
        : { issues: [{ message: "no number" }] };
    },
  },
};

Deno.test("a value that its schema refuses is recorded once, and the wait goes on", () =>
  withMemoryDir(async (root) => {
    const place = placeIn(root);
    const recorded = () => linesOf(place, "record");
    {
      await using run = await open(root);
      await passGate(root, RUN_ID, "a", { value: "text", by: "ada" });
      await passGate(root, RUN_ID, "a", { value: "throws" });
      void run.waitFor("a", { schema: numberSchema });
      while (recorded().length < 2) await run.sleep(crypto.randomUUID(), 1);
    }
    const refused = [
      { id: "a#1", data: { gate: "a", inbox_line: 1, by: "ada", problem: "no number" } },
      { id: "a#2", data: { gate: "a", inbox_line: 2, problem: "it has thrown odd" } },
    ];
    assertEquals(recorded(), refused);
    await passGate(root, RUN_ID, "a", { value: 7 });
    for (let sitting = 1; sitting <= 2; sitting++) {
      await using run = await open(root);
      assertEquals(await run.waitFor("a", { schema: numberSchema }), { doubled: 14 });
      if (sitting === 2) assert(!(await run.finish()).unasked.includes("a#1"));
    }
    assertEquals(recorded(), refused);
    assertEquals(linesOf(place, "waited").at(-1)?.value, 7);
    await checkRecords(place);
  }));

Deno.test("a gate that was denied is denied again, with who did it, and asked again with retryFailed", () =>
  withMemoryDir(async (root) => {
    await passGate.call(undefined, root, RUN_ID, "a", { reject: true }).catch(() => {});
    {
      await using run = await open(root);
      await passGate(root, RUN_ID, "a", { reject: true, by: "bob" });
      await errorOf(run.waitFor("a"));
      await passGate(root, RUN_ID, "a", { value: "now" });
    }
    {
      await using run = await open(root);
      const error = await errorOf(run.waitFor("a")) as StepError;
      assertEquals(error.message, '"a" failed: the gate was denied by bob');
    }
    await using run = await open(root, { retryFailed: true });
    assertEquals(await run.waitFor("a"), "now");
    const told = logOf(placeIn(root)).filter(({ node_id: id }) => id === "a");
    assertEquals(told.map(({ type, attempt }) => [type, attempt]), [
      ["node.failed", 1],
      ["gate.passed", 2],
    ]);
    await run.finish();
    await checkRecords(placeIn(root));
  }));

Deno.test("steps run while a program waits, and a wait takes no place of theirs", () =>
  withMemoryDir(async (root) => {
    await using run = await open(root, { constraints: { max_in_flight: 1, max_retries: 0 } });
    const waits = [
      run.waitFor("a"),
      run.sleep("b", 20),
      run.waitFor("c", { timeoutMs: 3_600_000 }),
    ];
    assertEquals(await run.step("one", () => 1), 1);
    assertEquals(await run.step("two", () => 2), 2);
    for (const gate of ["a", "c"]) await passGate(root, RUN_ID, gate);
    await Promise.all(waits);
    await run.finish();
    await checkRecords(placeIn(root));
  }));

Deno.test("a race has the same winner however often it is run", () =>
  withMemoryDir(async (folder) => {
    const [root, image] = [`${folder}/a`, `${folder}/b`];
    const race = (run: Run, slow: number) =>
      Promise.race([
        run.step("slow", () => new Promise((resolve) => setTimeout(() => resolve("slow"), slow))),
        run.sleep("sleep", 1).then(() => "sleep"),
        run.step("also slow", () =>
          new Promise((resolve) => setTimeout(() => resolve("also"), slow))),
      ]);
    {
      await using run = await open(root);
      assertEquals(await race(run, 100), "sleep");
      await run.step("mark", () => copyFolder(root, image));
    }
    for (const place of [root, image]) {
      await using run = await open(place);
      assertEquals(await race(run, 0), "sleep");
    }
  }));

Deno.test("who waits hears nothing more once the run is to end, and the run can be gone on with", () =>
  withMemoryDir(async (root) => {
    const stop = new AbortController();
    const reason = new Error("enough");
    const program = (run: Run) => Promise.all([run.waitFor("a"), run.sleep("b", 3_600_000)]);
    const stopped = durable({ ...optionsIn(root), signal: stop.signal }, async (run) => {
      const done = program(run);
      await Promise.race([done, run.sleep("c", 1)]);
      stop.abort(reason);
      await done;
    });
    assertEquals(await errorOf(stopped), reason);
    await passGate(root, RUN_ID, "a", { value: 1 });
    await using run = await open(root);
    assertEquals(await Promise.race([run.waitFor("a"), run.sleep("b", 0)]), 1);
  }));
