/** One of the records fails: the run breaks off, says why, holds nothing, and can be verified. */
import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { assertReplays, CaptureWriteError, recoverCapture } from "../../capture/mod.ts";
import { EventLogError, listRuns, openEventLog, verifyRun } from "../../eventlog/mod.ts";
import { openRun, type Run } from "../../run/mod.ts";
import { RunWorkers } from "../../run/run_workers.ts";
import { runPaths } from "../../_internal/root_layout.ts";
import { RuntimeStoreError, verifyStore } from "../../store/mod.ts";
import { type RunTermination, type RuntimeInvoker, Supervisor } from "../../supervisor/mod.ts";
import { withTempDir } from "../_util/temp.ts";
import { checkRecords, checkWorkers, logOf, type Place } from "./_records.ts";

type ErrorClass = new (...args: never[]) => Error;

/** How to make a record fail, and the error that tells of it. */
const BREAKS: Record<string, { break: (run: Run) => unknown; error: ErrorClass }> = {
  log: { break: (run) => run.log.close(), error: EventLogError },
  store: { break: (run) => run.runtime.close(), error: RuntimeStoreError },
  capture: { break: (run) => run.session.intoBundle(), error: TypeError },
};

/** Nobody holds the run, its records are in order, and the store can catch up with the log. */
async function checkBroken(place: Place): Promise<void> {
  const { root, runId } = place;
  const log = await openEventLog({ root, runId, exclusive: true });
  await log.close();
  assertEquals((await verifyRun(root, runId)).problems, []);
  assertEquals((await verifyStore(root)).problems, []);
  const { bundle, damage } = await recoverCapture(runPaths(root, runId).journal);
  assertEquals(damage, null);
  await assertReplays(bundle, { createSupervisor: (options) => new Supervisor(options) });
  await using workers = await RunWorkers.open({ root, runId, name: "demo" });
  for (const event of logOf(place)) await workers.take(event);
  await workers.close();
  await checkWorkers(place);
}

for (const [name, { break: breakIt, error: expected }] of Object.entries(BREAKS)) {
  Deno.test(`a ${name} that fails before the work refuses it, and the run breaks off`, () =>
    withTempDir(async (root) => {
      let calls = 0;
      const run = await openRun({
        root,
        name: "demo",
        constraints: { max_retries: 3 },
        invoker: {
          run: () => {
            calls++;
            return "Completed";
          },
        },
      });
      await breakIt(run);
      await run.submit("a").catch((error) => assertInstanceOf(error, expected));
      const error = await assertRejects(() => run.finish());
      assertInstanceOf(error, expected);
      assertEquals(calls, 0);
      const refused = await assertRejects(() => run.submit("b"));
      assertInstanceOf(refused, TypeError);
      const place = { root, runId: run.runId };
      const { type, reason } = logOf(place).at(-1)!;
      if (name === "log") assertEquals(type, "pipe.started");
      else assertEquals([type, reason], ["pipe.aborted", error.message]);
      await run[Symbol.asyncDispose]();
      await checkBroken(place);
    }));

  Deno.test(`a ${name} that fails beside the work stops all of it`, () =>
    withTempDir(async (root) => {
      const stopped: string[] = [];
      const run: Run = await openRun({
        root,
        name: "demo",
        constraints: { max_in_flight: 3, max_retries: 3 },
        invoker: {
          async run({ eventId, signal }): Promise<RunTermination> {
            if (eventId !== "breaks") {
              // Only the other's end can end this.
              await new Promise<void>((resolve) =>
                signal.addEventListener("abort", () => resolve())
              );
              stopped.push(eventId);
              return "Completed";
            }
            while (logOf(place).length < 4) await new Promise((resolve) => setTimeout(resolve));
            await breakIt(run);
            return "Completed";
          },
        },
      });
      const place = { root, runId: run.runId };
      await run.submit("other");
      await run.submit("third");
      await run.submit("breaks");
      const error = await assertRejects(() => run.finish());
      assertInstanceOf(error, expected);
      await Promise.resolve();
      assertEquals(stopped.toSorted(), ["other", "third"]);
      const events = logOf(place);
      const ends = events.filter(({ type }) => type === "node.failed");
      assertEquals(ends.length, { log: 0, store: 2, capture: 3 }[name]);
      for (const { message } of ends) {
        assertEquals(message, `its end was not recorded: ${error.message}`);
      }
      assertEquals(events.at(-1)?.type, name === "log" ? "node.started" : "pipe.aborted");
      await checkBroken(place);
    }));

  Deno.test(`a ${name} that fails when all is done is told by finish()`, () =>
    withTempDir(async (root) => {
      const run = await openRun({
        root,
        name: "demo",
        constraints: { max_retries: 0 },
        invoker: { run: () => "Completed" },
      });
      await run.submit("a");
      await run.session.supervisor.idle();
      await breakIt(run);
      const error = await assertRejects(() => run.finish());
      assertInstanceOf(error, expected);
      assertEquals(await assertRejects(() => run.finish()), error);
      await checkBroken({ root, runId: run.runId });
    }));
}

Deno.test("a bundle that cannot be written aborts the run, whose journal has everything", () =>
  withTempDir(async (root) => {
    const run = await openRun({
      root,
      name: "demo",
      constraints: { max_retries: 0 },
      invoker: { run: () => "Completed" },
    });
    await run.submit("a");
    await Deno.mkdir(`${runPaths(root, run.runId).bundle}/in-the-way`, { recursive: true });
    const error = await assertRejects(() => run.finish(), CaptureWriteError);
    const place = { root, runId: run.runId };
    assertEquals(logOf(place).at(-1)?.reason, error.message);
    await checkBroken(place);
  }));

Deno.test("a trace that cannot be written stops nothing", () =>
  withTempDir(async (root) => {
    const errors: unknown[] = [];
    const run = await openRun({
      root,
      name: "demo",
      constraints: { max_retries: 0 },
      invoker: { run: () => "TimedOut" },
      onTraceError: (error) => errors.push(error),
    });
    await Deno.mkdir(`${runPaths(root, run.runId).trace}/in-the-way`, { recursive: true });
    await run.submit("a");
    assertEquals((await run.finish()).state, { Aborted: { reason: "node a failed: timeout" } });
    assert(errors.length > 0);
    await checkRecords({ root, runId: run.runId });
  }));

Deno.test("a store that cannot be opened leaves a run that nobody holds", () =>
  withTempDir(async (root) => {
    await Deno.writeTextFile(`${root}/runtimes`, "in the way");
    const invoker: RuntimeInvoker = { run: () => "Completed" };
    const constraints = { max_retries: 0 };
    await assertRejects(
      () => openRun({ root, name: "demo", constraints, invoker }),
      RuntimeStoreError,
    );
    const [runId = ""] = await listRuns(root);
    await using log = await openEventLog({ root, runId, exclusive: true });
    assertEquals(await log.lastSeq(), 0);
  }));
