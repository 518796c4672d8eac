/** Calls that are refused before anything of them is recorded, and ids that are not. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { durable, type Run } from "../../../run/mod.ts";
import { namesIn } from "../../_util/files.ts";
import { withMemoryDir } from "../../_util/temp.ts";
import { checkRecords } from "../_records.ts";
import { errorOf, journalOf, open, placeIn, RUN_ID, World } from "./_programs.ts";

/** The run as plain JavaScript can call it: no compiler stands in between. */
type Loose = Record<
  "step" | "sleep" | "waitFor" | "record" | "submit",
  (...args: unknown[]) => Promise<unknown>
>;

const work = () => 1;
const schema = {
  "~standard": { version: 1, vendor: "test", validate: (value: unknown) => ({ value }) },
};

type Refused = [call: (run: Loose) => Promise<unknown>, name: string, says: string];

const CALLS: Refused[] = [
  [(run) => run.step("a"), "TypeError", "Cannot use the work of the step: expected a function"],
  [(run) => run.step("a", {}), "TypeError", "the work of the step"],
  [(run) => run.step("a", work, null), "TypeError", "options"],
  [(run) => run.step("a", work, 7), "TypeError", "options"],
  [(run) => run.step("a", work, { timeoutMs: "1s" }), "TypeError", "timeoutMs"],
  [(run) => run.step("a", work, { timeoutMs: 0 }), "RangeError", "timeoutMs 0"],
  [(run) => run.step("a", work, { timeoutMs: NaN }), "RangeError", "timeoutMs NaN"],
  [(run) => run.step("a", work, { retry: 3 }), "TypeError", "retry"],
  [(run) => run.step("a", work, { retry: { maxRetries: "3" } }), "TypeError", "maxRetries"],
  [
    (run) => run.step("a", work, { retry: { maxRetries: 1.5 } }),
    "RangeError",
    "retry.maxRetries 1.5",
  ],
  [
    (run) => run.step("a", work, { retry: { maxRetries: -1 } }),
    "RangeError",
    "retry.maxRetries -1",
  ],
  [
    (run) => run.step("a", work, { retry: { maxAttempts: 0 } }),
    "RangeError",
    "retry.maxAttempts 0",
  ],
  [(run) => run.step("a", work, { retry: { factor: 0 } }), "RangeError", "retry.factor 0"],
  [(run) => run.step("a", work, { retry: { factor: 1.5 } }), "RangeError", "retry.factor 1.5"],
  [(run) => run.step("a", work, { retry: { factor: 1001 } }), "RangeError", "retry.factor 1001"],
  [(run) => run.step("a", work, { retry: { delayMs: -1 } }), "RangeError", "retry.delayMs -1"],
  [
    (run) => run.step("a", work, { retry: { maxDelayMs: NaN } }),
    "RangeError",
    "retry.maxDelayMs NaN",
  ],
  [(run) => run.step("a", work, { retry: { if: true } }), "TypeError", "if"],
  [(run) => run.step("a", work, { schema: work }), "TypeError", "schema"],
  [(run) => run.step("a", work, { schema: {} }), "TypeError", "no Standard Schema"],
  [(run) => run.waitFor("a", null), "TypeError", "options"],
  [(run) => run.waitFor("a", { timeoutMs: "1s" }), "TypeError", "timeoutMs"],
  [(run) => run.waitFor("a", { schema: { "~standard": {} } }), "TypeError", "no Standard Schema"],
  [(run) => run.submit("a", []), "TypeError", "not a JSON object"],
  [(run) => run.submit("a", { when: new Map() }), "TypeError", "$.when"],
];

/** What is no id. */
const NO_IDS: [id: unknown, says: string][] = [
  [undefined, "not blank"],
  [7, "not blank"],
  [null, "not blank"],
  ["", "not blank"],
  [" \n", "not blank"],
  [":pump-1", "begins with ':'"],
  ["a#2", "'#' and digits"],
  ["#2", "'#' and digits"],
  ["x".repeat(1001), "at most 1000 characters"],
  ["\ud800", "lone surrogate"],
];

const IDS = [
  "a b",
  "a#b",
  "a#",
  "#",
  "a#2#b",
  "..",
  ".",
  "/etc/passwd",
  "a\\b",
  "__proto__",
  "constructor",
  "toString",
  "A",
  "é\u{1f600}",
  "CON",
  "two\nlines",
  "\u0000",
  "-",
  "a.1",
  "x".repeat(1000),
  "é".repeat(1000),
  `${"x".repeat(999)}y`,
];

const WAYS: Record<string, (run: Loose, id: unknown) => Promise<unknown>> = {
  step: (run, id) => run.step(id, work),
  sleep: (run, id) => run.sleep(id, 0),
  waitFor: (run, id) => run.waitFor(id, { timeoutMs: 1 }),
  record: (run, id) => run.record(id, 1),
  submit: (run, id) => run.submit(id),
};

const invoker = { run: () => "Completed" as const };

Deno.test("what is wrong with a call is told by a rejection that names it, and nothing of it is recorded", () =>
  withMemoryDir(async (root) => {
    await using run = await open(root, { invoker });
    const loose = run as unknown as Loose;
    for (const [index, [call, name, says]] of CALLS.entries()) {
      const error = await errorOf(call(loose)).catch((error) => {
        throw new Error(`${index}: ${error.message}`);
      }) as Error;
      assertEquals(error.name, name, `${index}: ${error.message}`);
      assertStringIncludes(error.message, says);
      assertEquals(error.message.startsWith("Cannot "), true, error.message);
    }
    for (const [way, ask] of Object.entries(WAYS)) {
      for (const [id, says] of NO_IDS) {
        const error = await errorOf(ask(loose, id)) as Error;
        assertEquals(error.name, "TypeError", `${way}: ${error.message}`);
        assertStringIncludes(error.message, says);
      }
    }
    assertEquals(journalOf(placeIn(root)).map(({ type }) => type), ["session"]);
    // The id is not used up by that.
    assertEquals(await run.step("a", work), 1);
  }));

Deno.test("what is as good as nothing is allowed: no schema, no limit of time, no options", () =>
  withMemoryDir(async (root) => {
    await using run = await open(root);
    const { step } = WAYS;
    assertEquals(await step!(run as unknown as Loose, "a"), 1);
    const options = [
      undefined,
      {},
      { schema: undefined, input: undefined, retry: undefined, timeoutMs: undefined },
      { schema },
      { retry: {} },
      { retry: { maxRetries: undefined, if: undefined } },
      { timeoutMs: Infinity },
      { timeoutMs: 1e300 },
      { timeoutMs: 0.5e10 },
      { retry: { maxRetries: 2 ** 32 - 1, delayMs: 1e15, maxDelayMs: Infinity } },
    ];
    for (const [index, one] of options.entries()) {
      assertEquals(await (run as unknown as Loose).step(`b ${index}`, work, one), 1);
    }
    await run.finish();
    await checkRecords(placeIn(root));
  }));

for (const [first, ask] of Object.entries(WAYS)) {
  Deno.test(`an id that is used by ${first} is refused for anything else, as long as the program runs`, () =>
    withMemoryDir(async (root) => {
      await using run = await open(root, { invoker });
      const loose = run as unknown as Loose;
      await ask(loose, "a").catch(() => {});
      for (const again of Object.values(WAYS)) {
        const error = await errorOf(again(loose, "a")) as Error;
        assertEquals(error.name, "TypeError");
        assertStringIncludes(error.message, '"a" twice');
      }
    }));
}

Deno.test("any other text is an id, of long results too", () =>
  withMemoryDir(async (root) => {
    const world = new World();
    const long = "x".repeat(70_000);
    for (let sitting = 1; sitting <= 3; sitting++) {
      const ids = await durable({ root, name: "demo", runId: RUN_ID }, async (run: Run) => {
        const given = [];
        for (const id of IDS) given.push(await run.step(id, world.act(id + long)));
        if (sitting === 1) throw new Error("again");
        return given.map((text) => text.slice(0, -long.length));
      }).catch(() => IDS);
      assertEquals(ids, IDS);
    }
    assertEquals(world.begun.length, IDS.length);
    await checkRecords(placeIn(root));
  }));

Deno.test("options that contradict each other begin no run", async () => {
  await withMemoryDir(async (root) => {
    const both = [
      [{ version: "1", runtimeProvenance: "p" }, "both say which program it is"],
      [{ runId: "a", resume: "newest" }, "that names the run already"],
      [{ resume: "oldest" }, 'say "newest"'],
    ] as const;
    for (const [options, says] of both) {
      const given = { root, name: "demo", ...options } as Parameters<typeof durable>[0];
      const error = await errorOf(durable(given, () => 1)) as Error;
      assertEquals(error.name, "TypeError");
      assertStringIncludes(error.message, says);
    }
    assertEquals(namesIn(root), []);
  });
});
