/** One run of a flow at a time. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { isThere } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { HAS_SIGNALS, type RunningProcess, startTaffrail, taffrail } from "./_command.ts";
import { untilExists, writeFlow } from "./_runs.ts";

/** A flow that is at work until a file is there, and a run of it that is. */
async function startBusy(cwd: string, args: string[]): Promise<RunningProcess> {
  await writeFlow(cwd, {
    work: "echo >>begun; until test -e go; do sleep 0.05; done; echo done >>log",
  });
  const running = startTaffrail(["run", ...args, "flow.json"], { cwd });
  await untilExists(cwd, "begun");
  return running;
}

const begins = async (cwd: string) => (await Deno.readTextFile(`${cwd}/begun`)).length;

for (const others of [["--exclusive", "wait"], []]) {
  const what = others.length === 0 ? "any other run" : "another exclusive run";
  Deno.test(`run --exclusive refuse does not begin beside ${what}, and wait begins behind it`, () =>
    withTempDir(async (cwd) => {
      await using first = await startBusy(cwd, others);
      const refused = await taffrail(["run", "--exclusive", "refuse", "flow.json"], { cwd });
      assertEquals({ code: refused.code, stdout: refused.stdout }, { code: 1, stdout: "" });
      assertMatch(
        refused.stderr,
        /^Cannot run flow, which is to run alone: (process \d+ runs it|run flow-\w{26} is at work)/,
      );
      await using second = startTaffrail(["run", "--exclusive", "wait", "flow.json"], { cwd });
      await second.stderr.find(/^waits, as flow is to run alone: /);
      assertEquals(await begins(cwd), 1);
      await Deno.writeTextFile(`${cwd}/go`, "");
      const [one, two] = await Promise.all([first.end(), second.end()]);
      assertEquals([one.code, two.code], [0, 0], one.stderr + two.stderr);
      assertEquals(await Deno.readTextFile(`${cwd}/log`), "done\ndone\n");
    }));
}

Deno.test({
  name: "a signal ends the wait for another run, and nothing was begun",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withTempDir(async (cwd) => {
      await using first = await startBusy(cwd, ["--exclusive", "refuse"]);
      await using second = startTaffrail(["run", "--exclusive", "wait", "flow.json"], { cwd });
      await second.stderr.find(/^waits, /);
      second.kill("SIGINT");
      const { code, stdout, stderr } = await second.end();
      assertEquals({ code, stdout }, { code: 130, stdout: "" });
      assertStringIncludes(stderr, "SIGINT: flow was not run");
      assertEquals(await begins(cwd), 1);
      await Deno.writeTextFile(`${cwd}/go`, "");
      assertEquals((await first.end()).code, 0);
    }),
});

Deno.test({
  name: "who is killed holds nobody up, and a flow of another name is another one",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withTempDir(async (cwd) => {
      await using first = await startBusy(cwd, ["--exclusive", "refuse"]);
      const other = '{ "name": "flow-2", "nodes": { "a": { "run": ["true"] } } }';
      await Deno.writeTextFile(`${cwd}/other.json`, other);
      const beside = await taffrail(["run", "--exclusive", "refuse", "other.json"], { cwd });
      assertEquals(beside.code, 0, beside.stderr);
      first.kill("SIGKILL");
      await first.end();
      await Deno.writeTextFile(`${cwd}/go`, "");
      const { code, stderr } = await taffrail(["run", "--exclusive", "refuse", "flow.json"], {
        cwd,
      });
      assertEquals(code, 0, stderr);
      const verified = await taffrail(["verify"], { cwd });
      assertEquals(verified.code, 0, verified.stdout);
    }),
});

Deno.test("run --exclusive takes no other word", () =>
  withTempDir(async (cwd) => {
    await writeFlow(cwd, { work: "true" });
    const { code, stderr } = await taffrail(["run", "--exclusive", "now", "flow.json"], { cwd });
    assertEquals(code, 2);
    assertStringIncludes(stderr, 'Cannot use --exclusive "now": say wait, refuse');
    assertEquals(isThere(`${cwd}/.taffrail`), false);
  }));
