/** Clocks that were wrong when a run was recorded, or are wrong now, make nothing take a young run. */
import { assertEquals, assertMatch } from "@std/assert";
import { createUlid } from "../../_internal/root_layout.ts";
import { listRuns, newRunId, openEventLog } from "../../eventlog/mod.ts";
import { removeRuntime, runtimeDirectory, WorkerRuntime } from "../../store/mod.ts";
import { withMemoryDir } from "../_util/temp.ts";
import { taffrail } from "./_command.ts";

const DAY_MS = 86_400_000;

/** A time: so many days ago, or that of a clock that was wrong. */
type When = number | "1976" | "2066";

function timeOf(when: When): number {
  if (typeof when === "number") return Date.now() - when * DAY_MS;
  return Date.parse(`${when}-05-01T12:00:00Z`);
}

interface Clocks {
  /** What the id was made at; without it the id has no time in it. */
  id?: When;
  first: When;
  last: When;
  file: When;
}

/** Records a run under these clocks, and gives its id. */
async function record(root: string, name: string, { id, first, last, file }: Clocks) {
  const runId = id === undefined ? name : `${name}-${createUlid(timeOf(id))}`;
  const base = { id: "1", run_id: runId, pipe: name, reason: "enough" };
  {
    await using log = await openEventLog<Record<string, unknown>>({ root, runId });
    const [begin, end] = [first, last].map((when) => new Date(timeOf(when)).toISOString());
    await log.append({ ...base, ts: begin, type: "pipe.started" });
    await log.append({ ...base, ts: end, type: "pipe.completed" });
  }
  const written = new Date(timeOf(file));
  await Deno.utime(`${root}/runs/${runId}/events.jsonl`, written, written);
  return runId;
}

const CASES: {
  what: string;
  clocks: Clocks;
  args?: string[];
  fate: "removed" | "kept" | "none";
}[] = [
  { what: "all clocks agree", clocks: { id: 40, first: 40, last: 40, file: 40 }, fate: "removed" },
  { what: "no time in the id", clocks: { first: 40, last: 40, file: 40 }, fate: "removed" },
  {
    what: "it took twenty days",
    clocks: { id: 40, first: 40, last: 20, file: 20 },
    fate: "removed",
  },
  { what: "it ended today", clocks: { id: 40, first: 40, last: 0, file: 0 }, fate: "none" },
  {
    what: "a clock of 1976, on a disk with another one",
    clocks: { id: "1976", first: "1976", last: "1976", file: 0 },
    fate: "none",
  },
  {
    what: "a clock of 1976",
    clocks: { id: "1976", first: "1976", last: "1976", file: "1976" },
    fate: "kept",
  },
  {
    what: "a clock of 2066",
    clocks: { id: "2066", first: "2066", last: "2066", file: "2066" },
    fate: "kept",
  },
  {
    what: "a clock that went to 1976 while it ran",
    clocks: { id: 0, first: 0, last: "1976", file: "1976" },
    fate: "none",
  },
  {
    what: "an id of today, and events of long ago",
    clocks: { id: 0, first: 40, last: 40, file: 40 },
    fate: "kept",
  },
  {
    what: "events of today, and an id of long ago",
    clocks: { id: 40, first: 0, last: 0, file: 0 },
    fate: "kept",
  },
  {
    what: "a copy that was made today",
    clocks: { id: 40, first: 40, last: 40, file: 0 },
    fate: "kept",
  },
  {
    what: "a copy that was made today, by another rule",
    clocks: { id: 40, first: 40, last: 40, file: 0 },
    args: ["--keep", "0"],
    fate: "kept",
  },
  {
    what: "a clock of 2066, by another rule",
    clocks: { first: "2066", last: "2066", file: "2066" },
    args: ["--max-size", "1"],
    fate: "kept",
  },
];

for (const { what, clocks, args = ["--older-than", "7d"], fate } of CASES) {
  Deno.test(`taffrail prune ${args.join(" ")}: ${what}`, async () => {
    await withMemoryDir(async (cwd) => {
      const root = `${cwd}/.taffrail`;
      const runId = await record(root, "ci", clocks);
      for (const mode of [["--dry-run"], []]) {
        const { code, stdout } = await taffrail(["prune", "--json", ...mode, ...args], { cwd });
        const { removed, kept } = JSON.parse(stdout);
        assertEquals(code, 0);
        assertEquals(removed.length, fate === "removed" ? 1 : 0);
        assertEquals(
          kept.map(({ run_id }: { run_id: string }) => run_id),
          [runId].slice(
            fate === "kept" ? 0 : 1,
          ),
        );
        if (fate === "kept") assertMatch(kept[0].reason, /^its age is not known/);
      }
      assertEquals(await listRuns(root), fate === "removed" ? [] : [runId]);
    });
  });
}

Deno.test("taffrail prune says of a run that stays which of its times disagree", async () => {
  await withMemoryDir(async (cwd) => {
    const runId = await record(`${cwd}/.taffrail`, "ci", { id: 40, first: 40, last: 40, file: 0 });
    const { stdout } = await taffrail(["prune", "--older-than", "7d"], { cwd });
    const day = (when: When) => new Date(timeOf(when)).toISOString().slice(0, 10);
    assertEquals(
      stdout.split("\n")[0],
      `kept ${runId}  its age is not known, as its times disagree: its id was made ${
        day(40)
      }, its ` +
        `first event was ${day(40)}, its newest event was ${day(40)}, its log was written ${
          day(0)
        }`,
    );
  });
});

Deno.test("taffrail prune --orphans takes a run without an end whatever its clocks say", async () => {
  await withMemoryDir(async (cwd) => {
    const root = `${cwd}/.taffrail`;
    await using log = await openEventLog({ root, runId: "ci" });
    const base = { id: "1", ts: "1976-05-01T12:00:00Z", run_id: "ci" };
    await log.append({ ...base, type: "pipe.started", pipe: "ci", inputs: [], distro_version: "" });
    await log.close();
    const past = new Date(0);
    await Deno.utime(`${root}/runs/ci/events.jsonl`, past, past);
    await taffrail(["prune", "--orphans", "--older-than", "1d"], { cwd });
    assertEquals(await listRuns(root), ["ci"]);
    await taffrail(["prune", "--orphans"], { cwd });
    assertEquals(await listRuns(root), []);
  });
});

Deno.test("the newest run is the one whose id was made last, whatever the clock said", async () => {
  await withMemoryDir(async (cwd) => {
    const root = `${cwd}/.taffrail`;
    // The second one begins under a clock that was set back, the third under one that is right again.
    const ids: string[] = [];
    for (const first of [0, "1976", 3] as const) {
      const runId = await newRunId({ root, name: "ci" });
      const id = runId.slice("ci-".length);
      await using log = await openEventLog({ root, runId });
      const ts = new Date(timeOf(first)).toISOString();
      await log.append({ id, ts, run_id: runId, type: "pipe.started", pipe: "ci", inputs: [] });
      ids.push(runId);
    }
    const listed = JSON.parse((await taffrail(["ls", "--json"], { cwd })).stdout).runs;
    assertEquals(listed.map(({ run_id }: { run_id: string }) => run_id), ids);
    const shown = JSON.parse((await taffrail(["show", "ci", "--json"], { cwd })).stdout);
    assertEquals(shown.run_id, ids[2]);
    const stopped = JSON.parse((await taffrail(["stop", "ci", "--json"], { cwd })).stdout);
    assertEquals(stopped.run_id, ids[2]);
    const resumed = await taffrail(["resume", "ci"], { cwd });
    assertMatch(resumed.stderr, new RegExp(`Cannot resume ${ids[2]}`));
    const { removed } = JSON.parse(
      (await taffrail(["prune", "--keep", "1", "--orphans", "--dry-run", "--json"], { cwd }))
        .stdout,
    );
    assertEquals(removed.map(({ run_id }: { run_id: string }) => run_id), ids.slice(0, 2));
  });
});

Deno.test("runs without a time in their id go by their first event", async () => {
  await withMemoryDir(async (cwd) => {
    const root = `${cwd}/.taffrail`;
    await record(root, "a", { first: 1, last: 1, file: 1 });
    await record(root, "b", { first: 5, last: 0, file: 0 });
    const c = await record(root, "c", { id: 3, first: 3, last: 3, file: 3 });
    await record(root, "d", { first: "2066", last: 0, file: 0 });
    const { runs } = JSON.parse((await taffrail(["ls", "--json"], { cwd })).stdout);
    assertEquals(runs.map(({ run_id }: { run_id: string }) => run_id), ["d", "b", c, "a"]);
  });
});

Deno.test("what a run left in the store is told, and pruned by the same rules; a program's own is not", async () => {
  await withMemoryDir(async (cwd) => {
    const root = `${cwd}/.taffrail`;
    for (const name of ["old", "new"]) {
      const { code } = await taffrail(["exec", "--name", name, "--", "true"], { cwd });
      assertEquals(code, 0);
    }
    const [young, old] = (await listRuns(root)) as [string, string];
    // Programs may give a runtime of their own any id.
    const own = ["mine", `mine-${createUlid(timeOf(40))}`];
    for (const runtimeId of own) {
      await using runtime = await WorkerRuntime.open({ root, runtimeId, displayName: "Mine" });
      const profile = { kind: "runtime_default" } as const;
      await runtime.createWorker({ intent: { kind: "task", objective: "think" }, profile });
    }
    await Deno.remove(`${root}/runs`, { recursive: true });

    const checked = await taffrail(["verify", "--json"], { cwd });
    const { problems } = JSON.parse(checked.stdout);
    assertEquals(checked.code, 1);
    assertEquals(
      problems.map(({ run_id, part, kind }: Record<string, string>) => [run_id, part, kind]),
      [[young, "store", "run-missing"], [old, "store", "run-missing"]],
    );
    assertMatch(problems[0].message, /its run is gone.*taffrail prune removes it/);

    // Too young for the rule.
    await taffrail(["prune", "--older-than", "1d"], { cwd });
    const pruned = async (args: string[]) => {
      const { stdout } = await taffrail(["prune", "--json", ...args], { cwd });
      return JSON.parse(stdout).removed.map(
        ({ run_id, state }: Record<string, string>) => [run_id, state],
      );
    };
    assertEquals(await pruned(["--older-than", "1d"]), []);
    const owner = await WorkerRuntime.open({ root, runtimeId: old });
    assertEquals(await pruned(["--keep", "5"]), [[young, "runtime"]]);
    await owner.close();
    assertEquals(await pruned(["--max-size", "1", "--dry-run"]), [[old, "runtime"]]);
    assertEquals(await pruned(["--max-size", "1"]), [[old, "runtime"]]);
    for (const runtimeId of own) {
      assertEquals((await Deno.stat(runtimeDirectory(root, runtimeId))).isDirectory, true);
      await removeRuntime(root, runtimeId);
    }
    assertEquals((await taffrail(["verify"], { cwd })).code, 0);
  });
});
