/** `taffrail repair` whatever happens to it: it is killed, asked to end, or others hold what it needs. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { openEventLog } from "../../eventlog/mod.ts";
import { namesIn } from "../_util/files.ts";
import { Random } from "../_util/random.ts";
import { longCount, seed, withMemoryDir } from "../_util/temp.ts";
import { HAS_SIGNALS, startTaffrail, taffrail } from "./_command.ts";
import { onlyRun, untilExists, writeFlow } from "./_runs.ts";

/** What is damaged in a run at once; each can be made again from what is left. */
const DAMAGES: ((run: string) => Promise<void>)[] = [
  async (run) => {
    await Deno.writeTextFile(`${run}/run.json`, "garbage");
    await Deno.remove(`${run}/events.jsonl`);
    await Deno.writeTextFile(`${run}/capture.json`, "garbage");
  },
  async (run) => {
    await Deno.writeTextFile(`${run}/capture.jsonl`, "garbage\n");
    await Deno.truncate(`${run}/events.jsonl`);
    await Deno.writeTextFile(`${run}/trace.json`, "garbage");
  },
  async (run) => {
    await Deno.remove(`${run}/run.json`);
    await Deno.remove(`${run}/capture.jsonl`);
    await Deno.writeTextFile(`${run}/events.jsonl`, '{"torn":', { append: true });
  },
];

async function copyFolder(from: string, to: string): Promise<void> {
  await Deno.mkdir(to);
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copyFolder(`${from}/${name}`, `${to}/${name}`);
    else await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
}

Deno.test({
  name: "taffrail repair that is killed anywhere can be started again, and loses nothing",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withMemoryDir(async (cwd) => {
      const flow = await writeFlow(cwd, { a: "echo a", b: { run: "echo b", needs: ["a"] } });
      assertEquals((await taffrail(["run", flow], { cwd })).code, 0);
      const root = `${cwd}/.taffrail`;
      const runId = await onlyRun(root);
      const shown = async () => {
        const { stdout } = await taffrail(["show", runId, "--json"], { cwd });
        const { state, nodes } = JSON.parse(stdout);
        return {
          state,
          nodes: nodes.map((n: Record<string, unknown>) => [n.id, n.status, n.attempt]),
        };
      };
      const before = await shown();
      await copyFolder(root, `${cwd}/base`);
      const random = new Random(seed());
      for (let round = 0; round < longCount(6, 120); round++) {
        await Deno.remove(root, { recursive: true });
        await copyFolder(`${cwd}/base`, root);
        const run = `${root}/runs/${runId}`;
        await DAMAGES[round % DAMAGES.length]!(run);
        await using command = startTaffrail(["repair"], { cwd });
        const watcher = Deno.watchFs(run);
        // Killed at the n-th change, whatever that is, or not at all.
        let left = 1 + random.below(40);
        const ended = command.end().finally(() => watcher.close());
        for await (const _ of watcher) if (--left === 0) command.kill("SIGKILL");
        await ended;
        const repaired = await taffrail(["repair"], { cwd });
        assertEquals(repaired.code, 0, repaired.stdout);
        assertEquals((await taffrail(["verify"], { cwd })).code, 0);
        assertEquals(await shown(), before);
        assertEquals((await taffrail(["replay", runId], { cwd })).code, 0);
        const names = namesIn(run);
        const again = await taffrail(["repair"], { cwd });
        assertEquals(again.stdout, "Nothing is wrong, so nothing was changed\n");
        assertEquals(namesIn(run), names);
      }
    }),
});

/** A run whose trace is to be moved aside; gives its folder. */
async function makeDamaged(root: string, runId: string): Promise<string> {
  await using log = await openEventLog<{ n: number }>({ root, runId });
  await log.append({ n: 1 });
  const run = `${root}/runs/${runId}`;
  await Deno.writeTextFile(`${run}/trace.json`, "garbage");
  return run;
}

/** Holds the locks of a log until they are closed. */
function holdLocks(run: string): Deno.FsFile[] {
  return ["events.jsonl", "events.lock"].map((name) => {
    const file = Deno.openSync(`${run}/${name}`, { create: true, write: true });
    file.lockSync(true);
    return file;
  });
}

Deno.test({
  name: "taffrail repair heeds SIGTERM and SIGINT: it ends after the run at hand, and says so",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withMemoryDir(async (cwd) => {
      const root = `${cwd}/.taffrail`;
      // Each of these is waited for half a second, so that there is always a run at hand.
      const held: Deno.FsFile[] = [];
      for (let n = 10; n < 60; n++) {
        held.push(...holdLocks(await makeDamaged(root, `b-${n}`)));
      }
      try {
        for (const [signal, code] of [["SIGTERM", 143], ["SIGINT", 130]] as const) {
          await Deno.remove(`${root}/runs/a`, { recursive: true }).catch(() => {});
          await makeDamaged(root, "a");
          await using command = startTaffrail(["repair"], { cwd });
          await untilExists(`${root}/runs/a`, "trace.json.damaged-1");
          command.kill(signal);
          const ended = await command.end();
          assertEquals(ended.code, code);
          assertStringIncludes(ended.stderr, `${signal}: finishing the run at hand`);
          assertMatch(ended.stdout, /a\/trace\.json: moved aside/);
          assertMatch(ended.stdout, /so far \d+ problems? left|so far nothing left/);
        }
      } finally {
        for (const file of held) file.close();
      }
      assertEquals((await taffrail(["repair"], { cwd })).code, 0);
    }),
});

Deno.test("taffrail repair says of a run whose lock somebody holds that it was left alone", async () => {
  await withMemoryDir(async (cwd) => {
    const root = `${cwd}/.taffrail`;
    const files = holdLocks(await makeDamaged(root, "a"));
    await makeDamaged(root, "b");
    try {
      const { stdout, code } = await taffrail(["repair", "--json"], { cwd });
      const { repairs, refused } = JSON.parse(stdout);
      assertEquals(code, 1);
      assertEquals(repairs.map(({ run_id }: { run_id: string }) => run_id), ["b"]);
      assertEquals(refused.map(({ run_id }: { run_id: string }) => run_id), ["a"]);
      assertMatch(refused[0].message, /lock/);
      assertEquals(await Deno.readTextFile(`${root}/runs/a/trace.json`), "garbage");
    } finally {
      for (const file of files) file.close();
    }
  });
});

Deno.test("taffrail repair leaves a run that somebody has open, whatever is damaged in it", async () => {
  await withMemoryDir(async (cwd) => {
    const root = `${cwd}/.taffrail`;
    await using log = await openEventLog<{ n: number }>({ root, runId: "a" });
    await log.append({ n: 1 });
    const file = `${root}/runs/a/run.json`;
    for (const text of ["null", "garbage"]) {
      await Deno.writeTextFile(file, text);
      const { stdout, code } = await taffrail(["repair", "--json"], { cwd });
      assertEquals(code, 1);
      assertMatch(JSON.parse(stdout).refused[0].message, /^it is at work/);
      assertEquals(await Deno.readTextFile(file), text);
    }
  });
});
