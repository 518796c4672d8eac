/** What a program learns in which order, and what it is told of its run that nobody else disturbs. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { runPaths } from "../../../_internal/root_layout.ts";
import { verifyRun } from "../../../eventlog/mod.ts";
import { passGate, RunError } from "../../../run/mod.ts";
import { appendTo, readText } from "../../_util/files.ts";
import { withMemoryDir } from "../../_util/temp.ts";
import { checkRecords } from "../_records.ts";
import { journalOf, linesOf, open, placeIn, RUN_ID } from "./_programs.ts";

function nested(levels: number): unknown {
  let value: unknown = [];
  for (let level = 1; level < levels; level++) value = [value];
  return value;
}

for (const durability of ["os", "disk"] as const) {
  Deno.test(`a record that stands behind the end of a step is learned behind it (${durability})`, () =>
    withMemoryDir(async (root) => {
      const place = placeIn(root);
      /** No turn of the event loop passes, so that nothing is told meanwhile. */
      const untilOver = async () => {
        for (let awaits = 0; awaits < 5000; awaits++) {
          await undefined;
          if (journalOf(place).some(({ decision }) => decision === "Finish")) return;
        }
        throw new Error("The step does not end");
      };
      for (let sitting = 1; sitting <= 3; sitting++) {
        await using run = await open(root, { durability });
        const first = await Promise.race([
          run.step("a", () => {}).then(() => "a"),
          untilOver().then(() => run.record("r", 1)).then(() => "r"),
        ]);
        assertEquals(first, "a", `sitting ${sitting}`);
        // It is not gone on with where it has completed, and what it gives is learned in the same order.
        if (sitting === 2) await run.finish();
      }
      assertEquals(linesOf(place, "record").length, 1);
      await checkRecords(place);
    }));
}

Deno.test("an invoker knows work by the id with which it was submitted, however often the run is gone on with", () =>
  withMemoryDir(async (root) => {
    const asked: unknown[] = [];
    for (let sitting = 1; sitting <= 3; sitting++) {
      const begun = Promise.withResolvers<void>();
      await using run = await open(root, {
        constraints: { max_retries: 0 },
        invoker: {
          run: ({ eventId, attempt, payload, signal }) => {
            asked.push([eventId, attempt, payload]);
            begun.resolve();
            if (sitting === 3) return "Completed";
            return new Promise((resolve) => {
              signal.addEventListener("abort", () => resolve("Aborted"));
            });
          },
        },
      });
      await run.submit("work", { sitting });
      await begun.promise;
      if (sitting === 3) assertEquals((await run.finish()).state, "Completed");
    }
    assertEquals(asked, [1, 2, 3].map((sitting) => ["work", sitting, { sitting }]));
    await checkRecords(placeIn(root));
  }));

Deno.test("a run gets its name from who goes on with it, where its maker was killed before", () =>
  withMemoryDir(async (root) => {
    const { directory, run: path } = runPaths(root, RUN_ID);
    await Deno.mkdir(directory, { recursive: true, mode: 0o700 });
    await using run = await open(root, { version: "3" });
    assertEquals((await run.finish()).state, "Completed");
    const { name, version, created_at: createdAt } = JSON.parse(readText(path));
    assertEquals([name, version], ["demo", "3"]);
    assert(!Number.isNaN(Date.parse(createdAt)));
    assertEquals((await verifyRun(root, RUN_ID)).problems, []);
  }));

Deno.test("a value that no journal can take passes no gate: it is refused, or told, and the wait goes on", () =>
  withMemoryDir(async (root) => {
    const place = placeIn(root);
    await using run = await open(root);
    const refused: [unknown, string, string][] = [
      [nested(101), "not-json", "more than 100 levels deep"],
      ["x".repeat(2 ** 21), "too-large", "2097152 is the most"],
      [new Date(0), "not-json", "of type Date"],
    ];
    for (const [value, kind, message] of refused) {
      const passed = passGate(root, RUN_ID, "ask", { value });
      assertEquals((await assertRejects(() => passed, RunError, message)).kind, kind);
    }
    // Any program may write there.
    const deep = JSON.stringify({ op: "1", gate: "ask", value: nested(200) });
    const long = JSON.stringify({ op: "2", gate: "ask", value: "x".repeat(2 ** 21) });
    appendTo(runPaths(root, RUN_ID).inbox, `${deep}\n${long}\n`);
    await passGate(root, RUN_ID, "ask", { value: nested(100) });
    assertEquals(await run.waitFor("ask"), nested(100));
    assertEquals((await run.finish()).state, "Completed");
    const records = linesOf(place, "record").map(({ id }) => id);
    assertEquals(records, ["ask#1", "ask#2"]);
    await checkRecords(place);
  }));
