/** What a program records of its own, and work that it hands over, beside its steps. */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type Run, RunError } from "../../../run/mod.ts";
import { withMemoryDir } from "../../_util/temp.ts";
import { checkRecords } from "../_records.ts";
import {
  copyFolder,
  errorOf,
  linesOf,
  open,
  placeIn,
  runErrorOf,
  WatchedRoot,
  World,
} from "./_programs.ts";

Deno.test("a record is journalled once, with what it said first, and told to nobody else", () =>
  withMemoryDir(async (root) => {
    const place = placeIn(root);
    for (let sitting = 1; sitting <= 2; sitting++) {
      await using run = await open(root, { durability: sitting === 1 ? "disk" : "os" });
      assertEquals(await run.record("a", { sitting, gone: undefined }), undefined);
      await run.record("b", null);
      await run.record("nothing", undefined);
      if (sitting === 2) assertEquals((await run.finish()).unasked, []);
    }
    assertEquals(linesOf(place, "record"), [
      { id: "a", data: { sitting: 1 } },
      { id: "b", data: null },
      { id: "nothing", data: null },
    ]);
    await checkRecords(place);
  }));

Deno.test("what cannot be recorded is refused by its path, and the id can be used again", () =>
  withMemoryDir(async (root) => {
    await using run = await open(root);
    const large = "x".repeat(2 * 1024 * 1024);
    const calls: Record<string, (value: unknown) => Promise<unknown>> = {
      "the record": (value) => run.record("a", value),
      "the input of step": (input) => run.step("a", () => 1, { input }),
    };
    for (const [what, call] of Object.entries(calls)) {
      const json = await runErrorOf(call({ when: [new Date(0)] }), "not-json");
      assertStringIncludes(json.message, `Cannot record ${what} "a": $.when[0] is of type Date`);
      await runErrorOf(call(JSON.parse("[".repeat(101) + "]".repeat(101))), "not-json");
      const { details, message } = await runErrorOf(call(large), "too-large");
      assertEquals([details.expected, details.actual], [2 ** 21, 2 ** 21 + 2]);
      assertStringIncludes(message, "name a file in it instead");
    }
    const deep = JSON.parse("[".repeat(100) + "]".repeat(100));
    await run.record("a", [large.slice(1000), deep[0][0]]);
    assertEquals(await run.step("b", ({ input }) => input, { input: deep }), deep);
    await run.finish();
    await checkRecords(placeIn(root));
  }));

for (
  const value of [
    { a: new Map() },
    "x".repeat(2 ** 21),
    JSON.parse("[".repeat(101) + "]".repeat(101)),
  ]
) {
  Deno.test(`an end value that cannot be recorded leaves the run unfinished: ${JSON.stringify(value).slice(0, 9)}`, () =>
    withMemoryDir(async (root) => {
      const world = new World();
      {
        await using run = await open(root);
        await run.step("a", world.act(1));
        const error = await assertRejects(() => run.finish(value), RunError);
        assertEquals(["not-json", "too-large"].includes(error.kind), true, error.message);
      }
      await using run = await open(root);
      await run.step("a", world.act(1));
      assertEquals(
        (await run.finish(JSON.parse("[".repeat(100) + "]".repeat(100)))).state,
        "Completed",
      );
      assertEquals(world.begun, ["a 1"]);
      await checkRecords(placeIn(root));
    }));
}

/** Work that fails as long as it is told to. */
function worker(world: World) {
  const bad = new Set<string>();
  const run = ({ eventId: id, attempt }: { eventId: string; attempt: number }) => {
    world.note({ stepId: id, attempt });
    return bad.has(id) ? { Failed: "SemanticError" as const } : "Completed" as const;
  };
  return { bad, invoker: { run } };
}

Deno.test("submitted work that has completed is not done again, and what failed is, beside steps", () =>
  withMemoryDir(async (root) => {
    const world = new World();
    const { bad, invoker } = worker(world);
    const program = async (run: Run) => {
      await run.submit("one", { n: 1 });
      await run.step("between", world.act(1));
      await run.submit("two");
      await run.step("behind", world.act(2));
      return (await run.finish("done")).state;
    };
    bad.add("two");
    {
      await using run = await open(root, { invoker });
      assertEquals(await program(run), { Aborted: { reason: "node two failed: crash" } });
    }
    bad.clear();
    {
      await using run = await open(root, { invoker });
      assertEquals(await program(run), "Completed");
    }
    assertEquals(world.begun, ["one 1", "between 1", "two 1", "behind 1", "two 2"]);
    assertEquals(linesOf(placeIn(root), "ended").at(-1)?.output, "done");
    await checkRecords(placeIn(root));
    // What has completed needs no invoker.
    await using run = await open(root);
    assertEquals(await program(run), "Completed");
  }));

Deno.test("work that was submitted and cut off is done again when it is submitted again", () =>
  withMemoryDir(async (folder) => {
    const [root, image] = [`${folder}/a`, `${folder}/b`];
    const world = new World();
    {
      const invoker = {
        run: () => {
          copyFolder(root, image);
          return "Completed" as const;
        },
      };
      await using run = await open(root, { invoker });
      await run.submit("one");
    }
    await using run = await open(image, { invoker: worker(world).invoker });
    await run.submit("one");
    assertEquals((await run.finish()).state, "Completed");
    assertEquals(world.begun, ["one 2"]);
    await checkRecords(placeIn(image));
  }));

Deno.test("a run without an invoker takes no work, but steps", () =>
  withMemoryDir(async (root) => {
    await using run = await open(root);
    await assertRejects(() => run.submit("a"), TypeError, "the run was opened without an invoker");
    assertEquals(await run.step("b", () => 1), 1);
  }));

/** What cannot be written any more from which one on. */
const WRITES: [what: string, written: number][] = [
  ["record", 0],
  ["output", 0],
  ...["wait", "waited", "event", "decision", "completion", "node.started"].flatMap((what) =>
    [0, 1, 2].map((written): [string, number] => [what, written])
  ),
];

for (const [stream, after] of WRITES) {
  Deno.test(`once ${stream} ${after + 1} cannot be written the calls reject, nothing hangs, and the run can be gone on with`, () =>
    withMemoryDir(async (root) => {
      const world = new World();
      const program = async (run: Run) => {
        await run.step("a", world.act(1));
        await run.record("b", 1);
        await run.sleep("c", 1);
        const results = await Promise.allSettled([
          run.step("d", async () => {
            await new Promise((resolve) => setTimeout(resolve, 5));
            return "x".repeat(100_000);
          }),
          run.sleep("e", 1).then(() => run.step("f", world.act(1))),
          run.sleep("g", 10),
        ]);
        for (const result of results) if (result.status === "rejected") throw result.reason;
      };
      const full = new Error("the disk is full");
      let fails = true;
      let written = 0;
      await using watched = new WatchedRoot(root, (what) => {
        if (what === stream) written++;
        if (fails && written > after) throw full;
      });
      const run = await open(watched);
      const error = await errorOf(program(run));
      assertStringIncludes(String(error), "full");
      await errorOf(run.step("h", world.act(1)));
      assertEquals([run.signal.aborted, world.begun.includes("h 1")], [true, false]);
      await errorOf(run.finish());
      fails = false;
      await using again = await open(root);
      await program(again);
      assertEquals((await again.finish()).state, "Completed");
      await checkRecords(placeIn(root));
    }));
}
