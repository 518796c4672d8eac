import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { assertReplays, recoverCapture } from "../../capture/mod.ts";
import { openRun } from "../../run/mod.ts";
import { listRuns, openEventLog, verifyRun } from "../../eventlog/mod.ts";
import { RunWorkers } from "../../run/run_workers.ts";
import { runPaths } from "../../_internal/root_layout.ts";
import { verifyStore } from "../../store/mod.ts";
import { Supervisor } from "../../supervisor/mod.ts";
import { readTrace } from "../../trace/mod.ts";
import { Random } from "../_util/random.ts";
import { longCount, seed, withTempDir } from "../_util/temp.ts";
import { taffrail } from "../cli/_command.ts";
import { Child } from "../crash/_child.ts";
import {
  checkRecords,
  checkTrace,
  checkWorkers,
  endsInCapture,
  endsInLog,
  logOf,
  type Place,
  workersOf,
} from "./_records.ts";

/** Runs in real processes: killed, with no more permissions than needed, and on a full disk. */

const PROGRAM = "../run/_running.ts";

async function placeIn(root: string): Promise<Place> {
  const [runId = "", ...others] = await listRuns(root);
  assertEquals(others, []);
  return { root, runId };
}

/**
 * What must hold of a run whose process is gone, before anybody mends anything and after. Gives the
 * attempts that the journal has.
 */
async function checkLeft(place: Place): Promise<Set<string>> {
  const { root, runId } = place;
  assertEquals((await verifyStore(root)).problems, []);
  const recovered = await recoverCapture(runPaths(root, runId).journal);
  assertEquals(recovered.damage, null);
  await assertReplays(recovered.bundle, {
    createSupervisor: (options) => new Supervisor(options),
    strict: true,
    expected: { adapterProvenance: "none", runtimeProvenance: "none" },
  });
  const log = await openEventLog({ root, runId, exclusive: true });
  await log.close();
  assertEquals((await verifyRun(root, runId)).problems, []);

  // First the journal, then the log, then the store: each has no more than the one before.
  const events = logOf(place);
  const captured = endsInCapture(recovered.bundle);
  const undecided = new Set(
    recovered.interrupted.map(({ event_id: id, attempt }) => `${id}#${attempt}`),
  );
  for (const [attempt, end] of endsInLog(events)) {
    if (!undecided.has(attempt)) assertEquals(captured.get(attempt), end, attempt);
  }
  const begun = events.filter(({ type }) => type === "node.started")
    .map(({ node_id: id, attempt }) => `${id}#${attempt}`);
  const inJournal = new Set([...captured.keys(), ...undecided]);
  for (const attempt of begun) assert(inJournal.has(attempt), attempt);
  const stored = (await workersOf(place)).map(({ objective }) => objective);
  assertEquals(stored, begun.slice(0, stored.length));

  // The store catches up with the log.
  await using workers = await RunWorkers.open({ root, runId, name: "demo" });
  await workers.catchUp();
  await workers.close();
  await checkWorkers(place);
  return inJournal;
}

Deno.test("a run that is killed leaves records that are in order, and replays", async () => {
  const random = new Random(seed());
  for (let round = 0; round < longCount(4, 100); round++) {
    await withTempDir(async (root) => {
      await using child = new Child(PROGRAM, { args: [root, "endless"] });
      for (let lines = 1 + random.below(60); lines > 0; lines--) await child.next();
      await child.kill();
      const made = child.takeLines();
      const inJournal = await checkLeft(await placeIn(root));
      // What was made was begun in the journal; the log may be behind it.
      for (const attempt of made) assert(inJournal.has(attempt), attempt);
    });
  }
});

Deno.test("the permissions to read and write the root are enough for a run", () =>
  withTempDir(async (directory) => {
    const root = `${directory}/root`;
    await using child = new Child(PROGRAM, {
      args: [root, "well"],
      permissions: [`--allow-read=${root}`, `--allow-write=${root}`],
    });
    assertEquals(await child.next(), '{"state":"Completed"}');
    await child.ending();
    const place = await placeIn(root);
    assertEquals((await checkRecords(place)).length, 14);
    await checkTrace(place);
  }));

Deno.test("without permissions a run cannot begin, and nothing is asked", () =>
  withTempDir(async (root) => {
    await using child = new Child(PROGRAM, { args: [root, "well"], permissions: [] });
    const { code, stderr } = await child.outcome();
    assertEquals(code, 1);
    assertMatch(stderr, /NotCapable/);
  }));

Deno.test("the command shows, follows, verifies, replays and traces a run of openRun()", () =>
  withTempDir(async (cwd) => {
    const root = `${cwd}/.taffrail`;
    await using child = new Child(PROGRAM, { args: [root, "well"] });
    assertEquals(await child.next(), '{"state":"Completed"}');
    await child.ending();
    const { runId } = await placeIn(root);
    for (const verb of ["show", "follow", "verify", "replay", "trace"]) {
      await expectDone([verb, runId], cwd);
    }
    const shown = JSON.parse((await taffrail(["show", "--json", runId], { cwd })).stdout);
    assertEquals(
      // Which of those that are at work together begins first depends on how long its records take.
      shown.nodes.map(({ id, attempts }: { id: string; attempts: unknown[] }) => [
        id,
        attempts.length,
      ]).toSorted(),
      [["n1", 1], ["n2", 1], ["n3", 2], ["n4", 1], ["n5", 1]],
    );
    const resume = await taffrail(["resume", runId], { cwd });
    assertEquals(resume.code, 1);
    assertMatch(resume.stderr, /it has completed/);
  }));

Deno.test("the command shows and verifies what is left of a killed run of openRun(), and says who goes on", () =>
  withTempDir(async (cwd) => {
    const root = `${cwd}/.taffrail`;
    await using child = new Child(PROGRAM, { args: [root, "endless"] });
    for (let lines = 0; lines < 9; lines++) await child.next();
    await child.kill();
    const { runId } = await placeIn(root);
    const shown = await expectDone(["show", runId], cwd);
    assertStringIncludes(
      shown,
      "A program of yours recorded it, or it died before it began: start that again.",
    );
    assertMatch(await expectDone(["ls"], cwd), new RegExp(`${runId} +demo +\\[ORPHAN\\?\\]`));
    assertMatch(await expectDone(["replay", runId], cwd), /the replay went as recorded/);
    await expectDone(["verify"], cwd);
    assertStringIncludes(await expectDone(["follow", runId], cwd), "[ORPHAN?]");
    const resume = await taffrail(["resume", runId], { cwd });
    assertEquals(resume.code, 1);
    const problem = "it is the run of a program, which has not recorded by what it is started";
    assertStringIncludes(resume.stderr, `Cannot resume ${runId}: ${problem}`);
  }));

Deno.test("the command shows what openRun() had begun when it was killed before its log got anything", () =>
  withTempDir(async (cwd) => {
    const root = `${cwd}/.taffrail`;
    const invoker = { run: () => "Completed" as const };
    const run = await openRun({ root, name: "demo", constraints: { max_retries: 0 }, invoker });
    await run.submit("a");
    await run.finish();
    const { journal, events } = runPaths(root, run.runId);
    const lines = (await Deno.readTextFile(journal)).split("\n");
    await Deno.writeTextFile(journal, `${lines.slice(0, 3).join("\n")}\n`);
    await Deno.truncate(events);
    const { nodes } = JSON.parse(await expectDone(["show", "--json", run.runId], cwd));
    assertEquals(nodes.map(({ id, status }: { id: string; status: string }) => [id, status]), [
      ["a", "Running"],
    ]);
  }));

/** What the command prints, which succeeds. */
async function expectDone(args: string[], cwd: string): Promise<string> {
  const { code, stdout, stderr } = await taffrail(args, { cwd });
  assertEquals(code, 0, `${args}: ${stdout}${stderr}`);
  return stdout + stderr;
}

Deno.test({
  name: "a full disk breaks a run off; what is left can be verified and replayed",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withTempDir(async (root) => {
      // No file can grow beyond 2 MiB; the journal, whose bytes are numbers, gets there first.
      const script = `trap '' XFSZ; ulimit -f 4096; exec "$@"`;
      await using child = new Child(PROGRAM, {
        args: [root, "large"],
        wrap: (command) => ["sh", "-c", script, "sh", ...command],
      });
      const { name, message } = JSON.parse(await child.next());
      assertEquals(name, "RunError");
      assertMatch(message, /capture\.jsonl: .*(written|large|os error|took none)/i);
      await child.ending();
      const place = await placeIn(root);
      assertEquals(logOf(place).at(-1)?.reason, message);
      await checkLeft(place);
    }),
});

/** A disk of the process alone; what is on it is kept behind its end. */
const SMALL_DISK = `mount -t tmpfs -o size=1m,mode=700 taffrail "$1" || exit 77
disk=$1 kept=$2; shift 2; "$@"; code=$?; cp -R "$disk/." "$kept"; exit $code`;
const ON_SMALL_DISK = ["unshare", "--mount", "--map-root-user", "sh", "-c", SMALL_DISK, "sh"];

async function canMount(): Promise<boolean> {
  if (Deno.build.os !== "linux") return false;
  return await withTempDir(async (directory) => {
    const [program = "", ...args] = [...ON_SMALL_DISK, directory, directory, "true"];
    return (await new Deno.Command(program, { args, stderr: "null" }).output()).success;
  }).catch(() => false);
}

Deno.test({
  name: "a disk without any room breaks a run off, and what is on it is in order",
  ignore: !await canMount(),
  fn: () =>
    withTempDir(async (directory) => {
      const [disk, kept] = [`${directory}/disk`, `${directory}/kept`];
      await Promise.all([Deno.mkdir(disk), Deno.mkdir(kept)]);
      await using child = new Child(PROGRAM, {
        args: [disk, "large"],
        wrap: (command) => [...ON_SMALL_DISK, disk, kept, ...command],
      });
      const { name, message } = JSON.parse(await child.next());
      assertEquals(name, "RunError");
      assertMatch(message, /No space left on device|took none|were written/);
      await child.ending();
      await checkLeft(await placeIn(kept));
    }),
});

Deno.test({
  name: "a signal stops a run and leaves a trace of it, and the next one ends its program",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withTempDir(async (root) => {
      await using child = new Child(PROGRAM, { args: [root, "signal"] });
      const { signal, stdout } = await child.outcome();
      assertEquals(signal, "SIGTERM");
      assertEquals(stdout.trim().split("\n").map((line) => JSON.parse(line)), [
        { name: "RunError", kind: "stopped" },
        { state: { Aborted: { reason: "cancelled by SIGTERM" } } },
      ]);
      const place = await placeIn(root);
      assertEquals((await readTrace(runPaths(root, place.runId).trace)).reason, "error");
      await checkLeft(place);
    }),
});

Deno.test("importing ./run leads to the five modules and what they load, and to nothing else", async () => {
  const repository = new URL("../../", import.meta.url).href;
  const folders = ["run", "supervisor", "capture", "eventlog", "trace", "store", "_internal"];
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", `${repository}run/mod.ts`],
  }).output();
  assert(success);
  const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as {
    modules: { specifier: string; error?: string }[];
  };
  assertEquals(modules.filter(({ error }) => error !== undefined), []);
  const isKnown = (url: string) =>
    folders.some((folder) => url.startsWith(`${repository}${folder}/`)) ||
    /\/@?std\/(path|crypto|fs)\//.test(url) || url.startsWith("npm:");
  assertEquals(modules.map(({ specifier }) => specifier).filter((url) => !isKnown(url)), []);
});
