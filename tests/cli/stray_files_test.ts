/** What else may lie in a root, and entries that cannot be used: neither keeps anybody from the rest. */
import { assertEquals, assertMatch } from "@std/assert";
import { runtimeDirectory } from "../../store/mod.ts";
import { withMemoryDir } from "../_util/temp.ts";
import { taffrail } from "./_command.ts";
import { onlyRun } from "./_runs.ts";

const ENGINE_WORDS =
  /Cannot (?:read|destructure) propert|is not (?:a function|iterable)|call stack/;

/** Records a run, and gives its id. */
async function record(cwd: string): Promise<string> {
  const { code } = await taffrail(["exec", "--name", "good", "--", "echo", "hi"], { cwd });
  assertEquals(code, 0);
  return await onlyRun(`${cwd}/.taffrail`);
}

async function verify(cwd: string) {
  const { code, stdout } = await taffrail(["verify", "--json"], { cwd });
  const { problems } = JSON.parse(stdout) as {
    problems: { run_id: string | null; part: string; kind: string; path: string }[];
  };
  assertEquals(code, problems.length === 0 ? 0 : 1);
  return problems;
}

/** Every level of a root, as seen from it, and whether what is strange there is told. */
const LEVELS: { level: string; of: (runId: string) => string; isTold: boolean }[] = [
  { level: "the root", of: () => "", isTold: false },
  { level: "the runs", of: () => "/runs", isTold: false },
  { level: "a run", of: (runId) => `/runs/${runId}`, isTold: false },
  { level: "the outputs of a run", of: (runId) => `/runs/${runId}/nodes`, isTold: false },
  { level: "the runtimes", of: () => "/runtimes", isTold: true },
  { level: "a runtime", of: (runId) => `/${runtimeDirectory("", runId)}`, isTold: true },
  { level: "its workers", of: (runId) => `/${runtimeDirectory("", runId)}/workers`, isTold: true },
  {
    level: "a worker",
    of: (runId) => `/${runtimeDirectory("", runId)}/workers/id-776f726b65722d3030303030303031`,
    isTold: true,
  },
];

/** What operating systems and file systems leave wherever they like. */
const SYSTEM_FILES = [
  ".DS_Store",
  "._events.jsonl",
  ".nfs000000000001",
  "Thumbs.db",
  ".fuse_hidden01",
];

for (const { level, of, isTold } of LEVELS) {
  Deno.test(`stray files in ${level} keep nobody from its runs, and those of the system are no damage`, async () => {
    await withMemoryDir(async (cwd) => {
      const runId = await record(cwd);
      const folder = `${cwd}/.taffrail${of(runId)}`;
      for (const name of SYSTEM_FILES) await Deno.writeTextFile(`${folder}/${name}`, "");
      assertEquals(await verify(cwd), []);
      assertEquals((await taffrail(["repair"], { cwd })).code, 0);
      await Deno.writeTextFile(`${folder}/notes.txt`, "mine");
      const problems = await verify(cwd);
      assertEquals(
        problems.map(({ part, kind }) => [part, kind]),
        isTold ? [["store", "foreign-file"]] : [],
      );
      for (const verb of ["ls", "show", "replay", "follow"]) {
        const { code } = await taffrail(verb === "ls" ? [verb] : [verb, "good"], { cwd });
        assertEquals(code, 0, verb);
      }
      await taffrail(["repair"], { cwd });
      const { code, stdout } = await taffrail(["prune", "--keep", "0", "--json"], { cwd });
      assertEquals([code, JSON.parse(stdout).removed.length], [0, 1]);
    });
  });
}

/** Entries of `runs/` that cannot be used. */
const BAD_ENTRIES: { what: string; damage: (run: string) => Promise<void> }[] = [
  { what: "a run without any file", damage: () => Promise.resolve() },
  { what: "a folder in place of the log", damage: (run) => Deno.mkdir(`${run}/events.jsonl`) },
  { what: "a link in place of the log", damage: (run) => Deno.symlink("x", `${run}/events.jsonl`) },
  {
    what: "links in a circle",
    damage: async (run) => {
      await Deno.symlink("run.json", `${run}/flow.json`);
      await Deno.symlink("flow.json", `${run}/run.json`);
      await Deno.writeTextFile(`${run}/events.jsonl`, "{}\n");
    },
  },
  {
    what: "a run.json of no object",
    damage: async (run) => {
      await Deno.writeTextFile(`${run}/run.json`, "null");
      await Deno.writeTextFile(`${run}/events.jsonl`, "{}\n");
    },
  },
  {
    what: "a run.json of a later format",
    damage: async (run) => {
      await Deno.writeTextFile(`${run}/run.json`, '{"format":9}');
      await Deno.writeTextFile(`${run}/events.jsonl`, "{}\n");
    },
  },
  {
    what: "folders in place of all files",
    damage: async (run) => {
      for (
        const name of ["run.json", "events.jsonl", "flow.json", "capture.jsonl", "capture.json"]
      ) {
        await Deno.mkdir(`${run}/${name}`);
      }
    },
  },
];

const NAMES = ["bad", "b".repeat(120), "b".repeat(128), "b".repeat(255)];

for (const { what, damage } of BAD_ENTRIES) {
  Deno.test(`one bad entry of a root keeps nobody from the others: ${what}`, {
    ignore: Deno.build.os === "windows",
  }, async () => {
    await withMemoryDir(async (cwd) => {
      await record(cwd);
      for (const name of NAMES) {
        const run = `${cwd}/.taffrail/runs/${name}`;
        await Deno.mkdir(run);
        await damage(run);
      }
      const texts: string[] = [];
      const listed = await taffrail(["ls", "--json"], { cwd });
      texts.push(listed.stdout, listed.stderr);
      assertEquals(listed.code, 0);
      const { runs } = JSON.parse(listed.stdout);
      const good = runs.filter(({ pipe }: { pipe?: string }) => pipe === "good");
      assertEquals(good.length, 1);
      for (const run of runs) if (run !== good[0]) assertEquals(typeof run.problem, "string");

      const problems = await verify(cwd);
      assertEquals(problems.some(({ run_id: id }) => id?.startsWith("good") ?? true), false);
      for (const { run_id: id } of runs) {
        if (id === good[0].run_id) continue;
        assertEquals(problems.some((problem) => problem.run_id === id), true, id);
        for (const verb of ["show", "follow", "replay", "resume", "trace", "stop"]) {
          const { code, stdout, stderr } = await taffrail([verb, id], { cwd });
          texts.push(stdout, stderr);
          assertEquals(code, 1, `${verb}: ${stdout}${stderr}`);
          assertMatch(stdout + stderr, /[Cc]annot /);
        }
      }
      for (const args of [["repair"], ["prune", "--keep", "0"]]) {
        const { stdout, stderr } = await taffrail(args, { cwd });
        texts.push(stdout, stderr);
      }
      assertEquals(ENGINE_WORDS.test(texts.join("\n")), false, texts.join("\n"));
      const left = JSON.parse((await taffrail(["ls", "--json"], { cwd })).stdout).runs;
      assertEquals(left.filter(({ pipe }: { pipe?: string }) => pipe === "good"), []);
      assertEquals(left.length, runs.length - 1);
    });
  });
}

/** What can stand in place of the file with the last id that was given out. */
const NO_ULIDS: Record<string, (path: string) => Promise<unknown>> = {
  "a named pipe": (path) => new Deno.Command("mkfifo", { args: [path] }).output(),
  "a folder": (path) => Deno.mkdir(path),
  "a link": (path) => Deno.symlink("nowhere", path),
  "a file with another name": async (path) => {
    await Deno.writeTextFile(`${path}.x`, "01m8mypsefrg08vaj8p80115wh\n");
    await Deno.link(`${path}.x`, path);
  },
  "garbage": (path) => Deno.writeTextFile(path, "garbage\n"),
};

for (const [what, put] of Object.entries(NO_ULIDS)) {
  Deno.test(`${what} in place of .ulid-last is told by verify, and repair makes it again`, {
    ignore: Deno.build.os === "windows",
  }, () =>
    withMemoryDir(async (cwd) => {
      const runId = await record(cwd);
      const path = `${cwd}/.taffrail/.ulid-last`;
      await Deno.remove(path);
      await put(path);
      const exec = ["exec", "--name", "good", "--", "true"];
      assertEquals((await taffrail(exec, { cwd })).code, 125);
      assertEquals((await verify(cwd)).map(({ part, kind }) => [part, kind]), [[
        "run",
        "unreadable",
      ]]);
      assertEquals((await taffrail(["repair"], { cwd })).code, 0);
      assertEquals(await verify(cwd), []);
      assertEquals(await Deno.readTextFile(path), `${runId.slice(-26)}\n`);
      assertEquals((await taffrail(exec, { cwd })).code, 0);
    }));
}
