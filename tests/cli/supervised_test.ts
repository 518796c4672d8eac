import { assertEquals, assertStringIncludes } from "@std/assert";
import { withTempDir } from "../_util/temp.ts";
import { HAS_SIGNALS, startTaffrail, taffrail } from "./_command.ts";
import { eventsOf, isRunning, onlyRun, outlineOf, untilExists } from "./_runs.ts";

const ROOT = ".taffrail";

function test(name: string, body: (cwd: string) => Promise<void>): void {
  Deno.test({ name, ignore: !HAS_SIGNALS, fn: () => withTempDir(body) });
}

interface Flow {
  nodes: Record<string, string>;
  constraints?: Record<string, unknown>;
}

async function writeFlow(cwd: string, { nodes, constraints }: Flow): Promise<void> {
  const shell = Object.entries(nodes).map(([id, text]) => [id, { run: ["sh", "-c", text] }]);
  const flow = {
    name: "flow",
    nodes: Object.fromEntries(shell),
    ...(constraints && { constraints }),
  };
  await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify(flow));
}

/** A command that waits until a file is there; files tell the commands of a test when to go on. */
const until = (file: string) => `while ! test -e ${file}; do sleep 0.01; done`;

async function outline(cwd: string): Promise<string[]> {
  return outlineOf(eventsOf(`${cwd}/${ROOT}`, await onlyRun(`${cwd}/${ROOT}`)));
}

test("taffrail run starts nothing after a failure, no retry and nothing deferred", async (cwd) => {
  await writeFlow(cwd, {
    nodes: {
      a: `${until("b-runs")}; exit 3`,
      b: `touch b-runs; ${until(`${ROOT}/failed`)}; exit 1`,
      c: "true",
    },
    constraints: { max_in_flight: 2, max_retries: 1 },
  });
  await using run = startTaffrail(["run", "flow.json"], { cwd });
  await run.stdout.find(/^✗ a/);
  // The first failure of a is tried again; when that has failed too, b may go on.
  await run.stdout.find(/^▸ a/);
  await run.stdout.until(() =>
    run.stdout.lines.filter((line) => line.startsWith("✗ a")).length >= 2
  );
  await Deno.writeTextFile(`${cwd}/${ROOT}/failed`, "");
  assertEquals((await run.end()).code, 1);
  const started = (await outline(cwd)).filter((line) => line.startsWith("node.started"));
  assertEquals(started.toSorted(), ["node.started a", "node.started a", "node.started b"]);
  const { code } = await taffrail(["replay", "flow"], { cwd });
  assertEquals(code, 0);
});

test("taffrail run has the digest of an output in the journal before the next node ends", async (cwd) => {
  await writeFlow(cwd, {
    nodes: { a: "echo a", b: "echo $$ > pid.new; mv pid.new pid; exec sleep 1000" },
    constraints: { max_in_flight: 2 },
  });
  await using run = startTaffrail(["run", "flow.json"], { cwd });
  await untilExists(cwd, "pid");
  await run.stdout.find(/^✓ a/);
  const journal = `${cwd}/${ROOT}/runs/${await onlyRun(`${cwd}/${ROOT}`)}/capture.jsonl`;
  const watcher = Deno.watchFs(journal);
  if (!(await Deno.readTextFile(journal)).includes('"output_hash"')) {
    for await (const _ of watcher) {
      if ((await Deno.readTextFile(journal)).includes('"output_hash"')) break;
    }
  } else watcher.close();
  run.kill("SIGTERM");
  assertEquals((await run.end()).code, 143);
  // Nobody can repeat the signal, so what it ended is not made again.
  const { code, stdout } = await taffrail(["replay", "flow", "--live"], { cwd });
  assertEquals(code, 0);
  assertStringIncludes(stdout, "1 attempt was made again");
});

test("taffrail run ends what runs, and tells no end that is not recorded, when the journal is written by another", async (cwd) => {
  await writeFlow(cwd, {
    nodes: {
      a: "echo $$ > pid.new; mv pid.new pid; exec sleep 1000",
      b: `${until("pid")}; echo {} >> ${ROOT}/runs/$TAFFRAIL_RUN_ID/capture.jsonl`,
    },
    constraints: { max_in_flight: 2 },
  });
  const { code, stderr } = await taffrail(["run", "flow.json"], { cwd });
  assertEquals(code, 1);
  assertStringIncludes(stderr, "so another session writes to it");
  assertEquals((await outline(cwd)).toSorted(), [
    "node.started a",
    "node.started b",
    "pipe.aborted",
    "pipe.started",
  ]);
  assertEquals(isRunning(Number(await Deno.readTextFile(`${cwd}/pid`))), false);
});

test("taffrail run has one terminal event when a command removes its own output (OEV-6)", async (cwd) => {
  await writeFlow(cwd, { nodes: { a: `rm -rf ${ROOT}/runs/$TAFFRAIL_RUN_ID/nodes` } });
  // It has printed nothing, so there is nothing that could be lost.
  const { code, stderr } = await taffrail(["run", "flow.json"], { cwd });
  assertEquals(code, 0, stderr);
  assertEquals(await outline(cwd), [
    "pipe.started",
    "node.started a",
    "node.completed a",
    "pipe.completed",
  ]);
});

test("taffrail replay --live leaves nothing running and waits for what it has begun", async (cwd) => {
  await writeFlow(cwd, { nodes: { a: "true" }, constraints: { max_retries: 1 } });
  await taffrail(["run", "flow.json"], { cwd });
  const journal = `${cwd}/${ROOT}/runs/${await onlyRun(`${cwd}/${ROOT}`)}/capture.jsonl`;
  const text = await Deno.readTextFile(journal);
  // The same event, whose command now fails, then ignores SIGTERM; its hash is made to fit.
  const script = "test -e once || { touch once; exit 1; }; trap '' TERM; echo $$ > pid; sleep 1000";
  const payload = JSON.stringify({ node: "a", run: ["sh", "-c", script], cwd, env: [] });
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(payload));
  const hash = new Uint8Array(digest).toHex();
  await Deno.writeTextFile(
    journal,
    text.replace(/"payload":"(?:[^"\\]|\\.)+","payload_hash":"\w+"/, () => {
      return `"payload":${JSON.stringify(payload)},"payload_hash":"${hash}"`;
    }),
  );
  const { code } = await taffrail(["replay", "flow", "--live", "--grace", "50ms"], { cwd });
  assertEquals(code, 1);
  const pid = await Deno.readTextFile(`${cwd}/pid`).catch(() => undefined);
  if (pid !== undefined) assertEquals(isRunning(Number(pid)), false);
});

test("taffrail show and diff say what an empty or damaged journal means", async (cwd) => {
  await writeFlow(cwd, { nodes: { a: "true" } });
  await taffrail(["run", "flow.json"], { cwd });
  const runId = await onlyRun(`${cwd}/${ROOT}`);
  const journal = `${cwd}/${ROOT}/runs/${runId}/capture.jsonl`;
  await Deno.copyFile(journal, `${cwd}/damaged.jsonl`);
  await Deno.writeTextFile(`${cwd}/damaged.jsonl`, "garbage\n", { append: true });
  const { code, stdout, stderr } = await taffrail(["diff", runId, "damaged.jsonl"], { cwd });
  assertEquals({ code, stdout }, { code: 1, stdout: "what can be read of them is equal\n" });
  assertStringIncludes(stderr, "the journal of damaged.jsonl ends at line ");
  assertEquals((await taffrail(["replay", "damaged.jsonl"], { cwd })).code, 1);
  // A line that a kill tore was never acknowledged: the rest is whole.
  await Deno.copyFile(journal, `${cwd}/torn.jsonl`);
  await Deno.writeTextFile(`${cwd}/torn.jsonl`, '{"line":', { append: true });
  assertEquals((await taffrail(["replay", "torn.jsonl"], { cwd })).code, 0);
  await Deno.writeTextFile(journal, "");
  assertEquals((await taffrail(["show", runId], { cwd })).code, 0);
});
