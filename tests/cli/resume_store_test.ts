/** What the store lacks of the log is caught up with when the run is resumed. */
import { assertEquals } from "@std/assert";
import { readProcesses } from "../../cli/process/process_log.ts";
import { verifyRun } from "../../eventlog/mod.ts";
import { RunWorkers } from "../../run/run_workers.ts";
import { runtimeDirectory } from "../../store/mod.ts";
import { checkWorkers, logOf, type Place, workersAskedBy, workersOf } from "../run/_records.ts";
import { isThere } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { HAS_SIGNALS, startTaffrail, taffrail } from "./_command.ts";
import { onlyRun, untilChanged, untilExists, writeFlow } from "./_runs.ts";

const HANGS_ONCE = "test $TAFFRAIL_ATTEMPT -gt 1 || { : > begun; exec sleep 1000; }";

/** A run whose process was killed beside its third node. */
async function killedRun(cwd: string): Promise<Place> {
  await writeFlow(cwd, {
    a: "exit 0",
    b: { run: "test $TAFFRAIL_ATTEMPT -gt 1", needs: ["a"] },
    c: { run: HANGS_ONCE, needs: ["b"] },
  });
  const flow = JSON.parse(await Deno.readTextFile(`${cwd}/flow.json`));
  const constraints = { max_in_flight: 1, max_retries: 1 };
  await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify({ ...flow, constraints }));
  await using command = startTaffrail(["run", "flow.json"], { cwd });
  await untilExists(cwd, "begun");
  const root = `${cwd}/.taffrail`;
  const runId = await onlyRun(root);
  await untilChanged(`${root}/runs/${runId}`, () => readProcesses({ root, runId }).has("c#1"));
  command.kill("SIGKILL");
  assertEquals((await command.end()).signal, "SIGKILL");
  return { root, runId };
}

async function resumeAndCheck(cwd: string, place: Place): Promise<void> {
  const { code, stderr } = await taffrail(["resume", "flow"], { cwd });
  assertEquals(code, 0, stderr);
  assertEquals((await verifyRun(place.root, place.runId)).problems, []);
  await checkWorkers(place);
  const attempts = (await workersOf(place)).map(({ objective, status }) =>
    `${objective} ${status}`
  );
  assertEquals(attempts, [
    "a#1 stopped",
    "b#1 stopped",
    "b#2 stopped",
    "c#1 cancelled",
    "c#2 stopped",
  ]);
  for (const verb of ["verify", "replay"]) {
    const done = await taffrail([verb, "flow"], { cwd });
    assertEquals(done.code, 0, `${verb}: ${done.stdout}${done.stderr}`);
  }
}

/** A run that was killed early has none. */
async function removeStore({ root, runId }: Place): Promise<void> {
  const directory = runtimeDirectory(root, runId);
  if (isThere(directory)) await Deno.remove(directory, { recursive: true });
}

/** Brings the store to where it was when the log had so many events. */
async function cutStoreBack({ root, runId }: Place, length: number): Promise<void> {
  await removeStore({ root, runId });
  await using workers = await RunWorkers.open({ root, runId, name: "flow" });
  for (const event of logOf({ root, runId }).slice(0, length)) await workers.take(event);
}

Deno.test({
  name: "taffrail resume has the store catch up with the log, wherever it was cut off",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withTempDir(async (cwd) => {
      const killed = await killedRun(cwd);
      const runs = `${killed.root}/runs/${killed.runId}`;
      const begun = logOf(killed);
      const log = await Deno.readTextFile(`${runs}/events.jsonl`);
      const journal = await Deno.readTextFile(`${runs}/capture.jsonl`);
      // With each begin and each end of an attempt as the first that the store has not.
      const cuts = begun.flatMap(({ type }, index) => type.startsWith("node.s") ? [index] : []);
      for (const length of [...cuts.slice(0, 4), begun.length]) {
        await Deno.writeTextFile(`${runs}/events.jsonl`, log);
        await Deno.writeTextFile(`${runs}/capture.jsonl`, journal);
        await Deno.remove(`${runs}/capture.json`).catch(() => {});
        await cutStoreBack(killed, length);
        assertEquals(await workersOf(killed), workersAskedBy(begun.slice(0, length)));
        await resumeAndCheck(cwd, killed);
      }
    }),
});

Deno.test({
  name: "taffrail resume makes a store that is gone again",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withTempDir(async (cwd) => {
      const place = await killedRun(cwd);
      await removeStore(place);
      await resumeAndCheck(cwd, place);
    }),
});
