import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { isLive, listRuns, verifyRun, VERSION } from "../../eventlog/mod.ts";
import { namesIn } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { taffrail } from "./_command.ts";
import { eventsOf, onlyRun, outlineOf, outputOf, writeFlow } from "./_runs.ts";

const ROOT = ".taffrail";

Deno.test("taffrail run runs each node when those it needs have completed, and records it (OEV-6)", async () => {
  await withTempDir(async (cwd) => {
    const flow = await writeFlow(cwd, {
      last: { run: "cat first second > last", needs: ["second", "first"] },
      second: { run: "cat first > second", needs: ["first"] },
      first: "echo x > first",
    });
    const { code, stderr } = await taffrail(["run", flow], { cwd });
    assertEquals({ code, stderr }, { code: 0, stderr: "" });
    assertEquals(await Deno.readTextFile(`${cwd}/last`), "x\nx\n");

    const root = `${cwd}/${ROOT}`;
    const runId = await onlyRun(root);
    const events = eventsOf(root, runId);
    assertEquals(outlineOf(events), [
      "pipe.started",
      "node.started first",
      "node.completed first",
      "node.started second",
      "node.completed second",
      "node.started last",
      "node.completed last",
      "pipe.completed",
    ]);
    assertEquals((await verifyRun(root, runId)).problems, []);
    assertEquals(await isLive(root, runId), false);
  });
});

Deno.test("taffrail run writes events in the vocabulary of runs (OEV-1, OEV-2, OEV-3)", async () => {
  await withTempDir(async (cwd) => {
    const flow = await writeFlow(cwd, { b: { run: "exit 3", needs: ["a"] }, a: "true" });
    await taffrail(["run", flow], { cwd });
    const root = `${cwd}/${ROOT}`;
    const runId = await onlyRun(root);
    assertMatch(runId, /^flow-[0-9a-hjkmnp-tv-z]{26}$/);
    const events = eventsOf(root, runId);
    for (const { id, ts, run_id } of events) {
      assertMatch(id, /^[0-9a-hjkmnp-tv-z]{26}$/);
      assertMatch(ts, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      assertEquals(run_id, runId);
    }
    const bodies = events.map(
      ({ id: _id, ts: _ts, run_id: _runId, duration_ms: length, ...body }) => {
        return { ...body, timed: Number.isInteger(length) };
      },
    );
    const node = { node_id: "b", attempt: 1 };
    const nothing = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const hashes = { output_hash: nothing, error_hash: nothing };
    assertEquals(
      bodies,
      [
        {
          type: "pipe.started",
          pipe: "flow",
          inputs: [],
          distro_version: VERSION,
          nodes: ["b", "a"],
          timed: false,
        },
        {
          type: "node.started",
          node_id: "a",
          kind: "command",
          name: "sh -c true",
          attempt: 1,
          timed: false,
        },
        {
          type: "node.completed",
          node_id: "a",
          ...hashes,
          attempt: 1,
          timed: true,
        },
        { type: "node.started", ...node, kind: "command", name: "sh -c 'exit 3'", timed: false },
        {
          type: "node.failed",
          ...node,
          error: { kind: "crash", exit_code: 3 },
          ...hashes,
          timed: true,
        },
        { type: "pipe.aborted", reason: "node b failed: crash", failed_step: "b", timed: true },
      ] as unknown as typeof bodies,
    );
  });
});

Deno.test("taffrail run prints run_id= first, then a line a node, then the table (ORN-1, OST-2)", async () => {
  await withTempDir(async (cwd) => {
    const flow = await writeFlow(cwd, {
      lint: "echo fine",
      test: { run: "echo one; echo two; echo bad >&2; exit 4", needs: ["lint"] },
      pack: { run: "true", needs: ["test"] },
    });
    const { code, stdout, stderr } = await taffrail(["run", flow], { cwd });
    const runId = await onlyRun(`${cwd}/${ROOT}`);
    const run = `${ROOT}/runs/${runId}`;
    assertEquals({ code, stderr }, { code: 1, stderr: "" });
    const text = stdout.replaceAll(/ +\d+(ms|\.\ds)/g, " TIME").replace(/when .*/, "when WHEN");
    assertEquals(
      text,
      `run_id=${runId}
▸ lint: sh -c 'echo fine'
✓ lint TIME
▸ test: sh -c 'echo one; echo two; echo bad >&2; exit 4'
✗ test TIME  failed, exit code 4

test, the end of ${run}/nodes/test.1.out:
  | one
  | two

test, the end of ${run}/nodes/test.1.err:
  | bad

${runId}  failed
reason  test failed
go on   taffrail resume ${runId}
flow    flow
when WHEN
log     ${run}/events.jsonl
  ✓ lint TIME
  ✗ test TIME  failed, exit code 4
  ⏭ pack          skipped: needs test, which failed
`,
    );
  });
});

Deno.test("taffrail run starts nothing more after a failure, not even what does not need it", async () => {
  await withTempDir(async (cwd) => {
    const flow = await writeFlow(cwd, {
      bad: "echo some reason >&2; kill -SEGV $$",
      other: "touch other",
    });
    const { code } = await taffrail(["run", flow], { cwd });
    assertEquals(code, 1);
    const root = `${cwd}/${ROOT}`;
    const events = eventsOf(root, await onlyRun(root));
    assertEquals(outlineOf(events), [
      "pipe.started",
      "node.started bad",
      "node.failed bad",
      "pipe.aborted",
    ]);
    assertEquals(events[2]?.error, { kind: "crash", signal: "SIGSEGV" });
    assertEquals(events[2]?.message, "some reason");
  });
});

Deno.test("taffrail run has the begin of a node in the journal before the command starts (ORN-2)", async () => {
  await withTempDir(async (cwd) => {
    const journal = '"$TAFFRAIL_ROOT/runs/$TAFFRAIL_RUN_ID/capture.jsonl"';
    const flow = await writeFlow(cwd, { look: `cat ${journal}` });
    await taffrail(["run", flow], { cwd });
    const root = `${cwd}/${ROOT}`;
    const runId = await onlyRun(root);
    const seen = (await outputOf({ root, runId }, "look.1.out")).trimEnd().split("\n");
    const lines = seen.map((line) => JSON.parse(line));
    assertEquals(lines.map(({ type }) => type), ["session", "event", "decision"]);
    assertEquals([lines[1].event_id, lines[2].decision], ["look", "Invoke"]);
  });
});

Deno.test("taffrail run gives nodes their environment, and records none of its values", async () => {
  await withTempDir(async (cwd) => {
    await Deno.mkdir(`${cwd}/flows/sub`, { recursive: true });
    const flow = {
      name: "flow",
      nodes: {
        a: {
          run: ["sh", "-c", 'pwd; echo "$TAFFRAIL_NODE_ID $TAFFRAIL_ATTEMPT $OWN $GIVEN"; cat'],
          env: { OWN: "sesame-own" },
          cwd: "sub",
        },
      },
    };
    await Deno.writeTextFile(`${cwd}/flows/flow.json`, JSON.stringify(flow));
    const env = { GIVEN: "sesame-given" };
    assertEquals((await taffrail(["run", "flows/flow.json"], { cwd, env })).code, 0);
    const root = `${cwd}/${ROOT}`;
    const runId = await onlyRun(root);
    const printed = await outputOf({ root, runId }, "a.1.out");
    assertEquals(printed, `${cwd}/flows/sub\na 1 sesame-own sesame-given\n`);
    for (const name of ["events.jsonl", "run.json"]) {
      const text = await Deno.readTextFile(`${root}/runs/${runId}/${name}`);
      assertEquals(text.includes("sesame"), false);
    }
  });
});

Deno.test("taffrail run puts the directory of deno last on the PATH, so that npx is enough", async () => {
  await withTempDir(async (cwd) => {
    const flow = { name: "flow", nodes: { a: { run: ["deno", "--version"] } } };
    await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify(flow));
    const run = async (path: string) => {
      const root = `${cwd}/${path.replaceAll("/", "_")}`;
      const args = ["run", "--root", root, "flow.json"];
      const { code } = await taffrail(args, { cwd, env: { PATH: path } });
      return { code, printed: await outputOf({ root, runId: await onlyRun(root) }, "a.1.out") };
    };
    const { code, printed } = await run(cwd);
    assertEquals(code, 0);
    assertStringIncludes(printed, Deno.version.deno);

    await Deno.writeTextFile(`${cwd}/deno`, "#!/bin/sh\necho another deno\n", { mode: 0o755 });
    assertEquals(await run(`${cwd}/`), { code: 0, printed: "another deno\n" });
  });
});

Deno.test("taffrail run records a program that vanished meanwhile as host_missing", async () => {
  await withTempDir(async (cwd) => {
    await Deno.writeTextFile(`${cwd}/tool`, "#!/bin/sh\n", { mode: 0o755 });
    const flow = {
      name: "flow",
      nodes: { a: { run: ["rm", "tool"] }, b: { run: ["./tool"], needs: ["a"] } },
    };
    await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify(flow));
    const { code, stdout } = await taffrail(["run", "flow.json"], { cwd });
    assertEquals(code, 1);
    assertMatch(stdout, /✗ b +0ms +could not be started\n/);
    const root = `${cwd}/${ROOT}`;
    const [failed, aborted] = eventsOf(root, await onlyRun(root)).slice(-2);
    assertEquals(failed?.error, { kind: "host_missing" });
    const says = `Cannot run "./tool", which does not exist: there is no ${cwd}/tool`;
    assertEquals(failed?.message, says);
    assertEquals(aborted?.reason, "node b failed: host_missing");
  });
});

Deno.test("taffrail run records the end of what a failed node printed, cut within a character", async () => {
  await withTempDir(async (cwd) => {
    const print = "yes 🙂 | head -n 1500 | tr -d '\\n' >&2; echo x >&2; exit 1";
    const { code, stderr } = await taffrail(["run", await writeFlow(cwd, { a: print })], { cwd });
    assertEquals({ code, stderr }, { code: 1, stderr: "" });
    const root = `${cwd}/${ROOT}`;
    const failed = eventsOf(root, await onlyRun(root)).find(({ type }) => type === "node.failed");
    assertEquals(failed?.message, `\ufffd${"🙂".repeat(999)}x`);
  });
});

Deno.test("taffrail run goes on recording when nobody reads what it prints", async () => {
  await withTempDir(async (cwd) => {
    const flow = await writeFlow(cwd, { a: "true", b: { run: "exit 1", needs: ["a"] } });
    const shell = '"$@" | head -n 1';
    const { stdout, stderr } = await taffrail(["run", flow], { cwd, shell });
    const root = `${cwd}/${ROOT}`;
    const runId = await onlyRun(root);
    assertEquals({ stdout, stderr }, { stdout: `run_id=${runId}\n`, stderr: "" });
    assertEquals(eventsOf(root, runId).at(-1)?.type, "pipe.aborted");
  });
});

Deno.test("taffrail run creates its root with a .gitignore, everything for the owner only", async () => {
  await withTempDir(async (cwd) => {
    const flow = await writeFlow(cwd, { a: "echo x" });
    await taffrail(["run", flow], { cwd });
    assertEquals(await Deno.readTextFile(`${cwd}/${ROOT}/.gitignore`), "*\n");
    const nodes = `${cwd}/${ROOT}/runs/${await onlyRun(`${cwd}/${ROOT}`)}/nodes`;
    if (Deno.build.os !== "windows") {
      assertEquals((await Deno.stat(`${cwd}/${ROOT}`)).mode! & 0o777, 0o700);
      assertEquals((await Deno.stat(nodes)).mode! & 0o777, 0o700);
      assertEquals((await Deno.stat(`${nodes}/a.1.out`)).mode! & 0o777, 0o600);
    }

    await Deno.mkdir(`${cwd}/given`);
    await taffrail(["run", "--root", "given", flow], { cwd });
    assertEquals(namesIn(`${cwd}/given`), [".ulid-last", "runs", "runtimes"]);
  });
});

Deno.test("taffrail run records several runs at once below one root", async () => {
  await withTempDir(async (cwd) => {
    const flow = await writeFlow(cwd, { a: "true" });
    const ended = await Promise.all(
      Array.from({ length: 4 }, () => taffrail(["run", flow], { cwd })),
    );
    assertEquals(ended.map(({ code }) => code), [0, 0, 0, 0]);
    assertEquals((await listRuns(`${cwd}/${ROOT}`)).length, 4);
  });
});

Deno.test("taffrail run --json prints one document, and run_id= to stderr", async () => {
  await withTempDir(async (cwd) => {
    const flow = await writeFlow(cwd, {
      a: "true",
      b: { run: "echo no >&2; exit 9", needs: ["a"] },
    });
    const { code, stdout, stderr } = await taffrail(["run", "--json", flow], { cwd });
    const runId = await onlyRun(`${cwd}/${ROOT}`);
    assertEquals({ code, stderr }, { code: 1, stderr: `run_id=${runId}\n` });
    const report = JSON.parse(stdout);
    assertEquals(stdout.indexOf("\n"), stdout.length - 1);
    assertEquals(report.state, { Aborted: { reason: "node b failed: crash" } });
    assertEquals(report.nodes[1].exit_code, 9);
    assert(stdout.includes(`"log":"${ROOT}/runs/${runId}/events.jsonl"`));
    assertEquals(report, JSON.parse((await taffrail(["show", "--json", runId], { cwd })).stdout));
  });
});
