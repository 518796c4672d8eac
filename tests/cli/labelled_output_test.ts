import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { withTempDir } from "../_util/temp.ts";
import { HAS_SIGNALS, start, startTaffrail, taffrail } from "./_command.ts";
import { eventsOf, onlyRun, outlineOf, untilChanged, writeFlow } from "./_runs.ts";

function test(name: string, body: (cwd: string) => Promise<void>): void {
  Deno.test({ name, ignore: !HAS_SIGNALS, fn: () => withTempDir(body) });
}

test("taffrail run --output labelled prints whole lines behind their nodes as they come", async (cwd) => {
  await start("mkfifo", ["go"], { cwd }).end();
  const nodes = {
    half: { run: ["sh", "-c", "printf ha; read _ <go; printf 'lf\\nwarning\\n' >&2; printf lf"] },
    build: { run: ["sh", "-c", "echo one; echo two; exit 3"] },
  };
  const flow = { name: "flow", nodes, constraints: { max_in_flight: 2 } };
  await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify(flow));
  await using run = startTaffrail(["run", "--output", "labelled", "flow.json"], { cwd });
  await run.stdout.find(/^✗ build/);
  assertEquals(run.stdout.lines.filter((line) => line.includes(" | ")), [
    "build | one",
    "build | two",
  ]);
  const directory = `${cwd}/.taffrail/runs/${await onlyRun(`${cwd}/.taffrail`)}/nodes`;
  await untilChanged(directory, async () => {
    return await Deno.readTextFile(`${directory}/half.1.out`).catch(() => "") === "ha";
  });
  await Deno.writeTextFile(`${cwd}/go`, "\n");
  const { code, stdout, stderr } = await run.end();
  assertEquals([code, stderr], [1, "half  ! lf\nhalf  ! warning\n"]);
  assertStringIncludes(stdout, "\nhalf  | half\n✓ half ");
  assertEquals(stdout.includes("the end of"), false);
});

test("taffrail run --output none shows nothing of what commands print, and says what it does not know", async (cwd) => {
  const flow = await writeFlow(cwd, { a: "echo text; echo why >&2; exit 3" });
  const { code, stdout, stderr } = await taffrail(["run", "--output", "none", flow], { cwd });
  assertEquals([code, stderr], [1, ""]);
  assertEquals(/text\n|why\n/.test(stdout.replace(/^▸.*\n/m, "")), false, stdout);
  const wrong = await taffrail(["run", "--output", "all", flow], { cwd });
  const says = 'Cannot use --output "all": say failed, labelled, grouped, none';
  assertEquals([wrong.code, wrong.stderr.trim()], [2, says]);
  const json = await taffrail(["run", "--json", "--output", "labelled", flow], { cwd });
  assertEquals(json.code, 2);
  assertStringIncludes(json.stderr, "with --json the document is all that is printed");
});

test("taffrail run --tasks labels the lines of several tasks, and not those of one", async (cwd) => {
  const tasks = {
    gen: "printf gen",
    both: { command: "echo out; echo err >&2", dependencies: ["gen"] },
  };
  await Deno.writeTextFile(`${cwd}/deno.json`, JSON.stringify({ tasks }));
  const several = await taffrail(["run", "--tasks", "both"], { cwd });
  assertEquals([several.code, several.stderr], [0, "both ! err\n"]);
  assertMatch(several.stdout, /\ngen {2}\| gen\n✓ gen [^]*\nboth \| out\n✓ both /);
  const one = await taffrail(["run", "--tasks", "gen"], { cwd });
  assertMatch(one.stdout, /\ngen\n✓ gen /);
});

test("taffrail run --output labelled lets a command notice that its reader has gone", async (cwd) => {
  const flow = await writeFlow(cwd, { flood: "trap 'echo ended >ended' EXIT; yes" });
  const shell = `{ "$@"; echo "code $?" >&2; } | head -n 3`;
  const args = ["run", "--output", "labelled", flow];
  const { stdout, stderr } = await taffrail(args, { cwd, shell });
  assertEquals(stdout.split("\n").slice(2), ["flood | y", ""]);
  assertEquals(stderr, "code 1\n");
  const root = `${cwd}/.taffrail`;
  const outline = outlineOf(eventsOf(root, await onlyRun(root)));
  assertEquals(outline.slice(-2), ["node.failed flood", "pipe.aborted"]);
});
