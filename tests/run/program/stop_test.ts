/** How runs end: by their signal, by an error, by being let go of; and what hears of it. */
import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
} from "@std/assert";
import { durable, type OpenRunOptions, type Run, RunError } from "../../../run/mod.ts";
import { RunningProcess } from "../../_util/process.ts";
import { withMemoryDir } from "../../_util/temp.ts";
import { checkRecords, logOf } from "../_records.ts";
import {
  errorOf,
  linesOf,
  open,
  placeIn,
  RUN_ID,
  runErrorOf,
  WatchedRoot,
  World,
} from "./_programs.ts";

const optionsIn = (root: string): OpenRunOptions => ({ root, name: "demo", runId: RUN_ID });

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

/** Reasons by which a run is stopped; the last one is that of a timeout. */
const REASONS = [new Error("enough"), "a text", new DOMException("too long", "TimeoutError")];

for (const reason of REASONS) {
  Deno.test(`a stop by ${reason} reaches all who wait and all who come, and is no failure of a step`, () =>
    withMemoryDir(async (root) => {
      const world = new World();
      const stop = new AbortController();
      const place = placeIn(root);
      const heard: unknown[] = [];
      const call = (run: Run) => [
        run.step("b", () => 1),
        run.sleep("c", 0),
        run.waitFor("d"),
        run.record("e", 1),
        run.submit("f"),
        run.step("", () => 1),
      ];
      const stopped = durable({
        ...optionsIn(root),
        signal: stop.signal,
        invoker: { run: () => "Completed" },
        constraints: { max_in_flight: 1, max_retries: 3 },
      }, async (run) => {
        const pending = [
          run.step("a", (context) => {
            world.note(context);
            if (context.attempt > 1) return "done";
            setTimeout(() => stop.abort(reason), 1);
            return untilAborted(context.signal);
          }),
          run.step("deferred", world.act(1)),
          run.waitFor("gate"),
          run.sleep("sleep", 3_600_000),
        ];
        for (const { status, ...rest } of await Promise.allSettled(pending)) {
          assertEquals(status, "rejected");
          heard.push(Reflect.get(rest, "reason"));
        }
        assertStrictEquals(run.signal.reason, reason);
        const lines = linesOf(place, "event").length + linesOf(place, "wait").length;
        const later = await Promise.allSettled(call(run));
        assertEquals(linesOf(place, "event").length + linesOf(place, "wait").length, lines);
        for (const result of later.slice(0, 5)) heard.push(Reflect.get(result, "reason"));
        return "never";
      });
      assertStrictEquals(await errorOf(stopped), reason);
      // The program goes on after that, and nobody waits for it.
      while (heard.length < 9) await new Promise((resolve) => setTimeout(resolve, 1));
      for (const one of heard) assertStrictEquals(one, reason);
      assertEquals(logOf(place).at(-1)?.reason, "cancelled");
      await checkRecords(place);
      await using run = await open(root);
      assertEquals(await run.step("a", world.act("again")), "again");
      assertEquals(await run.step("deferred", world.act(1)), 1);
      assertEquals(world.begun, ["a 1", "a 2", "deferred 1"]);
    }));
}

Deno.test("a signal that has aborted before begins nothing, and what it says is what is thrown", () =>
  withMemoryDir(async (root) => {
    const world = new World();
    const reason = new Error("before");
    const signal = AbortSignal.abort(reason);
    for (let time = 1; time <= 2; time++) {
      const started = durable({ ...optionsIn(root), signal }, (run) => run.step("a", world.act(1)));
      assertStrictEquals(await errorOf(started), reason);
      await using run = await open(root);
      await run.step("b", () => 1);
    }
    // A run that is there is not gone on with.
    assertStrictEquals(await errorOf(open(root, { signal })), reason);
    assertEquals(world.begun, []);
  }));

Deno.test("a result that comes after the stop is recorded, and stands", () =>
  withMemoryDir(async (root) => {
    const stop = new AbortController();
    const world = new World();
    const program = durable(
      { ...optionsIn(root), signal: stop.signal },
      (run) =>
        run.step("a", async (context) => {
          world.note(context);
          setTimeout(() => stop.abort(new Error("enough")), 1);
          await untilAborted(context.signal).catch(() => {});
          return "in time";
        }),
    );
    assertEquals((await errorOf(program) as Error).message, "enough");
    await using run = await open(root);
    assertEquals(await run.step("a", world.act("again")), "in time");
    assertEquals(world.begun, ["a 1"]);
  }));

Deno.test("what is stopped when nothing is left to do has completed", () =>
  withMemoryDir(async (root) => {
    const stop = new AbortController();
    await using run = await open(root, { signal: stop.signal });
    await run.step("a", () => 1);
    stop.abort();
    assertEquals((await run.finish("all")).state, "Completed");
    assertEquals(linesOf(placeIn(root), "ended")[0]?.output, "all");
  }));

/** Ways to leave a run, and what its records say. */
const LEFT: Record<
  string,
  [leave: (root: string, world: World) => Promise<unknown>, reason: string]
> = {
  "is let go of": [async (root, world) => {
    await using run = await open(root);
    await run.step("a", world.act(1));
    void run.step("b", ({ signal, ...context }) => {
      world.note(context);
      return untilAborted(signal);
    });
  }, "not finished"],
  "is let go of because of an error": [async (root, world) => {
    await using run = await open(root);
    await run.step("a", world.act(1));
    throw new Error("a bug");
  }, "not finished"],
  "has an error in its program": [(root, world) =>
    durable(optionsIn(root), async (run) => {
      await run.step("a", world.act(1));
      throw new Error("a bug");
    }), "a bug"],
  "throws no error": [(root) =>
    durable(optionsIn(root), () => {
      throw undefined;
    }), "undefined"],
  "ends with what is no JSON": [
    (root) => durable(optionsIn(root), () => new Map()),
    "Cannot record what the run ends with: $ is of type Map",
  ],
};

for (const [what, [leave, reason]] of Object.entries(LEFT)) {
  Deno.test(`a run that ${what} is told as that, and can be gone on with`, () =>
    withMemoryDir(async (root) => {
      const world = new World();
      await leave(root, world).catch(() => {});
      const place = placeIn(root);
      const end = logOf(place).at(-1);
      assertEquals([end?.type, end?.reason?.slice(0, reason.length)], ["pipe.aborted", reason]);
      const [ended] = linesOf(place, "ended");
      assertEquals([ended?.reason, ended?.failed], [end?.reason, undefined]);
      await checkRecords(place);
      const result = await durable(optionsIn(root), async (run) => {
        return [await run.step("a", world.act(1)), await run.step("b", world.act(2))];
      });
      assertEquals(result, [1, 2]);
      assertEquals(world.attemptsAt("a").length, 1);
      await checkRecords(place);
    }));
}

Deno.test("the end waits for steps that nobody awaits, and for those that they lead to", () =>
  withMemoryDir(async (root) => {
    const world = new World();
    const value = await durable(optionsIn(root), (run) => {
      void run.step("a", async (context) => {
        await new Promise((resolve) => setTimeout(resolve, 5));
        world.note(context);
      }).then(() => run.step("b", world.act(1))).then(() => run.record("c", 1));
      return "at once";
    });
    assertEquals([value, world.begun], ["at once", ["a 1", "b 1"]]);
    assertEquals(linesOf(placeIn(root), "record"), [{ id: "c", data: 1 }]);
    await checkRecords(placeIn(root));
  }));

Deno.test("a run is finished once: whoever ends it first has ended it", () =>
  withMemoryDir(async (root) => {
    const given = await durable(optionsIn(root), async (run) => {
      const [first, second] = await Promise.all([run.finish("first"), run.finish("second")]);
      assertStrictEquals(first, second);
      assertEquals(await errorOf(run.step("a", () => 1)) instanceof TypeError, true);
      await assertRejects(
        () => run.sleep("b", 0),
        TypeError,
        'Cannot ask for "b": the run is over',
      );
      return "third";
    });
    assertEquals(given, "first");
    assertEquals(await durable(optionsIn(root), () => "fourth"), "first");
  }));

Deno.test("a schema that never answers keeps no run from being stopped", () =>
  withMemoryDir(async (root) => {
    const work = (context: { attempt: number }) => context.attempt;
    {
      await using run = await open(root);
      assertEquals(await run.step("a", work), 1);
    }
    const controller = new AbortController();
    const enough = new Error("enough");
    const schema = {
      "~standard": {
        version: 1,
        vendor: "test",
        validate: () => {
          controller.abort(enough);
          return new Promise<never>(() => {});
        },
      },
    } as const;
    const options = { ...optionsIn(root), signal: controller.signal };
    const given = durable(options, (run) => run.step("a", work, { schema }));
    assertStrictEquals(await errorOf(given), enough);
    await checkRecords(placeIn(root));
  }));

Deno.test("whoever asks when a run that was stopped is over gets the reason of the stop", () =>
  withMemoryDir(async (root) => {
    const controller = new AbortController();
    const enough = new Error("enough");
    const run = await open(root, { signal: controller.signal });
    controller.abort(enough);
    await run.finish();
    const asks = [
      run.step("a", () => 1),
      run.sleep("b", 0),
      run.waitFor("c"),
      run.record("d", 1),
      run.submit("e"),
    ];
    for (const error of await Promise.all(asks.map(errorOf))) assertStrictEquals(error, enough);
  }));

Deno.test("the end of a run cannot be waited for by a step of it, and a step asks for none", () =>
  withMemoryDir(async (root) => {
    const world = new World();
    await using run = await open(root, { constraints: { max_in_flight: 1, max_retries: 0 } });
    const nested: ((run: Run) => Promise<unknown>)[] = [
      (run) => run.step("inner", () => 1),
      (run) => run.sleep("inner", 0),
      (run) => run.waitFor("inner"),
      (run) => run.record("inner", 1),
    ];
    for (const [index, ask] of nested.entries()) {
      const outer = run.step(`outer ${index}`, (context) => {
        world.note(context);
        return ask(run);
      });
      const { message } = await errorOf(outer) as Error;
      const says = `"outer ${index}" failed: TypeError: Cannot ask for "inner" inside of`;
      assertStringIncludes(message, says);
    }
    assertEquals(await run.step("inner", world.act(1)), 1);
    const waiting = run.step("waits", () => run.finish());
    const error = await errorOf(waiting);
    assert(error instanceof TypeError || error instanceof RunError, String(error));
  }));

Deno.test("a program that is over hears of nothing: what it has not awaited is told that the run is over", () =>
  withMemoryDir(async (root) => {
    const run = await open(root);
    const waits = [run.waitFor("gate"), run.sleep("sleep", 3_600_000)];
    assertEquals((await run.finish()).state, "Completed");
    for (const wait of waits) await runErrorOf(wait, "stopped");
  }));

Deno.test("a signal that could stop many runs keeps none of them that has ended", () =>
  withMemoryDir(async (root) => {
    const program = new URL("./_programs/many_runs.ts", import.meta.url).href;
    const flags = ["run", "--quiet", "--no-check", "--allow-all", "--v8-flags=--expose-gc"];
    await using running = new RunningProcess([Deno.execPath(), ...flags, program, root]);
    const { stdout, stderr } = await running.end();
    assertEquals([stdout, stderr], ["0\n", ""]);
  }));

Deno.test("an error of the program is not hidden by one of writing that down", () =>
  withMemoryDir(async (root) => {
    const full = new Error("the disk is full");
    const bug = new Error("a bug");
    await using watched = new WatchedRoot(root, (what) => {
      if (what === "ended") throw full;
    });
    const error = await errorOf(
      durable({ root: watched, name: "demo", runId: RUN_ID }, async (run) => {
        await run.step("a", () => 1);
        throw bug;
      }),
    );
    assert(error instanceof SuppressedError, String(error));
    assertStrictEquals(error.suppressed, bug);
    assertStringIncludes(error.message, "the disk is full");
  }));

Deno.test("a step may be a program of its own, whose end waits for what that has not awaited", () =>
  withMemoryDir(async (root) => {
    const world = new World();
    const inner = () =>
      durable({ root, name: "inner", runId: "inner-1" }, async (run) => {
        void run.step("floating", async (context) => {
          await new Promise((resolve) => setTimeout(resolve, 5));
          world.note(context);
        });
        return await run.step("a", world.act("given"));
      });
    for (let sitting = 1; sitting <= 2; sitting++) {
      assertEquals(await durable(optionsIn(root), (run) => run.step("outer", inner)), "given");
    }
    assertEquals(world.begun.toSorted(), ["a 1", "floating 1"]);
    await checkRecords({ root, runId: "inner-1" });
  }));
