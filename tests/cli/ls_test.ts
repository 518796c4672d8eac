import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { openEventLog, type RunEvent } from "../../eventlog/mod.ts";
import { namesIn } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { taffrail } from "./_command.ts";

let lastId = 0;

/** An event of a run, at a second of a minute. */
function event(runId: string, second: number, members: Record<string, unknown>): RunEvent {
  const id = String(++lastId).padStart(26, "0");
  const ts = `2026-04-15T12:00:${String(second).padStart(2, "0")}Z`;
  return { id, ts, run_id: runId, ...members } as RunEvent;
}

function pipeStarted(runId: string, nodes: string[]): RunEvent {
  const members = { type: "pipe.started", pipe: "ci", inputs: [], distro_version: "0", nodes };
  return event(runId, 0, members);
}

function nodeCompleted(runId: string, second: number, node: string): RunEvent {
  return event(runId, second, { type: "node.completed", node_id: node });
}

async function record(root: string, runId: string, events: unknown[]): Promise<void> {
  await using log = await openEventLog<unknown>({ root, runId });
  await log.appendAll(events);
}

function sizeOf(run: string): number {
  return namesIn(run).reduce((sum, name) => sum + Deno.lstatSync(`${run}/${name}`).size, 0);
}

/** The folder of a run has a path in it, so its size differs. */
function withoutSizes(text: string): string {
  return text.replaceAll(/ {2,}[\d.]+(B|KiB)/g, "  #").replaceAll(/\d+d \d\dh/g, "AGO    ");
}

Deno.test("taffrail ls says kindly that there are no runs, and creates nothing", async () => {
  await withTempDir(async (cwd) => {
    const { code, stdout } = await taffrail(["ls"], { cwd });
    assertEquals(code, 0);
    assertEquals(
      stdout,
      "No runs in .taffrail yet. Record one: taffrail exec -- COMMAND, or\ntaffrail run FLOW\n",
    );
    assertEquals(namesIn(cwd), []);
    const json = await taffrail(["ls", "--json"], { cwd });
    const nothing = { root: ".taffrail", total: 0, before: null, runs: [] };
    assertEquals(JSON.parse(json.stdout), nothing);
  });
});

Deno.test("taffrail ls lists id, flow, state, progress and time, the newest last (OST-2, OST-4)", async () => {
  await withTempDir(async (cwd) => {
    const root = `${cwd}/.taffrail`;
    await record(root, "c-done", [
      pipeStarted("c-done", ["a"]),
      event("c-done", 0, {
        type: "node.started",
        node_id: "a",
        kind: "command",
        name: "deno test",
      }),
      nodeCompleted("c-done", 1, "a"),
      event("c-done", 2, { type: "pipe.completed" }),
    ]);
    await record(root, "b-failed", [
      pipeStarted("b-failed", ["a", "b"]),
      event("b-failed", 3, { type: "node.failed", node_id: "a", error: { kind: "crash" } }),
      event("b-failed", 3, { type: "pipe.aborted", reason: "node a failed: crash" }),
    ]);
    await record(root, "a-orphan", [
      pipeStarted("a-orphan", ["a"]),
      nodeCompleted("a-orphan", 5, "a"),
    ]);
    await record(root, "d-empty", []);
    await using live = await openEventLog({ root, runId: "e-live" });
    await live.append(pipeStarted("e-live", ["a", "b"]));
    await live.append(nodeCompleted("e-live", 9, "a"));

    const { code, stdout } = await taffrail(["ls"], { cwd });
    assertEquals(code, 0);
    assertEquals(
      withoutSizes(stdout),
      `RUN       FLOW  STATE       NODES     TIME     SIZE  LAST                  COMMAND
d-empty         [ORPHAN?]     0/0  #
a-orphan  ci    [ORPHAN?]     1/1  #  2026-04-15T12:00:05Z
b-failed  ci    failed        0/2     3.0s  #  2026-04-15T12:00:03Z
c-done    ci    completed     1/1     2.0s  #  2026-04-15T12:00:02Z  deno test
e-live    ci    running       1/2  AGO      #  2026-04-15T12:00:09Z
`,
    );
    const { runs } = JSON.parse((await taffrail(["ls", "--json"], { cwd })).stdout);
    const { size_bytes: size, ...failed } = runs[2];
    assertEquals(size, sizeOf(`${root}/runs/b-failed`));
    assertEquals(failed, {
      run_id: "b-failed",
      pipe: "ci",
      state: { Aborted: { reason: "node a failed: crash" } },
      is_orphan: false,
      is_suspended: false,
      waits_for: null,
      outcome: "failed",
      started_ts: "2026-04-15T12:00:00Z",
      duration_ms: 3000,
      command: null,
      last_ts: "2026-04-15T12:00:03Z",
      nodes_completed: 0,
      nodes_total: 2,
    });
    assertEquals([runs[1].is_orphan, runs[4].is_orphan], [true, false]);
  });
});

Deno.test("taffrail ls reads both ends of a long log, and then counts no nodes", async () => {
  await withTempDir(async (cwd) => {
    const root = `${cwd}/.taffrail`;
    const ids = Array.from({ length: 2000 }, (_, index) => `node-${index}`);
    await record(root, "long", [
      pipeStarted("long", ids),
      ...ids.map((id) => nodeCompleted("long", 7, id)),
      event("long", 8, { type: "pipe.completed" }),
    ]);
    const { stdout } = await taffrail(["ls"], { cwd });
    assertMatch(
      withoutSizes(stdout),
      /\nlong {2}ci {4}completed {13}8\.0s {2}# {2}2026-04-15T12:00:08Z\n$/,
    );
    const { runs } = JSON.parse((await taffrail(["ls", "--json"], { cwd })).stdout);
    assertEquals([runs[0].nodes_completed, runs[0].nodes_total], [null, null]);
  });
});

/** What may lie below `runs/`, and what is said about it. */
const DAMAGES: { name: string; damage: (run: string) => Promise<void>; says: RegExp }[] = [
  {
    name: "a run without a log",
    damage: (run) => Deno.mkdir(run),
    says: /unreadable: it has no log .*events.jsonl: if no program uses its folder, remove that$/,
  },
  {
    name: "a directory in place of the log",
    damage: (run) => Deno.mkdir(`${run}/events.jsonl`, { recursive: true }),
    says: /unreadable: its log .*events.jsonl is no file: move it away$/,
  },
  {
    name: "a log of NULs",
    damage: (run) => writeLog(run, "\0".repeat(100)),
    says: /unreadable: its log has no event of a run that can be read$/,
  },
  {
    name: "events without the members that they need",
    damage: (run) =>
      writeLog(run, '{"type":"pipe.started","id":"1","ts":"t","run_id":"x","nodes":5}\n'),
    says: /unreadable: its log has no event of a run that can be read$/,
  },
  {
    name: "a run of a newer version",
    damage: async (run) => {
      await writeLog(run, "");
      await Deno.writeTextFile(`${run}/run.json`, '{"format":2}');
    },
    says: /unreadable: Cannot use .*: it has format 2/,
  },
];

async function writeLog(run: string, text: string): Promise<void> {
  await Deno.mkdir(run);
  await Deno.writeTextFile(`${run}/events.jsonl`, text);
}

for (const { name, damage, says } of DAMAGES) {
  Deno.test(`taffrail ls gives ${name} a line, and lists the other runs`, async () => {
    await withTempDir(async (cwd) => {
      const root = `${cwd}/.taffrail`;
      await record(root, "good", [
        pipeStarted("good", []),
        event("good", 1, { type: "pipe.completed" }),
      ]);
      await damage(`${root}/runs/bad`);
      const { code, stdout } = await taffrail(["ls"], { cwd });
      assertEquals(code, 0);
      const lines = stdout.trimEnd().split("\n");
      assertMatch(lines[1]!, /^bad {3}unreadable: /);
      assertMatch(lines[1]!, says);
      assertStringIncludes(lines[2]!, "good  ci    completed");
      const { runs } = JSON.parse((await taffrail(["ls", "--json"], { cwd })).stdout);
      assertEquals(Object.keys(runs[0]), ["run_id", "problem", "outcome", "size_bytes"]);
    });
  });
}

Deno.test("taffrail ls lists a log of another program as what it is", async () => {
  await withTempDir(async (cwd) => {
    const root = `${cwd}/.taffrail`;
    await record(root, "theirs", [{ n: 1 }, { type: "import", file: "a.csv" }]);
    await record(root, "ours", [pipeStarted("ours", [])]);
    const { code, stdout } = await taffrail(["ls"], { cwd });
    assertEquals(code, 0);
    assertMatch(stdout, /\nours +ci +\[ORPHAN\?\] .*\ntheirs +ended +\d+ms /);
    const { runs } = JSON.parse((await taffrail(["ls", "--json"], { cwd })).stdout);
    const size = sizeOf(`${root}/runs/theirs`);
    const { started_ts: started, last_ts: last, duration_ms: milliseconds, ...rest } = runs[1];
    assertEquals(rest, {
      run_id: "theirs",
      is_other_log: true,
      is_live: false,
      outcome: "ended",
      size_bytes: size,
    });
    const { created_at: created } = JSON.parse(
      await Deno.readTextFile(`${root}/runs/theirs/run.json`),
    );
    assertEquals(started, created);
    assertEquals(milliseconds, Date.parse(last) - Date.parse(started));
    await using _ = await openEventLog({ root, runId: "theirs" });
    const live = JSON.parse((await taffrail(["ls", "--json"], { cwd })).stdout).runs[1];
    assertEquals([live.outcome, live.is_live, live.duration_ms], ["running", true, null]);
  });
});

/** Why those were aborted that were. */
const REASONS: Record<string, string> = {
  failed: "node a failed: crash",
  late: "node a failed: timeout",
  overdue: "deadline",
  cancelled: "cancelled by SIGINT",
  left: "it was not finished",
};

/** Runs of every state: one of 2026-04-15, which is long ago or ahead, and others of now. */
async function recordOneOfEach(root: string): Promise<void> {
  const now = new Date().toISOString();
  const events = (id: string, ts: string, ...types: string[]) =>
    types.map((type) => ({ ...pipeStarted(id, ["a"]), type, ts, reason: REASONS[id] ?? "r" }));
  await record(
    root,
    "old",
    events("old", "2020-01-01T00:00:00Z", "pipe.started", "pipe.completed"),
  );
  await record(root, "done", events("done", now, "pipe.started", "pipe.completed"));
  for (const id of ["stopped", ...Object.keys(REASONS)]) {
    await record(root, id, events(id, now, "pipe.started", "pipe.aborted"));
  }
  await record(root, "lost", events("lost", now, "pipe.started"));
  await record(root, "theirs", [{ n: 1 }]);
  await Deno.mkdir(`${root}/runs/bad`);
}

const ABORTED = ["stopped", ...Object.keys(REASONS)];

/** What is asked for, and which runs are given, in any order; where that differs, how many. */
const FILTERS: { args: string[]; ids: string[] | number }[] = [
  { args: [], ids: ["bad", "theirs", "old", "done", "live", "lost", ...ABORTED] },
  { args: ["--state", "running"], ids: ["live"] },
  { args: ["--state", "suspended"], ids: [] },
  { args: ["--state", "orphan"], ids: ["lost"] },
  { args: ["--state", "completed"], ids: ["old", "done"] },
  { args: ["--state", "failed"], ids: ["stopped", "failed"] },
  { args: ["--state", "timed-out"], ids: ["late", "overdue"] },
  { args: ["--state", "cancelled,unfinished"], ids: ["cancelled", "left"] },
  { args: ["--state", "completed,aborted"], ids: ["old", "done", ...ABORTED] },
  { args: ["--state", "ended"], ids: ["theirs"] },
  { args: ["--state", "other,unreadable"], ids: ["bad", "theirs"] },
  { args: ["--since", "1h", "--state", "completed"], ids: ["done"] },
  { args: ["--older-than", "52w"], ids: ["old"] },
  { args: ["--limit", "2"], ids: 2 },
  { args: ["--limit", "2", "--before", "lost"], ids: 2 },
  { args: ["--before", "bad"], ids: [] },
];

Deno.test("taffrail ls filters by state and age, and pages", async () => {
  await withTempDir(async (cwd) => {
    const root = `${cwd}/.taffrail`;
    await recordOneOfEach(root);
    await using live = await openEventLog({ root, runId: "live" });
    const ts = new Date().toISOString();
    await live.append({ ...pipeStarted("live", ["a"]), ts } as RunEvent);
    for (const { args, ids } of FILTERS) {
      const { code, stdout } = await taffrail(["ls", "--json", ...args], { cwd });
      assertEquals(code, 0);
      const { runs } = JSON.parse(stdout);
      const sorted = runs.map(({ run_id: id }: { run_id: string }) => id);
      // Those of now began within a moment of each other.
      const found = typeof ids === "number" ? sorted.length : sorted.toSorted();
      assertEquals(found, typeof ids === "number" ? ids : ids.toSorted(), args.join(" "));
    }
    const page = await taffrail(["ls", "--limit", "3"], { cwd });
    const [note, , first] = page.stdout.split("\n");
    const [before] = first!.split(" ");
    assertEquals(note, `9 more before these, 1 of them unreadable: --before ${before}`);
    const rest = await taffrail(["ls", "--json", "--before", before!], { cwd });
    assertEquals(JSON.parse(rest.stdout).total, 9);
    const none = await taffrail(["ls", "--state", "running", "--older-than", "1d"], { cwd });
    assertEquals(none.stdout, "None of the 12 runs in .taffrail is such a one\n");
  });
});
