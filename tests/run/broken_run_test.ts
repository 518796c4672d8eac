/**
 * One of the records fails, by what happens to its file: the run breaks off and says why, or where only a
 * copy of the truth is concerned goes on and says so at its end. It holds nothing, and can be verified.
 */
import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { assertReplays, recoverCapture } from "../../capture/mod.ts";
import { openEventLog, verifyRun } from "../../eventlog/mod.ts";
import { openRun, type OpenRunOptions, type Run, RunError } from "../../run/mod.ts";
import { RunWorkers } from "../../run/run_workers.ts";
import { type RunPaths, runPaths } from "../../_internal/root_layout.ts";
import { runtimeDirectory, verifyStore } from "../../store/mod.ts";
import { type RunTermination, Supervisor } from "../../supervisor/mod.ts";
import { ask } from "../cli/_command.ts";
import { withTempDir } from "../_util/temp.ts";
import { checkRecords, checkWorkers, logOf, type Place, untilTold } from "./_records.ts";
import { checkRecords as checkByCommand } from "./_records_agree.ts";

/** Puts a copy in the place of a file, as editors do: what is appended to it now nobody finds. */
function replace(path: string): void {
  Deno.renameSync(path, `${path}.away`);
  Deno.copyFileSync(`${path}.away`, path);
}

/** How to make a record fail that the run cannot go on without, and what its error speaks of. */
const BREAKS: Record<string, { break: (paths: RunPaths) => void; of: "events" | "journal" }> = {
  "log that is replaced": { break: ({ events }) => replace(events), of: "events" },
  "journal that is replaced": { break: ({ journal }) => replace(journal), of: "journal" },
};

type Work = NonNullable<OpenRunOptions["invoker"]>["run"];

function begin(root: string, work: Work, more: Partial<OpenRunOptions> = {}): Promise<Run> {
  const constraints = { max_in_flight: 3, max_retries: 3 };
  return openRun({ root, name: "demo", constraints, invoker: { run: work }, ...more });
}

/** The error is that of a run that is not held any more, and it names the file. */
function checkLost(error: unknown, path: string): asserts error is RunError {
  assertInstanceOf(error, RunError);
  assertEquals([error.kind, error.details.path], ["lost", path]);
}

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
  await workers.catchUp();
  await workers.close();
  await checkWorkers(place);
}

for (const [name, { break: breakIt, of }] of Object.entries(BREAKS)) {
  Deno.test(`a ${name} before the work breaks the run off`, () =>
    withTempDir(async (root) => {
      const run = await begin(root, () => "Completed");
      const place = { root, runId: run.runId };
      const paths = runPaths(root, run.runId);
      breakIt(paths);
      await run.submit("a").catch((error) => checkLost(error, paths[of]));
      checkLost(await assertRejects(() => run.finish()), paths[of]);
      checkLost(await assertRejects(() => run.submit("b")), paths[of]);
      assert(!logOf(place).some(({ type }) => type === "pipe.completed"));
      await run[Symbol.asyncDispose]();
      await checkBroken(place);
    }));

  Deno.test(`a ${name} beside the work stops all of it`, () =>
    withTempDir(async (root) => {
      const stopped: string[] = [];
      const run: Run = await begin(root, async ({ eventId, signal }): Promise<RunTermination> => {
        if (eventId === "breaks") {
          await untilTold(run, "node.started", "breaks");
          breakIt(runPaths(root, run.runId));
          return "Completed";
        }
        // Only the other's end can end this.
        await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
        stopped.push(eventId);
        return "Completed";
      });
      const place = { root, runId: run.runId };
      for (const id of ["other", "third", "breaks"]) await run.submit(id);
      const error = await assertRejects(() => run.finish());
      checkLost(error, runPaths(root, run.runId)[of]);
      await Promise.resolve();
      assertEquals(stopped.toSorted(), ["other", "third"]);
      const told = logOf(place).map(({ type, reason }) => reason ?? type);
      const begun = ["pipe.started", "node.started", "node.started", "node.started"];
      // Nobody knows of ends that the journal may not have.
      assertEquals(told, of === "events" ? begun : [...begun, error.message]);
      await checkBroken(place);
    }));

  Deno.test(`a ${name} when all is done is told by finish()`, () =>
    withTempDir(async (root) => {
      const run = await begin(root, () => "Completed");
      await run.submit("a");
      await untilTold(run, "node.completed", "a");
      const paths = runPaths(root, run.runId);
      breakIt(paths);
      const error = await assertRejects(() => run.finish());
      checkLost(error, paths[of]);
      assertEquals(await assertRejects(() => run.finish()), error);
      await checkBroken({ root, runId: run.runId });
    }));
}

Deno.test("a run whose lock was removed is not held any more, and breaks off", () =>
  withTempDir(async (root) => {
    const begun = Promise.withResolvers<void>();
    const run: Run = await begin(root, ({ signal }) =>
      new Promise((resolve) => {
        signal.addEventListener("abort", () => resolve("Aborted"));
        begun.resolve();
      }));
    const { liveLock } = runPaths(root, run.runId);
    await run.submit("a");
    await begun.promise;
    await untilTold(run, "node.started", "a");
    await Deno.remove(liveLock);
    await run.submit("b").catch(() => {});
    const error = await assertRejects(() => run.finish(), RunError, "removed the lock");
    assertEquals(error.kind, "lost");
    await checkBroken({ root, runId: run.runId });
  }));

Deno.test("a bundle that cannot be written is told by finish(), and takes nothing from a run that has ended", () =>
  withTempDir(async (root) => {
    const run = await begin(root, () => "Completed");
    await run.submit("a");
    const { bundle } = runPaths(root, run.runId);
    await Deno.mkdir(`${bundle}/in-the-way`, { recursive: true });
    const error = await assertRejects(() => run.finish(), RunError, bundle);
    assertEquals(error.kind, "io");
    const place = { root, runId: run.runId };
    // What the journal says of the end stands: the log says the same.
    const { ended } = await recoverCapture(runPaths(root, run.runId).journal);
    assertEquals([ended?.state, logOf(place).at(-1)?.type], ["Completed", "pipe.completed"]);
    await checkBroken(place);
    assertEquals((await ask(["repair", "--root", root], root)).code, 0);
    await checkRecords(place);
  }));

Deno.test("a trace that cannot be written stops nothing", () =>
  withTempDir(async (root) => {
    const errors: unknown[] = [];
    const run = await begin(root, () => "TimedOut", {
      constraints: { max_retries: 0 },
      onTraceError: (error) => errors.push(error),
    });
    await Deno.mkdir(`${runPaths(root, run.runId).trace}/in-the-way`, { recursive: true });
    await run.submit("a");
    assertEquals((await run.finish()).state, { Aborted: { reason: "node a failed: timeout" } });
    assert(errors.length > 0);
    await checkRecords({ root, runId: run.runId });
  }));

for (const when of ["before", "beside", "behind"] as const) {
  Deno.test(`a store that fails ${when} the work is told when the run is closed, which is recorded whole`, () =>
    withTempDir(async (root) => {
      const breakIt = () => {
        const directory = runtimeDirectory(root, run.runId);
        Deno.mkdirSync(directory, { recursive: true });
        Deno.writeTextFileSync(`${directory}/runtime.json`, "no snapshot");
      };
      const run: Run = await begin(root, async ({ eventId }): Promise<RunTermination> => {
        if (when === "beside" && eventId === "a") {
          await untilTold(run, "node.started", "a");
          breakIt();
        }
        return "Completed";
      });
      const place = { root, runId: run.runId };
      if (when === "before") breakIt();
      for (const id of ["a", "b", "c"]) await run.submit(id);
      if (when === "behind") {
        await untilTold(run, "node.completed", "c");
        breakIt();
      }
      const error = await assertRejects(() => run.finish(), RunError, "up to its log: ");
      assertEquals([error.kind, error.details.runId], ["io", run.runId]);
      assertEquals(logOf(place).at(-1)?.type, "pipe.completed");
      // Nobody holds it.
      await using log = await openEventLog({ root, runId: run.runId, exclusive: true });
      await log.close();
      assertEquals((await ask(["repair", "--root", root], root)).code, 0);
      await checkRecords(place);
      await checkByCommand(root);
    }));
}
