import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { listRuns, openEventLog } from "../../eventlog/mod.ts";
import { runtimeDirectory } from "../../store/mod.ts";
import { Random } from "../_util/random.ts";
import { namesIn } from "../_util/files.ts";
import { longCount, seed, withTempDir } from "../_util/temp.ts";
import { HAS_SIGNALS, startTaffrail, taffrail } from "./_command.ts";
import { isRunning, poll } from "./_runs.ts";

const DAY_MS = 86_400_000;

interface Made {
  days: number;
  types?: string[];
  bytes?: number;
}

/** A run whose events are some days old. */
async function makeRun(root: string, runId: string, { days, types, bytes = 0 }: Made) {
  const time = new Date(Date.now() - days * DAY_MS);
  const ts = time.toISOString();
  const base = { id: "1", ts, run_id: runId, pipe: "ci", reason: "enough" };
  {
    await using log = await openEventLog<Record<string, unknown>>({ root, runId });
    for (const type of types ?? ["pipe.started", "pipe.completed"]) {
      await log.append({ ...base, type });
    }
  }
  await Deno.utime(`${root}/runs/${runId}/events.jsonl`, time, time);
  await Deno.writeTextFile(`${root}/runs/${runId}/capture.jsonl`, "x".repeat(bytes));
}

/** A log with events of a program's own, some days old. */
async function makeLog(root: string, runId: string, days: number): Promise<void> {
  await makeRun(root, runId, { days, types: ["import"] });
  await Deno.remove(`${root}/runs/${runId}/capture.jsonl`);
  const created = new Date(Date.now() - days * DAY_MS - 1000).toISOString();
  const file = { format: 1, name: runId, created_at: created, taffrail_version: "0" };
  await Deno.writeTextFile(`${root}/runs/${runId}/run.json`, JSON.stringify(file));
}

/** Runs of all kinds: five that may go, the oldest first in the alphabet, and four that may not. */
async function makeRuns(root: string): Promise<void> {
  await makeRun(root, "a-40d", { days: 40 });
  await makeRun(root, "b-30d", { days: 30, types: ["pipe.started", "pipe.aborted"] });
  await makeLog(root, "bb-20d", 20);
  await makeRun(root, "c-2d", { days: 2, bytes: 100_000 });
  await makeRun(root, "d-new", { days: 0 });
  await makeRun(root, "orphan", { days: 50, types: ["pipe.started"] });
  await makeLog(root, "other", 60);
  // It was made without the event log module.
  await Deno.remove(`${root}/runs/other/run.json`);
  await makeRun(root, "newer", { days: 60 });
  await Deno.writeTextFile(`${root}/runs/newer/run.json`, '{"format":2}');
  await Deno.mkdir(`${root}/runs/empty`);
}

const STAY = ["empty", "newer", "orphan", "other"];

const RULES: { args: string[]; removed: string[] }[] = [
  { args: ["--older-than", "7d"], removed: ["a-40d", "b-30d", "bb-20d"] },
  { args: ["--older-than", "35d"], removed: ["a-40d"] },
  { args: ["--keep", "1"], removed: ["a-40d", "b-30d", "bb-20d", "c-2d"] },
  { args: ["--keep", "0"], removed: ["a-40d", "b-30d", "bb-20d", "c-2d", "d-new"] },
  { args: ["--keep", "100"], removed: [] },
  { args: ["--max-size", "50KiB"], removed: ["a-40d", "b-30d", "bb-20d", "c-2d"] },
  { args: ["--max-size", "1GiB"], removed: [] },
  { args: ["--keep", "4", "--older-than", "35d"], removed: ["a-40d"] },
  { args: ["--orphans"], removed: ["orphan"] },
  { args: ["--older-than", "7d", "--orphans"], removed: ["a-40d", "b-30d", "bb-20d", "orphan"] },
];

for (const { args, removed } of RULES) {
  Deno.test(`taffrail prune ${args.join(" ")} removes ${removed.join(", ") || "nothing"}`, async () => {
    await withTempDir(async (cwd) => {
      const root = `${cwd}/.taffrail`;
      await makeRuns(root);
      const all = await listRuns(root);
      const dry = await taffrail(["prune", "--dry-run", "--json", ...args], { cwd });
      assertEquals({ code: dry.code, runs: await listRuns(root) }, { code: 0, runs: all });
      const { code, stdout } = await taffrail(["prune", "--json", ...args], { cwd });
      assertEquals(code, 0);
      const done = JSON.parse(stdout);
      const ids = done.removed.map(({ run_id: id }: { run_id: string }) => id).toSorted();
      assertEquals(ids, removed);
      assertEquals(await listRuns(root), all.filter((id) => !removed.includes(id)));
      assertEquals(namesIn(`${root}/runs`), await listRuns(root));
      assertEquals({ ...JSON.parse(dry.stdout), dry_run: false }, done);
      for (const { run_id: id } of done.kept) assertEquals(STAY.includes(id), true, id);
    });
  });
}

Deno.test("taffrail prune leaves a run alone that anybody works on, and says so", async () => {
  await withTempDir(async (cwd) => {
    const root = `${cwd}/.taffrail`;
    await makeRun(root, "open", { days: 40 });
    await makeRun(root, "shut", { days: 40 });
    await using log = await openEventLog<{ n: number }>({ root, runId: "open" });
    for (const mode of [["--dry-run"], []]) {
      const { code, stdout } = await taffrail(["prune", "--keep", "0", ...mode], { cwd });
      assertEquals(code, 0);
      assertMatch(stdout, /\nkept open {2}it is worked on\n/);
      assertMatch(stdout, /^(removed|would remove) shut {2}.*, it is not one of the newest 0\n/);
    }
    assertEquals(await listRuns(root), ["open"]);
    await log.append({ n: 1 });
  });
});

Deno.test("taffrail prune says what it removed, why, how much, and what it left", async () => {
  await withTempDir(async (cwd) => {
    const root = `${cwd}/.taffrail`;
    await makeRuns(root);
    const { stdout } = await taffrail(["prune", "--older-than", "7d"], { cwd });
    assertMatch(stdout, /^removed a-40d {2}[\d.]+(B|KiB), its last event was 40d ago\n/m);
    assertMatch(
      stdout,
      /^kept orphan {2}it has no end, and may be resumed; --orphans removes it$/m,
    );
    assertMatch(stdout, /\nremoved 3 runs, [\d.]+(B|KiB); \d+KiB left in \.taffrail\n$/);
    const rest = await taffrail(["prune", "--max-size", "1"], { cwd });
    assertStringIncludes(rest.stdout, "that is more than 1B: what is left may not be removed\n");
  });
});

Deno.test("taffrail prune says what it cannot remove, removes the others, and exits with 1", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await withTempDir(async (cwd) => {
    const root = `${cwd}/.taffrail`;
    for (const runId of ["a", "b", "c", "d"]) await makeRun(root, runId, { days: 1 });
    await Deno.rename(`${root}/runs/b/live.lock`, `${cwd}/lock`);
    await Deno.symlink(`${cwd}/lock`, `${root}/runs/b/live.lock`);
    await Deno.mkdir(`${runtimeDirectory(root, "c")}/owner.lock`, { recursive: true });
    const { code, stdout } = await taffrail(["prune", "--keep", "0"], { cwd });
    assertEquals([code, await listRuns(root)], [1, ["b", "c"]]);
    assertStringIncludes(stdout, "kept b  it cannot be read\n");
    assertMatch(stdout, /cannot remove c {2}.*owner\.lock.*\nremoved 2 runs, /);
  });
});

Deno.test("taffrail prune finishes what another one had begun", async () => {
  await withTempDir(async (cwd) => {
    const root = `${cwd}/.taffrail`;
    await makeRun(root, "a", { days: 1 });
    await Deno.rename(`${root}/runs/a`, `${root}/runs/.removed-1`);
    const dry = await taffrail(["prune", "--dry-run", "--keep", "9"], { cwd });
    assertEquals([dry.code, namesIn(`${root}/runs`)], [0, [".removed-1"]]);
    const { code } = await taffrail(["prune", "--keep", "9"], { cwd });
    assertEquals([code, namesIn(`${root}/runs`)], [0, []]);
  });
});

/** Any number of files, so that a removal takes a while. */
async function makeBulkyRun(root: string, runId: string): Promise<void> {
  await makeRun(root, runId, { days: 1 });
  const nodes = `${root}/runs/${runId}/nodes`;
  await Deno.mkdir(nodes);
  for (let n = 0; n < 40; n++) await Deno.writeTextFile(`${nodes}/a.${n}.out`, "printed");
}

Deno.test({
  name: "taffrail prune that is killed leaves whole runs only, and the next one finishes its work",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withTempDir(async (cwd) => {
      const root = `${cwd}/.taffrail`;
      const random = new Random(seed());
      for (let round = 0; round < longCount(4, 100); round++) {
        const ids = Array.from({ length: 12 }, (_, index) => `run-${round}-${index}`);
        for (const runId of ids) await makeBulkyRun(root, runId);
        await using command = startTaffrail(["prune", "--keep", "0"], { cwd });
        const watcher = Deno.watchFs(`${root}/runs`);
        // Killed at the n-th change, whatever that is, or not at all.
        let left = 1 + random.below(400);
        const ended = command.end().finally(() => watcher.close());
        for await (const _ of watcher) if (--left === 0) command.kill("SIGKILL");
        await ended;
        for (const runId of await listRuns(root)) {
          assertEquals(namesIn(`${root}/runs/${runId}/nodes`).length, 40, runId);
        }
        const { code } = await taffrail(["prune", "--keep", "0"], { cwd });
        assertEquals([code, namesIn(`${root}/runs`)], [0, []]);
      }
    }),
});

/** Leaves a run whose recorder was killed, and whose command lives on in a session of its own. */
async function leaveOrphan(cwd: string): Promise<{ runId: string; pid: number }> {
  const script = "setsid sleep 1000 >/dev/null 2>&1 & echo pid=$!; exec sleep 1000";
  const args = ["exec", "--name", "left", "--", "sh", "-c", script];
  await using command = startTaffrail(args, { cwd });
  const pid = Number((await command.stdout.find(/^pid=/)).slice(4));
  command.kill("SIGKILL");
  await command.end();
  return { runId: (await listRuns(`${cwd}/.taffrail`))[0]!, pid };
}

Deno.test({
  name: "taffrail prune never takes a run whose processes live, and stop ends these",
  ignore: Deno.build.os !== "linux",
  fn: () =>
    withTempDir(async (cwd) => {
      const { runId, pid } = await leaveOrphan(cwd);
      for (const rule of [["--orphans"], ["--keep", "0", "--orphans"]]) {
        for (const mode of [["--dry-run"], []]) {
          const { code, stdout } = await taffrail(["prune", "--json", ...rule, ...mode], { cwd });
          const { removed, kept } = JSON.parse(stdout);
          assertEquals([code, removed], [0, []]);
          assertMatch(kept[0].reason, /^there is what is left of left: processes \d+, \d+; /);
          assertStringIncludes(kept[0].reason, `taffrail stop ${runId} ends what is left of it`);
        }
      }
      assertEquals(isRunning(pid), true);
      // Whoever does not believe the records finds them by what they bear.
      await Deno.remove(`${cwd}/.taffrail/runs/${runId}/processes.jsonl`);
      assertEquals((await taffrail(["prune", "--orphans"], { cwd })).code, 0);
      assertEquals(await listRuns(`${cwd}/.taffrail`), [runId]);
      assertEquals((await taffrail(["stop", runId], { cwd })).code, 0);
      assertEquals(isRunning(pid), false);
      const { stdout } = await taffrail(["prune", "--keep", "0", "--json"], { cwd });
      assertEquals(JSON.parse(stdout).removed.length, 1);
    }),
});

Deno.test({
  name: "taffrail prune leaves a run without an end alone whose command hides what it bears",
  ignore: Deno.build.os !== "linux",
  fn: () =>
    withTempDir(async (cwd) => {
      const args = ["exec", "--", "env", "-i", "/bin/sh", "-c", "echo pid=$$; exec sleep 1000"];
      await using command = startTaffrail(args, { cwd });
      const pid = Number((await command.stdout.find(/^pid=/)).slice(4));
      command.kill("SIGKILL");
      await command.end();
      const { stdout } = await taffrail(["prune", "--orphans", "--json"], { cwd });
      assertEquals(JSON.parse(stdout).removed, []);
      Deno.kill(pid, "SIGKILL");
      await poll(() => !isRunning(pid));
      const again = await taffrail(["prune", "--orphans", "--json"], { cwd });
      assertEquals(JSON.parse(again.stdout).removed.length, 1);
    }),
});
