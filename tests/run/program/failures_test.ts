/** Steps that have failed for good: what the program gets, the first time and when it goes on. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  durable,
  type ErrorRecord,
  type OpenRunOptions,
  passGate,
  type Run,
  StepError,
} from "../../../run/mod.ts";
import { withMemoryDir } from "../../_util/temp.ts";
import { checkRecords, logOf, type Place } from "../_records.ts";
import { copyFolder, errorOf, linesOf, open, placeIn, RUN_ID, World } from "./_programs.ts";

const options = (root: string): OpenRunOptions => ({ root, name: "demo", runId: RUN_ID });

/** The failure that a promise rejects with. */
async function failureOf(promise: Promise<unknown>): Promise<StepError> {
  const error = await errorOf(promise);
  assert(error instanceof StepError, String(error));
  return error;
}

/** What a failure says. */
const saysOf = ({ name, message, stepId, attempts, cause }: StepError) => {
  return { name, message, stepId, attempts, cause };
};

const refusing = (says: string) => ({
  "~standard": {
    version: 1 as const,
    vendor: "test",
    validate: () => ({ issues: [{ message: says }] }),
  },
});

class OddError extends Error {
  override readonly name = "OddError";
  readonly code = "E_ODD";
  readonly kind = "odd";
}

/** Ways to fail, and the cause that a program is given. */
const WAYS: Record<string, [fails: (run: Run, place: Place) => Promise<unknown>, ErrorRecord]> = {
  "an error with a name, a code, a kind and causes": [
    (run) =>
      run.step("a", () => {
        throw new OddError("no", { cause: new TypeError("inner", { cause: "innermost" }) });
      }),
    {
      name: "OddError",
      message: "no",
      code: "E_ODD",
      kind: "odd",
      causes: [{ name: "TypeError", message: "inner" }, { message: "innermost" }],
    },
  ],
  "a text": [(run) => run.step("a", () => Promise.reject("no words")), { message: "no words" }],
  "nothing": [(run) => run.step("a", () => Promise.reject()), { message: "undefined" }],
  "a result that is no JSON": [
    (run) => run.step("a", () => ({ when: new Date(0) })),
    {
      name: "TypeError",
      message:
        "its result is no JSON: $.when is of type Date, which JSON would change: give it as plain JSON",
      code: "not-json",
    },
  ],
  "a result that is too large": [
    (run) => run.step("a", () => "x".repeat(16 * 1024 * 1024)),
    {
      name: "RangeError",
      message: "its result has 16777218 bytes, and 16777216 is the most: name a file in it instead",
      code: "too-large",
    },
  ],
  "a result that its schema refuses": [
    (run) => run.step("a", () => 7, { schema: refusing("no text") }),
    { message: "its result is not what its schema says: no text", code: "schema" },
  ],
  "a time that is over": [
    (run) =>
      run.step("a", ({ signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason));
        }), { timeoutMs: 1 }),
    { name: "TimeoutError", message: "it did not end in time", code: "timeout" },
  ],
  "a gate that is denied": [
    async (run, { root, runId }) => {
      await passGate(root, runId, "a", { reject: true, by: "bob" });
      return await run.waitFor("a");
    },
    { message: "the gate was denied by bob", code: "gate-denied" },
  ],
  "a gate that nobody passes": [
    (run) => run.waitFor("a", { timeoutMs: 1 }),
    { message: "nobody passed it in time", code: "gate-timeout" },
  ],
};

for (const [way, [fails, cause]] of Object.entries(WAYS)) {
  Deno.test(`a failure by ${way} is the same the first time and after going on`, () =>
    withMemoryDir(async (root) => {
      const place = placeIn(root);
      const says = [];
      for (let sitting = 1; sitting <= 3; sitting++) {
        await using run = await open(root);
        const error = await failureOf(fails(run, place));
        says.push(saysOf(error));
        assertStringIncludes(error.message, cause.message);
      }
      assertEquals(says[0], { ...says[0]!, stepId: "a", attempts: 1, cause });
      assertEquals(says.slice(1), [says[0]!, says[0]!]);
      await checkRecords(place);
    }));
}

Deno.test("the stack of a failure says where it was thrown, in the process in which it was", () =>
  withMemoryDir(async (root) => {
    const thrown = new TypeError("odd\n    at first sight");
    const stacks: (string | undefined)[] = [];
    for (let sitting = 1; sitting <= 2; sitting++) {
      await using run = await open(root);
      const error = await failureOf(run.step("a", () => {
        throw thrown;
      }));
      assert(error.stack?.startsWith(`StepError: ${error.message}\n    at `), error.stack);
      stacks.push(error.stack);
    }
    assertStringIncludes(stacks[0]!, thrown.stack!.slice(thrown.stack!.indexOf(import.meta.url)));
    assertEquals(stacks[1]!.includes(import.meta.url), false);
    const odd = Object.defineProperty(new Error("odd"), "stack", {
      get: () => {
        throw new Error("a stack that cannot be read");
      },
    });
    await using run = await open(root);
    assertEquals((await failureOf(run.step("b", () => Promise.reject(odd)))).cause.message, "odd");
  }));

Deno.test("a failure that was caught stands: what was compensated for is not done again", () =>
  withMemoryDir(async (root) => {
    const world = new World();
    let isUp = false;
    const saga = () =>
      durable(options(root), async (run) => {
        try {
          await run.step("charge", world.fail(new Error("declined")));
        } catch (error) {
          assert(error instanceof StepError);
          await run.step("refund", world.act(null));
        }
        await run.step("mail", (context) => {
          world.note(context);
          if (!isUp) throw new Error("no connection");
        });
        return "told";
      });
    await failureOf(saga());
    await failureOf(saga());
    isUp = true;
    assertEquals(await saga(), "told");
    assertEquals(world.begun, ["charge 1", "refund 1", "mail 1", "mail 2", "mail 3"]);
    const aborted = logOf(placeIn(root)).filter(({ type }) => type === "pipe.aborted");
    assertEquals(aborted.map((event) => [event.reason, Reflect.get(event, "failed_step")]), [
      ['"mail" failed: no connection', "mail"],
      ['"mail" failed: no connection', "mail"],
    ]);
    await checkRecords(placeIn(root));
  }));

/** What programs make of a failure that they throw. */
const WRAPPED: Record<string, (error: unknown) => unknown> = {
  "as it is": (error) => error,
  "as a cause": (error) => new Error("outer", { cause: new Error("inner", { cause: error }) }),
  "with others": (error) =>
    new AggregateError([new Error("other"), new Error("x", { cause: error })]),
  "as a cause that is no error": (error) => ({ cause: error }),
  "behind another error": (error) => new SuppressedError(new Error("not closed"), error),
  "in a circle": (error) => {
    const outer = new Error("outer") as Error & { cause: unknown };
    outer.cause = new AggregateError([outer, error]);
    return outer;
  },
};

for (const [how, wrap] of Object.entries(WRAPPED)) {
  for (const what of ["step", "gate"] as const) {
    Deno.test(`the ${what} that has ended the run is asked again, where its failure is thrown ${how}`, () =>
      withMemoryDir(async (root) => {
        const place = placeIn(root);
        const world = new World();
        const program = () =>
          durable(options(root), async (run) => {
            await run.step("before", world.act(1));
            const asked = what === "gate"
              ? run.waitFor("a", { timeoutMs: 10 })
              : run.step("a", (context) => {
                world.note(context);
                if (context.attempt === 1) throw new Error("not yet");
                return "done";
              });
            return await asked.catch((error) => {
              throw wrap(error);
            });
          });
        await errorOf(program());
        assertEquals(linesOf(place, "ended")[0]?.failed, "a");
        if (what === "gate") await passGate(root, place.runId, "a", { value: "done" });
        assertEquals(await program(), "done");
        assertEquals(world.begun, ["before 1", ...(what === "gate" ? [] : ["a 1", "a 2"])]);
        await checkRecords(place);
      }));
  }
}

Deno.test("a failure of another run does not count", () =>
  withMemoryDir(async (folder) => {
    const [first, second] = [`${folder}/a`, `${folder}/b`];
    const world = new World();
    const other = await failureOf(
      durable(options(first), (run) => run.step("a", world.fail(new Error("other")))),
    );
    const program = () =>
      durable(options(second), async (run) => {
        await run.step("a", world.fail(new Error("own"))).catch(() => {});
        throw other;
      });
    for (let sitting = 0; sitting < 2; sitting++) assertEquals(await errorOf(program()), other);
    const ended = linesOf(placeIn(second), "ended");
    assertEquals(ended.map(({ failed }) => failed), [undefined, undefined]);
    assertEquals(world.begun, ["a 1", "a 1"]);
  }));

Deno.test("what was asked again and cut off is asked again; a failure that nobody has heard of stands", () =>
  withMemoryDir(async (folder) => {
    const [root, image] = [`${folder}/a`, `${folder}/b`];
    const world = new World();
    const program = (root: string, onStep: (attempt: number) => void = () => {}) =>
      durable(options(root), (run) =>
        run.step("a", (context) => {
          world.note(context);
          onStep(context.attempt);
          throw new Error(`no ${context.attempt}`);
        }));
    await failureOf(program(root));
    // Killed while it is made again.
    await failureOf(program(root, () => copyFolder(root, image)));
    const error = await failureOf(program(image));
    assertEquals([error.attempts, world.begun], [3, ["a 1", "a 2", "a 3"]]);

    // Killed between the failure and the end of the run.
    const [cut, journal] = [`${folder}/c`, `${folder}/c/runs/${RUN_ID}/capture.jsonl`];
    copyFolder(root, cut);
    const lines = (await Deno.readTextFile(journal)).split("\n");
    const end = lines.findLastIndex((line) => line.includes('"ended"'));
    await Deno.writeTextFile(journal, lines.slice(0, end).map((line) => `${line}\n`).join(""));
    const log = `${folder}/c/runs/${RUN_ID}/events.jsonl`;
    const events = (await Deno.readTextFile(log)).trimEnd().split("\n");
    await Deno.writeTextFile(log, events.slice(0, -1).map((line) => `${line}\n`).join(""));
    assertEquals((await failureOf(program(cut))).attempts, 2);
    assertEquals((await failureOf(program(cut))).attempts, 3);
    await checkRecords(placeIn(cut));
  }));

for (const retryFailed of [true, ["b"], ["c"], []] as const) {
  Deno.test(`retryFailed: ${JSON.stringify(retryFailed)} makes again what it says, and counts on`, () =>
    withMemoryDir(async (root) => {
      const world = new World();
      const sitting = async (more: Partial<OpenRunOptions> = {}) => {
        await using run = await open(root, more);
        const failures = [];
        for (const id of ["a", "b"]) {
          failures.push((await failureOf(run.step(id, world.fail(new Error("no"))))).attempts);
        }
        const denied = await failureOf(run.waitFor("c", { timeoutMs: 1 }));
        return [...failures, denied.attempts];
      };
      assertEquals(await sitting(), [1, 1, 1]);
      const has = (id: string) =>
        retryFailed === true || (retryFailed as readonly string[]).includes(id);
      const expected = ["a", "b", "c"].map((id) => has(id) ? 2 : 1);
      assertEquals(await sitting({ retryFailed }), expected);
      // What was made again stands from then on.
      assertEquals(await sitting(), expected);
      await checkRecords(placeIn(root));
    }));
}

Deno.test("of a run that has completed failures stand, whatever is to be made again", () =>
  withMemoryDir(async (root) => {
    const program = async (run: Run) => {
      return (await failureOf(run.step("a", () => Promise.reject(new Error("no"))))).message;
    };
    const first = await durable(options(root), program);
    for (const retryFailed of [true, ["a"]] as const) {
      assertEquals(await durable({ ...options(root), retryFailed }, program), first);
    }
  }));

Deno.test("of two that fail at once each is asked again by the run that it has ended", () =>
  withMemoryDir(async (root) => {
    const world = new World();
    let isUp = false;
    const step = (run: Run, id: string) =>
      run.step(id, (context) => {
        world.note(context);
        if (!isUp) throw new Error("down");
        return id;
      });
    const program = () =>
      durable(options(root), (run) => Promise.all([step(run, "a"), step(run, "b")]));
    assertEquals((await failureOf(program())).stepId, "a");
    isUp = true;
    assertEquals((await failureOf(program())).stepId, "b");
    assertEquals(await program(), ["a", "b"]);
    assertEquals(world.begun, ["a 1", "b 1", "a 2", "b 2"]);
    await checkRecords(placeIn(root));
  }));
