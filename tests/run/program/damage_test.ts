/** Results that are not what was written: never given, and nothing runs again by silence. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { durable, type OpenRunOptions, type Run } from "../../../run/mod.ts";
import { withMemoryDir } from "../../_util/temp.ts";
import { checkRecords } from "../_records.ts";
import { endsOf, open, placeIn, RUN_ID, runErrorOf, World } from "./_programs.ts";

const LONG = "x".repeat(100_000);

/** What may have become of the file of a result. */
const DAMAGES: Record<string, [damage: (path: string) => Promise<void>, says: string]> = {
  "is gone": [(path) => Deno.remove(path), "its file is gone"],
  "was changed": [
    (path) => Deno.writeTextFile(path, JSON.stringify(LONG).replace("x", "y")),
    "its file is not what was written",
  ],
  "was emptied": [(path) => Deno.truncate(path), "its file is not what was written"],
  "is longer": [
    (path) => Deno.writeTextFile(path, " ", { append: true }),
    "its file is not what was written",
  ],
  "is a folder": [
    async (path) => {
      await Deno.remove(path);
      await Deno.mkdir(path);
    },
    "it cannot be read",
  ],
};

for (const [what, [damage, says]] of Object.entries(DAMAGES)) {
  Deno.test(`a result whose file ${what} is damaged, and its step does not run again unless that is asked for`, () =>
    withMemoryDir(async (root) => {
      const world = new World();
      const options: OpenRunOptions = { root, name: "demo", runId: RUN_ID };
      {
        await using run = await open(root);
        await run.step("a", world.act(LONG));
      }
      const path = `${root}/runs/${RUN_ID}/nodes/a.1.result`;
      await damage(path);
      const program = (run: Run) => run.step("a", world.act(`${LONG}2`));
      for (
        const more of [{}, { retryFailed: true }, { accept: true }, { retryFailed: ["b"] }] as const
      ) {
        const { message, details } = await runErrorOf(
          durable({ ...options, ...more }, program),
          "damaged",
        );
        assertEquals(details.nodeId, "a");
        assertStringIncludes(message, `Cannot give the recorded result of "a": ${says}`);
        assertStringIncludes(message, 'have the step made again by retryFailed: ["a"]');
      }
      assertEquals(world.begun, ["a 1"]);
      assertEquals(await durable({ ...options, retryFailed: ["a"] }, program), `${LONG}2`);
      assertEquals(world.begun, ["a 1", "a 2"]);
      assertEquals(await durable({ ...options, retryFailed: ["a"] }, program), `${LONG}2`);
      assertEquals(world.begun, ["a 1", "a 2"]);
      await checkRecords(placeIn(root));
    }));
}

Deno.test("a step that is named to be made again is not, where its result is what it was", () =>
  withMemoryDir(async (root) => {
    const world = new World();
    for (let sitting = 1; sitting <= 2; sitting++) {
      await using run = await open(root, { retryFailed: ["a"] });
      assertEquals(await run.step("a", world.act(LONG)), LONG);
    }
    assertEquals(world.begun, ["a 1"]);
  }));

Deno.test("a floating step that is made again for its damage is waited for by the end of the run", () =>
  withMemoryDir(async (root) => {
    const world = new World();
    {
      await using run = await open(root);
      await run.step("a", world.act(LONG));
    }
    await Deno.remove(`${root}/runs/${RUN_ID}/nodes/a.1.result`);
    await using run = await open(root, { retryFailed: ["a"] });
    const given = run.step("a", world.act("again"));
    assertEquals((await run.finish()).state, "Completed");
    assertEquals([await given, world.begun], ["again", ["a 1", "a 2"]]);
    assertEquals(endsOf(placeIn(root)).map(([id]) => id), ["a", "a"]);
  }));

Deno.test("of a run that has completed a damaged result stays damaged, and nothing hangs or crashes", () =>
  withMemoryDir(async (root) => {
    const world = new World();
    const options: OpenRunOptions = { root, name: "demo", runId: RUN_ID };
    const program = (run: Run) => run.step("a", world.act(LONG));
    await durable(options, program);
    await Deno.remove(`${root}/runs/${RUN_ID}/nodes/a.1.result`);
    for (const retryFailed of [undefined, ["a"]]) {
      const more = retryFailed === undefined ? {} : { retryFailed };
      await runErrorOf(durable({ ...options, ...more }, program), "damaged");
    }
    assertEquals(world.begun, ["a 1"]);
  }));
