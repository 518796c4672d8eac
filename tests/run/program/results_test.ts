/** What steps give: what is recorded, the first time as when the run is gone on with. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { runPaths } from "../../../_internal/root_layout.ts";
import { readCaptureBundle, recoverCapture } from "../../../capture/mod.ts";
import { type Run, StepError } from "../../../run/mod.ts";
import { withMemoryDir } from "../../_util/temp.ts";
import { checkRecords, logOf } from "../_records.ts";
import { endsOf, errorOf, filesIn, open, placeIn, World } from "./_programs.ts";

function nested(levels: number): unknown {
  let value: unknown = [];
  for (let level = 1; level < levels; level++) value = level % 2 === 0 ? [value] : { value };
  return value;
}

class Point {
  constructor(readonly x: number) {}
}

/** What functions return, and what programs get of it. */
const GIVEN: [what: string, returned: unknown, given?: unknown][] = [
  ["nothing", undefined],
  ["null", null],
  ["false", false],
  ["an empty text", ""],
  ["0", 0],
  ["-0", -0, 0],
  ["1e300", 1e300],
  ["the smallest number", 5e-324],
  ["the largest integer", 2 ** 53 - 1],
  ["a fraction", 0.1 + 0.2],
  ["an empty list", []],
  ["a member that is undefined", { a: undefined, b: 1 }, { b: 1 }],
  ["a function as a member", { a: () => 1, b: 1 }, { b: 1 }],
  ["an object without a prototype", Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
  ["the members of a class", new Point(1), { x: 1 }],
  ["__proto__", JSON.parse('{"__proto__":{"a":1},"constructor":2,"":3}')],
  ["odd texts", '\u0000\u2028\u{1f600}\u202e"\\\n'],
  ["100 levels", nested(100)],
  ["101 levels", nested(101)],
  ["1,000 levels", nested(1000)],
];

Deno.test("a program gets what was recorded of a result, and the same when it goes on", () =>
  withMemoryDir(async (root) => {
    const world = new World();
    for (let sitting = 1; sitting <= 2; sitting++) {
      await using run = await open(root);
      for (const [what, returned, ...rest] of GIVEN) {
        const expected = rest.length === 0 ? returned : rest[0];
        const given = await run.step(what, world.act(returned));
        const text = JSON.stringify(given);
        assertEquals(text, JSON.stringify(expected), what);
        if (typeof given === "number") assert(Object.is(given, expected), what);
        if (what === "__proto__") assertEquals(Object.getPrototypeOf(given), Object.prototype);
      }
    }
    assertEquals(world.begun, GIVEN.map(([what]) => `${what} 1`));
    await checkRecords(placeIn(root));
  }));

function cycle(): unknown {
  const value: Record<string, unknown> = {};
  value.list = [value];
  return value;
}

/** What functions return, and why it is not taken. */
const REFUSED: [returned: unknown, says: string][] = [
  [new Date(0), "$ is of type Date"],
  [{ a: [new Date(NaN)] }, "$.a[0] is"],
  [new Map([[1, 2]]), "$ is of type Map"],
  [{ a: new Set() }, "$.a is of type Set"],
  [{ a: NaN }, "$.a is NaN"],
  [[Infinity], "$[0] is Infinity"],
  [2 ** 53, "an integer beyond 2^53"],
  [10n, "BigInt"],
  [() => 1, "$ is a function"],
  [Symbol("a"), "$ is a symbol"],
  [new Uint8Array(2), "$ is of type Uint8Array"],
  [{ a: new ArrayBuffer(2) }, "$.a is of type ArrayBuffer"],
  [/a/, "$ is of type RegExp"],
  [new Error("a"), "$ is of type Error"],
  [{ a: new URL("http://a/") }, "$.a is of type URL"],
  [{ toJSON: () => 1 }, "$ is of type Object"],
  ["\ud800", "a lone surrogate"],
  [{ "\ud800": 1 }, "a lone surrogate"],
  [cycle(), "$.list[0] leads back to $"],
  [{ a: Promise.resolve(1) }, "$.a is of type Promise"],
  [nested(10_001), "nested deeper than"],
  [{
    get a() {
      throw new Error("nobody may know");
    },
  }, "nobody may know"],
];

Deno.test("a result that JSON would change is a failure that is not tried again: the work is done", () =>
  withMemoryDir(async (root) => {
    const world = new World();
    for (let sitting = 1; sitting <= 2; sitting++) {
      await using run = await open(root);
      for (const [index, [returned, says]] of REFUSED.entries()) {
        const id = `refused ${index}`;
        const error = await errorOf(
          run.step(id, world.act(returned), { retry: { maxRetries: 3 } }),
        );
        assert(error instanceof StepError, `${index}: ${error}`);
        assertEquals(
          [error.attempts, error.cause.code],
          [1, "not-json"],
          `${index}: ${error.message}`,
        );
        assertStringIncludes(error.message, says);
      }
    }
    assertEquals(world.begun.length, REFUSED.length);
    await checkRecords(placeIn(root));
  }));

const KIB = 1024;
/** Texts of this many bytes as JSON, and whether their result stands in a file. */
const SIZES: [what: string, text: string, isInFile: boolean][] = [
  ["65,536 bytes", "x".repeat(64 * KIB - 2), false],
  ["one more", "x".repeat(64 * KIB - 1), true],
  ["65,536 bytes of two each", "é".repeat(32 * KIB - 1), false],
  ["two more", "é".repeat(32 * KIB), true],
  ["65,536 bytes that are escaped", "\n".repeat(32 * KIB - 1), false],
  ["16 MiB", "x".repeat(16 * KIB * KIB - 2), true],
];

Deno.test("what has at most 65,536 bytes stands in the journal and the log, more in a file of its own", () =>
  withMemoryDir(async (root) => {
    const world = new World();
    for (let sitting = 1; sitting <= 2; sitting++) {
      await using run = await open(root);
      for (const [what, text] of SIZES) {
        assert(await run.step(what, world.act(text)) === text, what);
      }
      // Whatever an attempt has left that nobody knows of.
    }
    assertEquals(world.begun.length, SIZES.length);
    const place = placeIn(root);
    const ends = new Map(endsOf(place));
    for (const [what, text, isInFile] of SIZES) {
      const told = logOf(place).find((event) =>
        event.node_id === what && event.type === "node.completed"
      );
      const { result, result_hash: hash } = ends.get(what)!;
      assertEquals([result === text, hash !== undefined], [!isInFile, isInFile], what);
      assertEquals(Reflect.get(told!, "output") === text, !isInFile);
      assertEquals(Reflect.get(told!, "result_hash"), hash);
    }
    const files = [...filesIn(root).keys()].filter((path) => path.endsWith(".result"));
    assertEquals(files.length, SIZES.filter(([_, __, isInFile]) => isInFile).length);
    await checkRecords(place);
  }));

Deno.test("a result file that an attempt left whose end nobody has seen is written over", () =>
  withMemoryDir(async (root) => {
    const place = placeIn(root);
    const text = "x".repeat(100 * KIB);
    {
      await using _run = await open(root);
    }
    const nodes = runPaths(root, place.runId).nodes;
    await Deno.mkdir(nodes, { recursive: true });
    await Deno.writeTextFile(`${nodes}/a.1.result`, `"${"y".repeat(300 * KIB)}"`);
    for (let sitting = 1; sitting <= 2; sitting++) {
      await using run = await open(root);
      assert(await run.step("a", () => text) === text);
    }
  }));

Deno.test("what a program does to a result changes nothing that is recorded", () =>
  withMemoryDir(async (root) => {
    const place = placeIn(root);
    const mutate = (value: { list: unknown[] }) => void value.list.push("changed");
    const program = async (run: Run) => {
      const returned = { list: [1] };
      const given = await run.step("a", () => returned);
      mutate(returned);
      assertEquals(given, { list: [1] });
      mutate(given);
      const input = { list: [2] };
      const done = run.step("b", ({ input }) => {
        mutate(input);
        throw new Error("no");
      }, { input });
      mutate(input);
      const error = await errorOf(done) as StepError;
      Object.assign(error.cause, { message: "changed" });
      const data = { list: [3] };
      const recorded = run.record("c", data);
      mutate(data);
      await recorded;
    };
    for (let sitting = 1; sitting <= 2; sitting++) {
      await using run = await open(root, { trace: { captureInputs: true } });
      await program(run);
      if (sitting === 2) await run.finish({ list: [4] });
    }
    await checkRecords(place);
    const { journal, bundle, trace } = runPaths(root, place.runId);
    assertEquals((await recoverCapture(journal)).bundle, await readCaptureBundle(bundle));
    for (const path of [journal, bundle, trace]) {
      const lines = (await Deno.readTextFile(path)).split("\n");
      // Which parts of a run were changed is a member of its own.
      const changed = lines.filter((line) => line.replaceAll('"changed":', "").includes("changed"));
      assertEquals(changed, []);
    }
  }));
