import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { withTempDir } from "../_util/temp.ts";
import { HAS_SIGNALS, recordAndKill, start, startTaffrail, taffrail } from "./_command.ts";
import { onlyRun, untilChanged, writeFlow } from "./_runs.ts";

function test(name: string, body: (cwd: string) => Promise<void>): void {
  Deno.test({ name, ignore: !HAS_SIGNALS, fn: () => withTempDir(body) });
}

async function makePipes(cwd: string, ...names: string[]): Promise<void> {
  await start("mkfifo", names, { cwd }).end();
}

/** What `taffrail logs` prints, where all is well. */
async function logs(cwd: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await taffrail(["logs", ...args], { cwd });
  assertEquals([code, stderr], [0, ""]);
  return stdout;
}

/** Resolves when so many pieces were recorded of an output. */
async function untilCame(cwd: string, file: string, pieces: number): Promise<void> {
  await untilChanged(`${cwd}/.taffrail/runs`, async () => {
    try {
      const runId = await onlyRun(`${cwd}/.taffrail`);
      const path = `${cwd}/.taffrail/runs/${runId}/nodes/${file}`;
      return (await Deno.readTextFile(path)).split("\n").length > pieces;
    } catch {
      return false;
    }
  });
}

test("taffrail logs prints both outputs of several nodes in the order in which they came", async (cwd) => {
  await makePipes(cwd, "a1", "a2", "b1");
  const nodes = {
    build: { run: ["sh", "-c", "echo one; read _ <a1; echo two >&2; read _ <a2; printf five"] },
    lint: { run: ["sh", "-c", "read _ <b1; printf 'three\\nfour\\n'"] },
  };
  const flow = { name: "flow", nodes, constraints: { max_in_flight: 2 } };
  await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify(flow));
  await using run = startTaffrail(["run", "flow.json"], { cwd });
  await run.stdout.find(/^run_id=/);
  await untilCame(cwd, "build.1.times", 1);
  await Deno.writeTextFile(`${cwd}/a1`, "\n");
  await untilCame(cwd, "build.1.times", 2);
  await Deno.writeTextFile(`${cwd}/b1`, "\n");
  await untilCame(cwd, "lint.1.times", 1);
  await Deno.writeTextFile(`${cwd}/a2`, "\n");
  assertEquals((await run.end()).code, 0);
  assertEquals(
    await logs(cwd, "flow"),
    "build | one\nbuild ! two\nlint  | three\nlint  | four\nbuild | five\n",
  );
  assertEquals(await logs(cwd, "flow", "build", "--stderr"), "build ! two\n");
  assertEquals(await logs(cwd, "flow", "--stdout", "--tail", "2"), "lint  | four\nbuild | five\n");
  const objects = (await logs(cwd, "flow", "--json")).trimEnd().split("\n").map((line) =>
    JSON.parse(line)
  );
  const times = objects.map(({ at }) => Date.parse(at));
  assertEquals(times, times.toSorted((a, b) => a - b));
  assertEquals(objects.slice(1, 3).map(({ at: _, ...object }) => object), [
    { node: "build", attempt: 1, stream: "err", text: "two" },
    { node: "lint", attempt: 1, stream: "out", text: "three" },
  ]);
});

test("taffrail logs -f prints what comes until the run ends, a resumed one too", async (cwd) => {
  await makePipes(cwd, "go");
  const flow = await writeFlow(cwd, {
    a: "echo attempt $TAFFRAIL_ATTEMPT; read _ <go; echo done; exit $((2 - $TAFFRAIL_ATTEMPT))",
  });
  for (const [verb, label] of [["run", "a |"], ["resume", "a#2 |"]] as const) {
    await using run = startTaffrail([verb, verb === "run" ? flow : "flow"], { cwd });
    const begun = await run.stdout.find(/^run_id=/);
    await untilCame(cwd, `a.${verb === "run" ? 1 : 2}.times`, 1);
    await using follower = startTaffrail(["logs", "-f", begun.slice(7)], { cwd });
    await follower.stdout.until(() => follower.stdout.text.includes(`${label} attempt`));
    assertEquals(follower.stdout.text.includes(`${label} done`), false);
    await Deno.writeTextFile(`${cwd}/go`, "\n");
    await run.end();
    const { code, stdout, stderr } = await follower.end();
    assertEquals([code, stderr], [0, ""]);
    assertEquals(stdout.endsWith(`${label} done\n`), true, stdout);
  }
  const first = "a | attempt 1\na | done\n";
  assertEquals(await logs(cwd, "flow"), `${first}a#2 | attempt 2\na#2 | done\n`);
  assertEquals(await logs(cwd, "flow", "a", "--attempt", "1"), first);
});

test("taffrail logs -f ends when its reader has gone, though nothing more comes", async (cwd) => {
  await makePipes(cwd, "go");
  const flow = await writeFlow(cwd, { a: "echo one; read _ <go" });
  await using run = startTaffrail(["run", flow], { cwd });
  const runId = (await run.stdout.find(/^run_id=/)).slice("run_id=".length);
  const shell = `{ "$@"; echo "code $?" >&2; } | head -n 1`;
  await using follower = startTaffrail(["logs", "-f", runId], { cwd, shell });
  await follower.stderr.find(/^code /);
  assertEquals(follower.stdout.lines, ["a | one"]);
  assertEquals(follower.stderr.lines, ["code 141"]);
  await Deno.writeTextFile(`${cwd}/go`, "\n");
});

test("taffrail logs of a killed run prints what was kept, the unended line and what is lost", async (cwd) => {
  const runId = await recordAndKill(cwd);
  assertEquals(await logs(cwd, runId), "cat | begun\n");
  await Deno.remove(`${cwd}/.taffrail/runs/${runId}`, { recursive: true });
  const output = "seq 1000; printf 'not ended' >&2; exec sleep 1000";
  const args = ["exec", "--name", "big", "--max-output", "1KiB", "--", "sh", "-c", output];
  await using run = startTaffrail(args, { cwd });
  await untilCame(cwd, "big.1.times", 2);
  run.kill("SIGKILL");
  await run.end();
  const lines = (await logs(cwd, "big")).trimEnd().split("\n");
  const ends = ["big | [taffrail: 3381 bytes are missing]", "big ! not ended"];
  assertEquals([lines[0], ...lines.slice(-2)], ["big | 1", ...ends]);
  await taffrail(["stop", "big"], { cwd });
});

test("taffrail logs prints large outputs whole, and says where one was cut and by how much", async (cwd) => {
  await taffrail(["exec", "--name", "whole", "--", "seq", "400000"], { cwd });
  const text = await logs(cwd, "whole");
  const numbers = Array.from({ length: 400_000 }, (_, index) => `whole | ${index + 1}\n`).join("");
  assertEquals(text === numbers, true);
  for (const size of [1023, 1024, 1025, 1026]) {
    const name = `cut${size}`;
    const max = ["--max-output", `${size}`];
    const { stdout } = await taffrail(["exec", "--name", name, ...max, "--", "seq", "9000"], {
      cwd,
    });
    const objects = (await logs(cwd, name, "--json")).trimEnd().split("\n").map((line) =>
      JSON.parse(line)
    );
    const missing = objects.findIndex((object) => "missing" in object);
    assertEquals(objects[missing].missing, stdout.length - size);
    const kept = (list: { text: string }[]) => list.map((object) => object.text).join("\n");
    const head = Math.ceil(size / 2);
    assertEquals(kept(objects.slice(0, missing)), stdout.slice(0, head).replace(/\n$/, ""));
    assertEquals(`${kept(objects.slice(missing + 1))}\n`, stdout.slice(head - size));
  }
});

test("taffrail logs -f says that the rest comes later where it is not kept in order yet", async (cwd) => {
  await makePipes(cwd, "go");
  const args = ["exec", "--max-output", "1KiB", "--", "sh", "-c", "seq 1000; read _ <go"];
  await using run = startTaffrail(args, { cwd });
  await run.stdout.find(/^1000$/);
  await using follower = startTaffrail(["logs", "--follow", "sh"], { cwd });
  const note =
    /^what sh printed to stdout in attempt 1 goes on; the rest is shown when it has ended$/;
  await follower.stderr.find(note);
  await Deno.writeTextFile(`${cwd}/go`, "\n");
  const { code, stdout } = await follower.end();
  assertEquals(code, 0);
  assertStringIncludes(stdout, "\nsh | [taffrail: 2869 bytes are missing]\n");
  assertStringIncludes(stdout, "\nsh | 1000\n");
});

test("taffrail logs prints nothing that steers a terminal, and all of it as JSON", async (cwd) => {
  const print = "printf '\\033[31mred\\033[0m\\r\\n10%%\\r99%%\\n\\351\\302\\233\\n\\tend'";
  const flow = await writeFlow(cwd, { a: print });
  await taffrail(["run", flow], { cwd });
  assertEquals(await logs(cwd, "flow"), "a | red\na | 99%\na | \ufffd\\u009b\na | \tend\n");
  const texts = (await logs(cwd, "flow", "--json")).trimEnd().split("\n").map((line) => {
    assertEquals(/[\x7f-\x9f]/.test(line), false);
    return JSON.parse(line).text;
  });
  assertEquals(texts, ["\x1b[31mred\x1b[0m\r", "10%\r99%", "\ufffd\x9b", "\tend"]);
});

test("taffrail logs says what is not there", async (cwd) => {
  const flow = await writeFlow(cwd, { a: "true", b: "echo text" });
  await taffrail(["run", flow], { cwd });
  const runId = await onlyRun(`${cwd}/.taffrail`);
  const ask = async (...args: string[]) => {
    const { code, stdout, stderr } = await taffrail(["logs", ...args], { cwd });
    return [code, stdout + stderr];
  };
  assertEquals(await ask("flow", "a"), [0, `${runId}: nothing was printed\n`]);
  assertEquals(await ask("flow", "c"), [
    1,
    `Cannot find node "c" in run ${runId}: it has a, b\n`,
  ]);
  assertEquals(await ask("flow", "b", "--attempt", "2"), [
    1,
    `Cannot find attempt 2 of node b in run ${runId}: there were 1\n`,
  ]);
  for (const args of [[], ["flow", "a", "b"], ["flow", "--attempt", "0"], ["flow", "-x"]]) {
    assertEquals((await ask(...args))[0], 2);
  }
  await Deno.remove(`${cwd}/.taffrail/runs/${runId}/nodes`, { recursive: true });
  const [code, text] = await ask("flow");
  assertEquals(code, 1);
  assertMatch(
    `${text}`,
    /^what b printed to stdout in attempt 1 is gone: taffrail verify tells more\n/,
  );
});
