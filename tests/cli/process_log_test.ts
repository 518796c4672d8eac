import { assert, assertEquals, assertThrows } from "@std/assert";
import { ProcessLines, readProcesses } from "../../cli/process/process_log.ts";
import { rootIdentityOf } from "../../cli/process/root_identity.ts";
import { ownVariables } from "../../run/marks.ts";
import { identifyProcess, readMarks } from "../../cli/process/processes.ts";
import type { NodeAttempt } from "../../run/types.ts";
import { withTempDir } from "../_util/temp.ts";
import { HAS_SIGNALS, start, startTaffrail, taffrail } from "./_command.ts";
import { eventsOf, onlyRun, untilChanged, untilExists, writeFlow } from "./_runs.ts";

/** The folder of a run, and the path of what it says of processes. */
async function makeRun(root: string) {
  const run = { root, runId: "r" };
  await Deno.mkdir(`${root}/runs/r`, { recursive: true });
  const path = `${root}/runs/r/processes.jsonl`;
  const lines = new ProcessLines(root);
  const append = (attempt: NodeAttempt, pid: number) => {
    // As behind a line that was torn, and mended.
    Deno.writeTextFileSync(path, `\n${lines.encode(attempt, pid)}\n`, { append: true });
  };
  return { run, append, path };
}

Deno.test("the lines of a run tell which process an attempt was, and of which root", () =>
  withTempDir(async (root) => {
    const { run, append, path } = await makeRun(root);
    assertEquals(readProcesses(run).size, 0);
    append({ nodeId: "a", attempt: 1 }, Deno.pid);
    append({ nodeId: "a", attempt: 2 }, 4_000_000);
    // Of two lines for one attempt the later one counts.
    append({ nodeId: "a", attempt: 2 }, Deno.ppid);
    const own = { root: rootIdentityOf(root), host: Deno.hostname() };
    assertEquals([...readProcesses(run)], [
      ["a#1", { ...identifyProcess(Deno.pid), ...own }],
      ["a#2", { ...identifyProcess(Deno.ppid), ...own }],
    ]);
    const [line] = (await Deno.readTextFile(path)).trimStart().split("\n");
    assertEquals(JSON.parse(line!).host, Deno.hostname());
  }));

Deno.test("a line that is torn or damaged tells of no process, and does no harm", () =>
  withTempDir(async (root) => {
    const { run, append, path } = await makeRun(root);
    const damaged = [
      '{"node_id":"a","attempt":1,"pid":',
      "\0".repeat(100),
      "\ufeff{}",
      "",
      "null",
      "[1]",
      '"text"',
      "{}",
      '{"node_id":1,"attempt":1,"pid":1}',
      '{"node_id":"a","attempt":"1","pid":1}',
      '{"node_id":"a","attempt":1,"pid":1.5}',
      '{"node_id":"a","attempt":1,"pid":1e400}',
      '{"node_id":"a","attempt":1,"pid":-1}',
      '{"a":'.repeat(100_000),
    ];
    for (const [index, tail] of damaged.entries()) {
      const nodeId = `n${index}`;
      append({ nodeId, attempt: 1 }, Deno.pid);
      await Deno.writeTextFile(path, tail, { append: true });
      const keys = [...readProcesses(run).keys()];
      assertEquals(keys, damaged.slice(0, index + 1).map((_, at) => `n${at}#1`), tail.slice(0, 60));
    }
  }));

Deno.test({
  name: "what stands in place of processes.jsonl is not read by way of a link",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withTempDir(async (root) => {
      const { run, path } = await makeRun(root);
      const other = `${root}/other`;
      await Deno.writeTextFile(other, "");
      const ways: (() => Promise<unknown>)[] = [
        () => Deno.symlink(other, path),
        () => new Deno.Command("mkfifo", { args: [path] }).output(),
        () => Deno.mkdir(path),
      ];
      for (const put of ways) {
        await put();
        assertThrows(() => readProcesses(run), TypeError, "processes.jsonl");
        await Deno.remove(path);
      }
    }),
});

Deno.test({
  name: "show --json has the pid of an attempt as long as that has no end, and no event has it",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withTempDir(async (cwd) => {
      await writeFlow(cwd, { a: "echo $$ > pid.new; mv pid.new pid; exec sleep 1000" });
      await using command = startTaffrail(["run", "flow.json"], { cwd });
      await untilExists(cwd, "pid");
      const pid = Number(await Deno.readTextFile(`${cwd}/pid`));
      const root = `${cwd}/.taffrail`;
      const run = { root, runId: await onlyRun(root) };
      await untilChanged(`${root}/runs/${run.runId}`, () => readProcesses(run).has("a#1"));
      const nodesOf = async () =>
        JSON.parse((await taffrail(["show", "--json", "flow"], { cwd })).stdout).nodes;
      assertEquals((await nodesOf())[0].pid, pid);
      command.kill("SIGTERM");
      await command.end();
      assert(!("pid" in (await nodesOf())[0]));
      const events = eventsOf(root, run.runId);
      assertEquals(events.filter((event) => event.pid !== undefined), []);
    }),
});

Deno.test({
  name: "a process that becomes another program is never without its mark",
  ignore: Deno.build.os !== "linux",
  fn: () =>
    withTempDir(async (cwd) => {
      await Deno.writeTextFile(`${cwd}/again`, '#!/bin/sh\nexec "$0"\n', { mode: 0o755 });
      const mark = { root: cwd, runId: "r-1", nodeId: "a", attempt: 1 };
      const env = { ...ownVariables(mark, ""), X: "x".repeat(10_000) };
      await using child = start(`${cwd}/again`, [], { cwd, env });
      for (let look = 0; look < 5000; look++) assertEquals(readMarks(child.pid), [mark]);
    }),
});

Deno.test({
  name: "a process without variables has no marks, and nobody waits for any",
  ignore: Deno.build.os !== "linux",
  fn: () =>
    withTempDir(async (cwd) => {
      await using child = start("env", ["-i", "sh", "-c", "echo begun; exec sleep 1000"], { cwd });
      await child.stdout.find(/^begun$/);
      const before = performance.now();
      for (let look = 0; look < 100; look++) assertEquals(readMarks(child.pid), []);
      assert(performance.now() - before < 50_000);
    }),
});
