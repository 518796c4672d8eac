import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { HAS_SIGNALS, startTaffrail, taffrail } from "./_command.ts";
import { eventsOf, onlyRun, untilExists } from "./_runs.ts";
import { withTempDir } from "../_util/temp.ts";

const ROOT = ".taffrail";

interface Flow {
  nodes: Record<string, { run: string[]; needs?: string[]; env?: Record<string, string> }>;
  constraints?: Record<string, unknown>;
}

async function runFlow(cwd: string, flow: Flow): Promise<string> {
  await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify({ name: "flow", ...flow }));
  await taffrail(["run", "flow.json"], { cwd });
  return await onlyRun(`${cwd}/${ROOT}`);
}

const sh = (text: string, ...needs: string[]) => ({ run: ["sh", "-c", text], needs });

/** Four nodes, two at a time, one of which fails once. */
const BUSY: Flow = {
  nodes: {
    a: sh("echo a"),
    b: sh("echo b"),
    c: sh("test -e once || { touch once; exit 1; }", "a"),
    d: sh("echo d", "b", "c"),
  },
  constraints: { max_in_flight: 2, max_retries: 1 },
};

Deno.test("taffrail run keeps to max_in_flight and tries again what failed (SCH-6, INV-2)", async () => {
  await withTempDir(async (cwd) => {
    const runId = await runFlow(cwd, BUSY);
    const events = eventsOf(`${cwd}/${ROOT}`, runId);
    let running = 0;
    for (const { type } of events) {
      if (type === "node.started") running++;
      if (type === "node.completed" || type === "node.failed") running--;
      assertEquals(running <= 2, true);
    }
    const attempts = events
      .filter(({ node_id: node, type }) => node === "c" && type !== "node.started")
      .map((event) => [event.type, "attempt" in event ? event.attempt : undefined]);
    assertEquals(attempts, [["node.failed", 1], ["node.completed", 2]]);
    assertEquals(events.at(-1)?.type, "pipe.completed");
  });
});

Deno.test("taffrail run ends an attempt at the deadline of the constraints, as a timeout", async () => {
  await withTempDir(async (cwd) => {
    const nodes = { slow: { run: ["sleep", "1000"] } };
    const runId = await runFlow(cwd, { nodes, constraints: { deadline: "50ms", max_retries: 1 } });
    const failures = eventsOf(`${cwd}/${ROOT}`, runId).filter(({ type }) => type === "node.failed");
    assertEquals(failures.map(({ error }) => error?.kind), ["timeout", "timeout"]);
  });
});

Deno.test("taffrail replay finds a run decided on again as it was", async () => {
  await withTempDir(async (cwd) => {
    const runId = await runFlow(cwd, BUSY);
    const { code, stdout } = await taffrail(["replay", runId], { cwd });
    assertEquals(code, 0);
    assertMatch(stdout, /: \d+ inputs, \d+ decisions; the replay went as recorded\n$/);
    const bundle = `${ROOT}/runs/${runId}/capture.json`;
    const { code: again, stdout: json } = await taffrail(
      ["replay", bundle, "--flow", "flow.json", "--json"],
      { cwd },
    );
    assertEquals(again, 0);
    const { ok, divergences, undecided, interrupted, damage } = JSON.parse(json);
    assertEquals({ ok, divergences, undecided, interrupted, damage }, {
      ok: true,
      divergences: [],
      undecided: [],
      interrupted: [],
      damage: null,
    });
  });
});

Deno.test("taffrail replay --flow refuses another flow (PRV-5)", async () => {
  await withTempDir(async (cwd) => {
    const runId = await runFlow(cwd, { nodes: { a: sh("true") } });
    const other = { name: "flow", nodes: { a: sh("false") } };
    await Deno.writeTextFile(`${cwd}/other.json`, JSON.stringify(other));
    const { code, stderr } = await taffrail(["replay", runId, "--flow", "other.json"], { cwd });
    assertEquals(code, 1);
    assertStringIncludes(stderr, "runtime provenance mismatch: expected 'rpv1:sha256:");
  });
});

Deno.test("taffrail replay exits with 1 and shows where a changed bundle diverges", async () => {
  await withTempDir(async (cwd) => {
    const runId = await runFlow(cwd, BUSY);
    // The journal has no digest of the whole, so that a changed word is seen by replay alone.
    const journal = `${cwd}/${ROOT}/runs/${runId}/capture.jsonl`;
    const text = await Deno.readTextFile(journal);
    const changed = text.replace('"max_in_flight":2', '"max_in_flight":1');
    await Deno.writeTextFile(journal, changed);
    const { code, stdout } = await taffrail(["replay", runId], { cwd });
    assertEquals(code, 1);
    assertMatch(stdout, /the replay went otherwise at \d+ places?\n/);
    assertMatch(
      stdout,
      / {2}changed \$\.decisions\[\d+\]\.decision \(event 'b'\): recorded "Invoke", /,
    );
  });
});

Deno.test("taffrail replay --live runs the commands again and compares what they print", async () => {
  await withTempDir(async (cwd) => {
    await Deno.writeTextFile(`${cwd}/input`, "one\n");
    const runId = await runFlow(cwd, { nodes: { a: sh("cat input"), b: sh("exit 3", "a") } });
    assertEquals((await taffrail(["replay", runId, "--live"], { cwd })).code, 0);
    await Deno.writeTextFile(`${cwd}/input`, "two\n");
    const { code, stdout } = await taffrail(["replay", runId, "--live"], { cwd });
    assertEquals(code, 1);
    assertMatch(
      stdout,
      /changed \$\.inputs\[1\]\.end\.output_hash \(event 'a'\): recorded "sha256:/,
    );
    await Deno.remove(`${cwd}/input`);
    const { stdout: ended } = await taffrail(["replay", runId, "--live"], { cwd });
    assertMatch(
      ended,
      /termination \$\.inputs\[1\]\.termination \(event 'a'\): recorded "Completed", /,
    );
  });
});

Deno.test("taffrail replay --live runs what each attempt has run, also where the node was changed since", async () => {
  await withTempDir(async (cwd) => {
    const runId = await runFlow(cwd, { nodes: { a: sh("echo a"), b: sh("echo 1; exit 3", "a") } });
    const nodes = { a: sh("echo a"), b: sh("echo 2", "a") };
    await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify({ name: "flow", nodes }));
    assertEquals((await taffrail(["resume", runId], { cwd })).code, 0);
    const { code, stdout } = await taffrail(["replay", runId, "--live"], { cwd });
    assertEquals(code, 0, stdout);
    assertStringIncludes(stdout, "  3 attempts were made again\n");
  });
});

Deno.test("taffrail replay --live needs the flow for the values of variables, which are nowhere on disk", async () => {
  await withTempDir(async (cwd) => {
    const a = { run: ["sh", "-c", "echo $SECRET"], env: { SECRET: "hunter2" } };
    const runId = await runFlow(cwd, { nodes: { a } });
    for (const name of ["events.jsonl", "capture.jsonl", "capture.json"]) {
      const text = await Deno.readTextFile(`${cwd}/${ROOT}/runs/${runId}/${name}`);
      assertEquals(text.includes("hunter2"), false);
    }
    const { code, stderr } = await taffrail(["replay", runId, "--live"], { cwd });
    assertEquals(code, 2);
    assertStringIncludes(stderr, "and it was given SECRET; name its flow with --flow");
    const live = ["replay", runId, "--live", "--flow", "flow.json"];
    assertEquals((await taffrail(live, { cwd })).code, 0);
  });
});

Deno.test("taffrail replay says that there is nothing to replay, and which capture it cannot read", async () => {
  await withTempDir(async (cwd) => {
    const { code, stderr } = await taffrail(["replay", "./none.json"], { cwd });
    assertEquals(code, 1);
    assertStringIncludes(stderr, "./none.json");
    const { code: unknown } = await taffrail(["replay", "none"], { cwd });
    assertEquals(unknown, 1);
  });
});

Deno.test({
  name: "taffrail replay proves what a killed run had decided, and names what has no end",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withTempDir(async (cwd) => {
      const nodes = {
        a: sh("true"),
        b: sh("echo $$ > pid.new; mv pid.new pid; exec sleep 1000", "a"),
      };
      await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify({ name: "flow", nodes }));
      await using run = startTaffrail(["run", "flow.json"], { cwd });
      await untilExists(cwd, "pid");
      run.kill("SIGKILL");
      await run.end();
      Deno.kill(Number(await Deno.readTextFile(`${cwd}/pid`)), "SIGKILL");
      const { code, stdout } = await taffrail(["replay", "flow"], { cwd });
      assertEquals(code, 0);
      assertStringIncludes(stdout, "  without an end: b (attempt 1)\n");
    }),
});

Deno.test("taffrail diff compares two runs, and exits with 0 only for equal ones", async () => {
  await withTempDir(async (cwd) => {
    const runId = await runFlow(cwd, BUSY);
    assertEquals((await taffrail(["diff", runId, runId], { cwd })).stdout, "they are equal\n");
    // They differ in what differs between any two runs.
    const once = { nodes: { a: sh("test -e mended") } };
    await Deno.writeTextFile(`${cwd}/f.json`, JSON.stringify({ name: "f", ...once }));
    const runs: string[] = [];
    for (let round = 0; round < 2; round++) {
      await taffrail(["run", "f.json"], { cwd });
      await Deno.writeTextFile(`${cwd}/mended`, "");
      const { stdout } = await taffrail(["resume", "f", "--json"], { cwd });
      runs.push(JSON.parse(stdout).run_id);
      await Deno.remove(`${cwd}/mended`);
    }
    assertEquals((await taffrail(["diff", ...runs], { cwd })).stdout, "they are equal\n");
    assertEquals((await taffrail(["diff", "--times", ...runs], { cwd })).code, 1);
    const other = { ...BUSY, constraints: { max_in_flight: 1 } };
    await Deno.writeTextFile(`${cwd}/other.json`, JSON.stringify({ name: "other", ...other }));
    await taffrail(["run", "other.json"], { cwd });
    const { code, stdout } = await taffrail(["diff", "flow", "other"], { cwd });
    assertEquals(code, 1);
    assertMatch(
      stdout,
      /^flow flow → other\nc: attempts 2 → 1\nmax_in_flight 2 → 1\nmax_retries 1 → 0\n(?:took \S+ → \S+\n)?\d+ places of the recordings: taffrail diff --json flow other\n$/,
    );
    const { stdout: json } = await taffrail(["diff", "flow", "other", "--json"], { cwd });
    assertEquals(
      JSON.parse(json).some(({ path }: { path: string }) => path === "$.graph_id"),
      true,
    );
    assertEquals((await taffrail(["diff", "flow"], { cwd })).code, 2);
  });
});

Deno.test("taffrail show tells the reason of every deferral", async () => {
  await withTempDir(async (cwd) => {
    const nodes = { a: sh("true"), b: sh("true") };
    const runId = await runFlow(cwd, { nodes, constraints: { max_in_flight: 1 } });
    const { stdout } = await taffrail(["show", runId], { cwd });
    assertStringIncludes(stdout, "      waited for a free place: 1 of 1 taken\n");
    const { stdout: json } = await taffrail(["show", runId, "--json"], { cwd });
    const [, b] = JSON.parse(json).nodes;
    assertEquals(b.deferrals, [{
      reason: "saturated",
      text: "waited for a free place: 1 of 1 taken",
    }]);
  });
});

Deno.test("taffrail diff says node by node what differs, and what was printed", async () => {
  await withTempDir(async (cwd) => {
    const script = (text: string) => ({ run: ["sh", "-c", text] });
    const nodes = {
      same: script("echo same"),
      prints: script("cat input"),
      test: script("test ! -e broken || exit 3"),
      pack: { ...script("true"), needs: ["test"] },
    };
    const constraints = { max_in_flight: 1, max_retries: 1 };
    const write = (of: unknown) =>
      Deno.writeTextFile(`${cwd}/f.json`, JSON.stringify({ name: "f", nodes: of, constraints }));
    const run = async () => {
      const { stderr } = await taffrail(["run", "--json", "f.json"], { cwd });
      return /run_id=(\S+)/.exec(stderr)![1]!;
    };
    await write(nodes);
    await Deno.writeTextFile(`${cwd}/input`, "one\n");
    const a = await run();
    await Deno.writeTextFile(`${cwd}/input`, "two\n");
    await Deno.writeTextFile(`${cwd}/broken`, "");
    await write({ ...nodes, same: script("echo same # again") });
    const b = await run();
    const { code, stdout } = await taffrail(["diff", a, b], { cwd });
    assertEquals(code, 1);
    // Two runs may take as long.
    const lines = stdout.split("\n").filter((line) => !/^took \S+ → \S+$/.test(line));
    assertEquals(lines.slice(0, 4), [
      "same: runs sh -c 'echo same' → sh -c 'echo same # again'",
      "prints: printed something else",
      "test: completed → failed, exit code 3; attempts 1 → 2",
      "pack: completed → not run",
    ]);
    assertMatch(lines[4]!, /^\d+ places of the recordings: taffrail diff --json /);
    // Files of captures are told in the same words.
    const path = (runId: string) => `.taffrail/runs/${runId}/capture.json`;
    const files = await taffrail(["diff", path(a), path(b)], { cwd });
    assertEquals(files.stdout.split("\n").slice(0, 4), lines.slice(0, 4));
  });
});
