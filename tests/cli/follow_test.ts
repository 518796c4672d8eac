import { assertEquals, assertMatch } from "@std/assert";
import { openEventLog, type RunEvent } from "../../eventlog/mod.ts";
import { withTempDir } from "../_util/temp.ts";
import { HAS_SIGNALS, start, startTaffrail, taffrail } from "./_command.ts";
import { onlyRun, writeFlow } from "./_runs.ts";

function event(type: string, members: Record<string, unknown> = {}): RunEvent {
  const base = { id: "01kpfntqeej7vhn935kc0tm9vp", ts: "2026-04-15T12:00:00Z", run_id: "live" };
  return { type, ...base, ...members };
}

Deno.test("taffrail follow prints the events that are there, then those that come, to the end", async () => {
  await withTempDir(async (cwd) => {
    await using log = await openEventLog({ root: `${cwd}/.taffrail`, runId: "live" });
    await log.append(event("pipe.started", { pipe: "ci" }));
    await using command = startTaffrail(["follow", "li"], { cwd });
    await command.stdout.find(/pipe.started {4}ci$/);
    await log.append(event("node.started", { node_id: "a", kind: "command", name: "deno lint" }));
    await command.stdout.find(/node.started {4}a {2}deno lint$/);
    const error = { kind: "crash", exit_code: 3 };
    await log.append(event("node.failed", { node_id: "a", error, duration_ms: 1234 }));
    await log.append(event("\x1b[31mnews", { node_id: "b" }));
    await log.append(event("pipe.aborted", { reason: "node a failed: crash" }));
    const { code, stdout } = await command.end();
    assertEquals(code, 0);
    assertEquals(
      stdout,
      `2026-04-15T12:00:00Z  pipe.started    ci
2026-04-15T12:00:00Z  node.started    a  deno lint
2026-04-15T12:00:00Z  node.failed     a  failed, exit code 3, 1.2s
2026-04-15T12:00:00Z  \\u001b[31mnews       b
2026-04-15T12:00:00Z  pipe.aborted    a failed
the run has failed
`,
    );
  });
});

Deno.test("taffrail follow --json prints the events as they are, with their seq, and how it ended", async () => {
  await withTempDir(async (cwd) => {
    const flow = await writeFlow(cwd, { a: "true" });
    await taffrail(["run", flow], { cwd });
    const root = `${cwd}/.taffrail`;
    const runId = await onlyRun(root);
    const path = `${root}/runs/${runId}/events.jsonl`;
    const lines = (await Deno.readTextFile(path)).trimEnd().split("\n");
    const events = lines.map((line) => JSON.parse(line));
    await Deno.writeTextFile(path, ["oops", ...lines, ""].join("\n"));
    const { code, stdout } = await taffrail(["follow", "--json", runId], { cwd });
    assertEquals(code, 0);
    const printed = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
    assertEquals({ ...printed[0], gap: printed[0].gap.reason }, { seq: 1, gap: "not-json" });
    assertEquals(printed.slice(1, -1), events.map((event, index) => ({ seq: index + 2, event })));
    assertEquals(printed.at(-1), { end: "completed", outcome: "completed" });
  });
});

Deno.test("taffrail follow ends when the last one who had the run open goes away (OST-4)", async () => {
  await withTempDir(async (cwd) => {
    const log = await openEventLog({ root: `${cwd}/.taffrail`, runId: "live" });
    await log.append(event("pipe.started", { pipe: "ci" }));
    await using command = startTaffrail(["follow", "--json", "live"], { cwd });
    await command.stdout.find(/"seq":1/);
    await log.append(event("node.started", { node_id: "a", kind: "command" }));
    await log.close();
    const { code, stdout } = await command.end();
    const [, second, end] = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
    assertEquals({ code, seq: second.seq, end }, {
      code: 0,
      seq: 2,
      end: { end: "not-live", outcome: "orphan" },
    });
  });
});

Deno.test("taffrail follow of a run that was killed tells the torn end, and that it is over", async () => {
  await withTempDir(async (cwd) => {
    await Deno.mkdir(`${cwd}/.taffrail/runs/x`, { recursive: true });
    const text = `${JSON.stringify(event("pipe.started", { pipe: "ci" }))}\n{"type":"node.st`;
    await Deno.writeTextFile(`${cwd}/.taffrail/runs/x/events.jsonl`, text);
    const { code, stdout } = await taffrail(["follow", "x"], { cwd });
    assertEquals(code, 0);
    const [, torn, end] = stdout.split("\n");
    assertMatch(torn!, /^line 2: torn: /);
    assertMatch(end!, /^\[ORPHAN\?\] /);
  });
});

Deno.test({
  name: "taffrail follow shows a run of another process while it runs",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withTempDir(async (cwd) => {
      const flow = await writeFlow(cwd, { a: "read _ <go" });
      await start("mkfifo", ["go"], { cwd }).end();
      await using run = startTaffrail(["run", flow], { cwd });
      const runId = (await run.stdout.find(/^run_id=/)).slice(7);
      await run.stdout.find(/^▸ a/);
      await using follow = startTaffrail(["follow", runId], { cwd });
      await follow.stdout.find(/node.started/);
      await Deno.writeTextFile(`${cwd}/go`, "\n");
      const { stdout } = await follow.end();
      assertMatch(
        stdout,
        /node\.completed {2}a .*\n.* pipe\.completed .*\nthe run has completed\n$/,
      );
      assertEquals((await run.end()).code, 0);
    }),
});

Deno.test("taffrail follow --all prints the runs that are worked on, and those that begin later", async () => {
  await withTempDir(async (cwd) => {
    const root = `${cwd}/.taffrail`;
    const old = await openEventLog({ root, runId: "old" });
    await old.append(event("pipe.started", { pipe: "ci" }));
    await old.close();
    await using live = await openEventLog({ root, runId: "live" });
    await live.append(event("pipe.started", { pipe: "ci" }));
    await using command = startTaffrail(["follow", "--all"], { cwd });
    await command.stdout.find(/^live {2}\S+ {2}pipe.started/);
    await using later = await openEventLog({ root, runId: "later" });
    await later.append(event("pipe.started", { pipe: "nightly" }));
    await command.stdout.find(/^later {2}.* nightly$/);
    await live.append(event("pipe.completed"));
    await command.stdout.find(/^live {2}the run has completed$/);
    await later.close();
    await command.stdout.find(/^later {2}\[ORPHAN\?\] /);
    // It goes on, as a resumed run does.
    await using again = await openEventLog({ root, runId: "later" });
    await again.append(event("pipe.aborted", { reason: "enough" }));
    await command.stdout.find(/^later {2}the run has failed$/);
    const lines = command.stdout.text.trimEnd().split("\n");
    assertEquals(lines.map((line) => line.replace(/2026\S+ +/, "")).toSorted(), [
      "later  [ORPHAN?] the run has no end, and nobody works on it any more",
      "later  pipe.aborted    enough",
      "later  pipe.started    nightly",
      "later  the run has failed",
      "live  pipe.completed",
      "live  pipe.started    ci",
      "live  the run has completed",
    ]);
  });
});

Deno.test("taffrail follow goes on behind an end that the run was gone on with after", async () => {
  await withTempDir(async (cwd) => {
    const root = `${cwd}/.taffrail`;
    await using log = await openEventLog({ root, runId: "live" });
    await log.append(event("pipe.started", { pipe: "ci" }));
    await log.append(event("pipe.aborted", { reason: "cancelled by SIGINT" }));
    const { stdout: first } = await taffrail(["follow", "live"], { cwd });
    assertMatch(first, /cancelled by SIGINT\nthe run was cancelled\n$/);
    await log.append(event("pipe.started", { pipe: "ci", resumed: true }));
    await using command = startTaffrail(["follow", "live"], { cwd });
    await command.stdout.find(/pipe.aborted {4}cancelled by SIGINT$/);
    await log.append(event("pipe.completed"));
    const { code, stdout } = await command.end();
    assertEquals(code, 0);
    assertMatch(stdout, /pipe\.started .*\n.*pipe\.completed.*\nthe run has completed\n$/);
  });
});

Deno.test("taffrail follow --all follows a run again that is gone on with", async () => {
  await withTempDir(async (cwd) => {
    const root = `${cwd}/.taffrail`;
    await using command = startTaffrail(["follow", "--all"], { cwd });
    await command.stderr.find(/^following all runs/);
    await using log = await openEventLog({ root, runId: "one" });
    await log.append(event("pipe.started", { pipe: "ci" }));
    await log.append(event("pipe.aborted", { reason: "enough" }));
    await command.stdout.find(/^one {2}the run has failed$/);
    // Whether it was let go of between the two does not matter.
    await log.append(event("pipe.started", { pipe: "ci", resumed: true }));
    await log.append(event("pipe.completed"));
    await command.stdout.find(/^one {2}the run has completed$/);
    const lines = command.stdout.text.trimEnd().split("\n");
    assertEquals(lines.map((line) => line.replace(/2026\S+ +/, "")), [
      "one  pipe.started    ci",
      "one  pipe.aborted    enough",
      "one  the run has failed",
      "one  pipe.started    ci",
      "one  pipe.completed",
      "one  the run has completed",
    ]);
  });
});

Deno.test("taffrail follow --all --json names the run in each object, and sees the first run of a root", async () => {
  await withTempDir(async (cwd) => {
    await using command = startTaffrail(["follow", "--all", "--json"], { cwd });
    await command.stderr.find(/^following all runs in .taffrail/);
    const ended = await taffrail(["exec", "--", "true"], { cwd });
    assertEquals(ended.code, 0);
    const runId = await onlyRun(`${cwd}/.taffrail`);
    await command.stdout.find(/"end":"completed"/);
    const objects = command.stdout.text.trimEnd().split("\n").map((line) => JSON.parse(line));
    assertEquals(objects.map((object) => object.run_id), objects.map(() => runId));
    assertEquals(objects.map(({ seq }) => seq), [1, 2, 3, 4, undefined]);
  });
});

Deno.test("times have milliseconds as JSON, and none in the texts for people", async () => {
  await withTempDir(async (cwd) => {
    await taffrail(["exec", "--", "true"], { cwd });
    const runId = await onlyRun(`${cwd}/.taffrail`);
    for (const args of [["ls"], ["show", runId], ["follow", runId]]) {
      const [text, json] = [
        await taffrail(args, { cwd }),
        await taffrail([...args, "--json"], { cwd }),
      ];
      assertMatch(text.stdout, /\d\dT\d\d:\d\d:\d\dZ/);
      assertEquals(text.stdout.match(/\d\dT\d\d:\d\d:\d\d\.\d/g), null);
      assertMatch(json.stdout, /"(last_)?ts":"[^"]*:\d\d\.\d{3}Z"/);
      assertEquals(json.stdout.match(/:\d\dZ"/g), null);
    }
  });
});
