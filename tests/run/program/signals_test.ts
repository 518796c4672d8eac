/** Programs in real processes that are told to end, or killed, with no more permissions than they need. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { HAS_SIGNALS, RunningProcess } from "../../_util/process.ts";
import { withTempDir } from "../../_util/temp.ts";
import { checkRecords, logOf } from "../_records.ts";
import { linesOf, placeIn } from "./_programs.ts";

const ignore = !HAS_SIGNALS;

function start(root: string, way: string): RunningProcess {
  const program = new URL("./_programs/stopped.ts", import.meta.url).href;
  const permissions = [`--allow-read=${root}`, `--allow-write=${root}`];
  const flags = ["run", "--quiet", "--no-prompt", "--no-check", ...permissions];
  return new RunningProcess([Deno.execPath(), ...flags, program, root, way]);
}

/** Goes on with the program, to its end. */
async function goOn(root: string): Promise<string[]> {
  await using again = start(root, "well");
  const { code, stderr } = await again.end();
  assertEquals([code, stderr], [0, ""]);
  await checkRecords(placeIn(root));
  return again.stdout.lines;
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  Deno.test(
    `${signal} stops a program: it rejects with that, ends by it, and can be gone on with`,
    { ignore },
    () =>
      withTempDir(async (root) => {
        await using running = start(root, "well");
        await running.stdout.find(/^long 1/);
        running.kill(signal);
        const { code, stdout, stderr } = await running.end();
        assertEquals(code, 1, stderr);
        const stopped = `RunError stopped ${signal}`;
        assertEquals(stdout.split("\n"), ["first", "long 1", stopped, stopped, "true", ""]);
        assertStringIncludes(
          stderr,
          `The run demo-1 was stopped by ${signal}; start the program again`,
        );
        const events = logOf(placeIn(root));
        assertEquals(events.at(-1)?.reason, `cancelled by ${signal}`);
        assertEquals(events.at(-2)?.error, { kind: "crash", cancelled: true });
        const [ended] = linesOf(placeIn(root), "ended");
        assertEquals([ended?.reason, ended?.failed], [`cancelled by ${signal}`, undefined]);
        await checkRecords(placeIn(root));
        assertEquals(await goOn(root), ["long 2", "result whole"]);
      }),
  );
}

Deno.test("a program that catches what its steps reject with compensates for nothing at a stop", {
  ignore,
}, () =>
  withTempDir(async (root) => {
    await using running = start(root, "compensates");
    await running.stdout.find(/^long 1/);
    running.kill("SIGTERM");
    const { stdout } = await running.end();
    assert(!stdout.includes("compensated") && !stdout.includes("ran later"), stdout);
    const nodes = logOf(placeIn(root)).map(({ node_id: id }) => id);
    assertEquals([...new Set(nodes)], [undefined, "first", "long"]);
  }));

Deno.test(
  "steps that nobody awaits crash nothing at a stop",
  { ignore },
  () =>
    withTempDir(async (root) => {
      await using running = start(root, "floating");
      await running.stdout.find(/^long 1/);
      running.kill("SIGINT");
      const { code, stdout, stderr } = await running.end();
      assertEquals([code, stdout.split("\n")[4]], [1, "true"]);
      assertEquals(stderr.match(/Uncaught/g)?.length, 1, stderr);
      await checkRecords(placeIn(root));
      assertEquals(await goOn(root), ["long 2", "result whole"]);
    }),
);

Deno.test("a step that nobody awaits and that fails ends the program as any promise does", {
  ignore,
}, () =>
  withTempDir(async (root) => {
    await using running = start(root, "fails");
    const { code, stderr } = await running.end();
    assertEquals(code, 1);
    assertStringIncludes(stderr, '"floating" failed: floated away');
    assertEquals((await goOn(root)).at(-1), "result whole");
  }));

Deno.test(
  "a second signal ends a program that does not, as it would without a run",
  { ignore },
  () =>
    withTempDir(async (root) => {
      await using running = start(root, "stubborn");
      await running.stdout.find(/^long 1/);
      running.kill("SIGINT");
      await running.stdout.find(/^RunError stopped SIGINT/);
      running.kill("SIGTERM");
      assertEquals((await running.end()).signal, "SIGTERM");
      assertEquals(await goOn(root), ["long 2", "result whole"]);
    }),
);

Deno.test("nothing is listened for once a run has ended, or when it has completed before", {
  ignore,
}, () =>
  withTempDir(async (root) => {
    for (let time = 1; time <= 2; time++) {
      await using running = start(root, "done");
      await running.stdout.find(/^result done/);
      running.kill("SIGTERM");
      assertEquals((await running.end()).signal, "SIGTERM");
    }
    assertEquals(logOf(placeIn(root)).at(-1)?.type, "pipe.completed");
  }));

Deno.test("a program that is killed in the middle of a step goes on with the step's next attempt", {
  ignore,
}, () =>
  withTempDir(async (root) => {
    await using running = start(root, "well");
    await running.stdout.find(/^long 1/);
    running.kill("SIGKILL");
    await running.end();
    assertEquals(await goOn(root), ["long 2", "result whole"]);
    const ends = logOf(placeIn(root)).filter(({ node_id: id, type }) =>
      id === "long" && type !== "node.started"
    );
    assertEquals(ends.map(({ type, attempt, message }) => [type, attempt, message]), [
      ["node.failed", 1, "cut off: nobody has seen its end"],
      ["node.completed", 2, undefined],
    ]);
  }));
