import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  inEitherForm,
  itemsOfSteps,
  itemsOfStepsSync,
  runSteps,
  runStepsSync,
  type Step,
  type Steps,
} from "../../_internal/file_port.ts";

/** Says in which form it was done, or fails in it. */
function* form(fails = false): Steps<string> {
  const answer = (text: string): string => {
    if (fails) throw new RangeError(text);
    return text;
  };
  return yield* inEitherForm({
    sync: () => answer("sync"),
    // deno-lint-ignore require-await -- what is thrown is to be a rejection
    async: async () => answer("async"),
  });
}

function* twice(): Steps<string> {
  return (yield* form()) + " " + (yield* form());
}

Deno.test("steps are done in the form in which they are run", async () => {
  assertEquals(runStepsSync(twice()), "sync sync");
  assertEquals(await runSteps(twice()), "async async");
});

Deno.test("what a step throws is thrown where it was asked for, in either form", async () => {
  const ended: string[] = [];
  function* failing(): Steps<string> {
    try {
      return yield* form(true);
    } catch (error) {
      ended.push((error as Error).message);
      throw error;
    } finally {
      ended.push("finally");
    }
  }
  assertThrows(() => runStepsSync(failing()), RangeError, "sync");
  await assertRejects(() => runSteps(failing()), RangeError, "async");
  assertEquals(ended, ["sync", "finally", "async", "finally"]);
});

Deno.test("what a step throws before it makes a promise is thrown where it was asked for, too", async () => {
  const ended: string[] = [];
  function* failing(): Steps<void> {
    try {
      yield* inEitherForm({
        sync: () => {},
        async: (): Promise<void> => {
          throw new RangeError("at once");
        },
      });
    } finally {
      ended.push("finally");
    }
  }
  await assertRejects(() => runSteps(failing()), RangeError, "at once");
  assertEquals(ended, ["finally"]);
});

Deno.test("items of steps come one by one, and leaving the loop ends the steps", async () => {
  let open = 0;
  function* items(): Generator<Step | string, void, void> {
    open++;
    try {
      for (let number = 1;; number++) yield `${yield* form()} ${number}`;
    } finally {
      open--;
    }
  }
  const seen: string[] = [];
  for (const item of itemsOfStepsSync(items())) {
    if (seen.push(item) === 2) break;
  }
  for await (const item of itemsOfSteps(items())) {
    if (seen.push(item) === 4) break;
  }
  assertEquals(seen, ["sync 1", "sync 2", "async 1", "async 2"]);
  assertEquals(open, 0);
});
