/** Programs that are other ones than was recorded: the right word, and never a wrong result. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { durable, type OpenRunOptions, passGate, type Run } from "../../../run/mod.ts";
import { withMemoryDir } from "../../_util/temp.ts";
import { checkRecords } from "../_records.ts";
import {
  errorOf,
  filesIn,
  linesOf,
  open,
  placeIn,
  RUN_ID,
  runErrorOf,
  World,
} from "./_programs.ts";

/** A schema that takes texts. */
const textSchema = {
  "~standard": {
    version: 1 as const,
    vendor: "test",
    validate: (value: unknown) =>
      typeof value === "string"
        ? { value: `${value}!` }
        : { issues: [{ message: "no text" }, { message: "at all" }] },
  },
};

/** Records a step, a gate, a sleep, a record and work that was submitted. */
async function recordAll(root: string, world: World): Promise<void> {
  await using run = await open(root, { invoker: { run: () => "Completed" } });
  await passGate(root, RUN_ID, "gate", { value: { n: 1 } });
  await run.step("step", world.act({ n: 1 }), { input: { a: 1, b: [1, { c: 2, d: 3 }] } });
  await run.step("bare", world.act(1));
  await run.waitFor("gate");
  await run.sleep("sleep", 0);
  await run.record("record", 1);
}

/** Calls that are other ones than was recorded, and what they are told. */
const OTHER: Record<string, [call: (run: Run) => Promise<unknown>, says: string]> = {
  "another input": [
    (run) => run.step("step", () => 2, { input: { a: 1, b: [1, { c: 2, d: 4 }] } }),
    'Cannot give the recorded result of "step": its input is another one; recorded is ' +
    '{"a":1,"b":[1,{"c":2,"d":3}]}, and now it is {"a":1,"b":[1,{"c":2,"d":4}]}; ' +
    'use another id for other work, or accept: ["step"] to take what is recorded',
  ],
  "lists in another order": [
    (run) => run.step("step", () => 2, { input: { a: 1, b: [{ c: 2, d: 3 }, 1] } }),
    "its input is another one",
  ],
  "an input that is gone": [(run) => run.step("step", () => 2), "now it is nothing"],
  "an input where there was none": [
    (run) => run.step("bare", () => 2, { input: null }),
    "recorded is nothing, and now it is null",
  ],
  "a schema that refuses the result": [
    (run) => run.step("bare", () => 2, { schema: textSchema }),
    'Cannot give the recorded result of "bare": its schema refuses it (no text; at all)',
  ],
  "a schema that refuses the value of a gate": [
    (run) => run.waitFor("gate", { schema: textSchema }),
    'Cannot give the recorded result of "gate": its schema refuses it (no text; at all)',
  ],
  "a step that was a gate": [
    (run) => run.step("gate", () => 2),
    'Cannot go on with "gate" as a step: it was recorded as a gate; use another id for it',
  ],
  "a step that was a sleep": [(run) => run.step("sleep", () => 2), "recorded as a sleep"],
  "a step that was a record": [(run) => run.step("record", () => 2), "recorded as a record"],
  "a gate that was a step": [(run) => run.waitFor("step"), "recorded as a step"],
  "a gate that was a sleep": [(run) => run.waitFor("sleep"), "recorded as a sleep"],
  "a sleep that was a gate": [(run) => run.sleep("gate", 0), "recorded as a gate"],
  "a sleep that was a step": [(run) => run.sleep("step", 0), "recorded as a step"],
  "a record that was a step": [(run) => run.record("step", 0), "recorded as a step"],
  "a record that was a gate": [(run) => run.record("gate", 0), "recorded as a gate"],
};

Deno.test("what is asked for as something else than was recorded is a mismatch, and nothing of it begins", () =>
  withMemoryDir(async (root) => {
    const world = new World();
    await recordAll(root, world);
    for (const [what, [call, says]] of Object.entries(OTHER)) {
      await using run = await open(root);
      const { message, details } = await runErrorOf(call(run), "mismatch");
      assertStringIncludes(message, says, what);
      assertEquals(details.runId, RUN_ID);
      assert(details.nodeId !== undefined, what);
    }
    // The right call can still be made.
    await using run = await open(root);
    await runErrorOf(run.step("bare", world.act(2), { input: 7 }), "mismatch");
    assertEquals(await run.step("bare", world.act(2)), 1);
    assertEquals(world.begun, ["step 1", "bare 1"]);
  }));

Deno.test("an input with its members in another order is the same", () =>
  withMemoryDir(async (root) => {
    await recordAll(root, new World());
    await using run = await open(root);
    const input = { b: [1, { d: 3, c: 2 }], gone: undefined, a: 1 };
    assertEquals(await run.step("step", () => 2 as unknown, { input }), { n: 1 });
  }));

for (const accept of [true, ["step", "bare", "gate"]] as const) {
  Deno.test(`accept: ${JSON.stringify(accept)} gives what is recorded in spite of a mismatch`, () =>
    withMemoryDir(async (root) => {
      await recordAll(root, new World());
      await using run = await open(root, { accept });
      assertEquals(await run.step("step", () => 2 as unknown, { input: 7 }), { n: 1 });
      assertEquals(
        await run.step("bare", () => 2 as unknown, { schema: textSchema }) as unknown,
        1,
      );
      const value = await run.waitFor("gate", { schema: textSchema }) as unknown as { n: number };
      assertEquals(value, { n: 1 });
      value.n = 2;
      await runErrorOf(run.step("sleep", () => 2), "mismatch");
      await run.finish();
      await checkRecords(placeIn(root));
    }));
}

Deno.test("accept of another step accepts nothing", () =>
  withMemoryDir(async (root) => {
    await recordAll(root, new World());
    await using run = await open(root, { accept: ["bare", "version"] });
    await runErrorOf(run.step("step", () => 2), "mismatch");
  }));

Deno.test("a step that is not over and has another input is a mismatch too, unless that is accepted", () =>
  withMemoryDir(async (root) => {
    const fails = () => Promise.reject(new Error("no"));
    const call = (run: Run, input: number, work: () => unknown) => run.step("a", work, { input });
    await errorOf(durable(
      { root, name: "demo", runId: RUN_ID },
      (run) => call(run, 1, fails),
    ));
    {
      await using run = await open(root);
      await runErrorOf(call(run, 2, () => 2), "mismatch");
    }
    await using run = await open(root, { accept: ["a"] });
    assertEquals(await call(run, 2, () => 2), 2);
  }));

/** Options with which the run is not gone on with. */
const REFUSED: [options: Partial<OpenRunOptions>, says: string][] = [
  [
    { version: "2" },
    `Cannot go on with the run ${RUN_ID}: version "1" has recorded it, and this is version "2"; ` +
    'start that version, or accept: ["version"] to go on with this one',
  ],
  [{}, 'this is version "none"'],
  [{ runtimeProvenance: "p" }, 'this is version "p"'],
  [{ version: "2", accept: ["a"] }, 'this is version "2"'],
  [
    { version: "1", name: "other" },
    `Cannot go on with the run ${RUN_ID}: it is one of "demo", and not of "other"; choose another runId`,
  ],
];

Deno.test("another version or name is refused before anything begins or is written", () =>
  withMemoryDir(async (root) => {
    const world = new World();
    const program = (run: Run) => run.step("a", world.fail(new Error("no")));
    const options = { root, name: "demo", runId: RUN_ID };
    await errorOf(durable({ ...options, version: "1" }, program));
    const before = filesIn(root);
    for (const [more, says] of REFUSED) {
      const { message } = await runErrorOf(durable({ ...options, ...more }, program), "mismatch");
      assertStringIncludes(message, says);
      // Who holds a run has its lock, which says who that is.
      const after = filesIn(root);
      for (const files of [before, after]) files.delete(`/runs/${RUN_ID}/live.lock`);
      assertEquals(after, before);
    }
    assertEquals(world.begun, ["a 1"]);
  }));

for (const accept of [true, ["version"]] as const) {
  Deno.test(`accept: ${JSON.stringify(accept)} goes on with another version, which is recorded`, () =>
    withMemoryDir(async (root) => {
      const place = placeIn(root);
      const versions = ["1", "2", "2"];
      for (const [sitting, version] of versions.entries()) {
        await using run = await open(root, { version, ...(sitting === 1 && { accept }) });
        assertEquals(await run.step("a", () => sitting), 0);
        if (sitting === 2) await run.finish();
      }
      const resumed = linesOf(place, "resumed");
      assertEquals(resumed.map(({ changed, runtime_provenance: version }) => [changed, version]), [
        [["version"], "2"],
        [[], "2"],
      ]);
      await checkRecords(place);
    }));
}

Deno.test("constraints that are given later are told and not used", () =>
  withMemoryDir(async (root) => {
    const mostAtOnce = async (limit: number, sitting: number) => {
      await using run = await open(root, { constraints: { max_in_flight: limit, max_retries: 0 } });
      let [running, most] = [0, 0];
      await Promise.all(
        Array.from(
          { length: 6 },
          (_, index) =>
            run.step(`${sitting} ${index}`, async () => {
              most = Math.max(most, ++running);
              await new Promise((resolve) => setTimeout(resolve, 1));
              running--;
            }),
        ),
      );
      return most;
    };
    assertEquals([await mostAtOnce(2, 1), await mostAtOnce(5, 2), await mostAtOnce(2, 3)], [
      2,
      2,
      2,
    ]);
    const changed = linesOf(placeIn(root), "resumed").map(({ changed }) => changed);
    assertEquals(changed, [["constraints"], []]);
  }));

Deno.test("a run that has completed gives its results; what it has not is a mismatch", () =>
  withMemoryDir(async (root) => {
    const world = new World();
    const options = { root, name: "demo", runId: RUN_ID };
    const first = (run: Run) => run.step("a", world.act({ n: 1 }));
    assertEquals(await durable(options, first), { n: 1 });
    const before = filesIn(root);
    assertEquals(await durable(options, first), { n: 1 });
    // It gives what it had given, whatever the program gives now.
    assertEquals(
      await durable(options, async (run) => {
        await first(run);
        return { n: 2 };
      }),
      { n: 1 },
    );
    const calls: ((run: Run) => Promise<unknown>)[] = [
      (run) => run.step("b", world.act(1)),
      (run) => run.sleep("b", 0),
      (run) => run.waitFor("b"),
      (run) => run.record("b", 1),
      (run) => run.submit("b"),
    ];
    for (const call of calls) {
      const { message } = await runErrorOf(durable(options, call), "mismatch");
      assertEquals(
        message,
        `Cannot begin "b": the run ${RUN_ID} has completed without it; begin a new run for another program`,
      );
    }
    assertEquals(world.begun, ["a 1"]);
    const after = filesIn(root);
    for (const files of [before, after]) files.delete(`/runs/${RUN_ID}/live.lock`);
    assertEquals(after, before);
  }));

Deno.test("a run that has completed gives the same to a program that did not wait for all to the end", () =>
  withMemoryDir(async (root) => {
    const world = new World();
    const options = { root, name: "demo", runId: RUN_ID };
    const program = async (run: Run) => {
      void run.sleep("never awaited", 3_600_000);
      const values: unknown[] = [];
      for (const id of ["a", "b"]) {
        const late = run.sleep(`${id} is late`, 3_600_000).then(() => "late");
        values.push(
          await Promise.race([late, run.waitFor(`ask ${id}`), run.step(id, world.act(id))]),
        );
      }
      return values;
    };
    for (let time = 1; time <= 2; time++) {
      assertEquals(await durable(options, program), ["a", "b"]);
    }
    assertEquals(world.begun, ["a 1", "b 1"]);
    for (
      const call of [(run: Run) => run.sleep("a is late", 1), (run: Run) => run.waitFor("ask b")]
    ) {
      const { message } = await runErrorOf(durable<unknown>(options, call), "mismatch");
      assertStringIncludes(message, "has completed without it");
    }
  }));

Deno.test("what a program that was finished never asked for is listed in its end", () =>
  withMemoryDir(async (root) => {
    await recordAll(root, new World());
    {
      await using run = await open(root);
      await errorOf(run.step("failed", () => Promise.reject(new Error("no"))));
      // Cut off by the end.
      void run.step(
        "cut off",
        ({ signal }) =>
          new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
      );
      void run.waitFor("never passed");
      void run.sleep("long", 3_600_000);
    }
    await using run = await open(root);
    await run.step("bare", () => 1);
    await run.step("new", () => 1);
    const { state, unasked } = await run.finish();
    assertEquals(state, "Completed");
    const expected = [
      "step",
      "gate",
      "sleep",
      "record",
      "failed",
      "cut off",
      "never passed",
      "long",
    ];
    assertEquals(unasked.toSorted(), expected.toSorted());
  }));
