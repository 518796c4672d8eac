/** Nothing is written by way of a link that stands in a run, and nothing that is no file hangs. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { isThere, namesIn } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { HAS_SIGNALS, start, startTaffrail, taffrail } from "./_command.ts";
import { isRunning, onlyRun, poll, untilExists, writeFlow } from "./_runs.ts";

const TELL = "echo $$ > pid.new; mv pid.new pid";
const HANGS_ONCE =
  `echo out; echo err >&2; test $TAFFRAIL_ATTEMPT -gt 1 || { ${TELL}; exec sleep 1000; }`;
const PRECIOUS = "precious\n";

/** What may stand in a place: links that lead to a file of the user's, and what is no file. */
const WAYS: Record<string, (path: string, precious: string) => Promise<unknown>> = {
  "a symbolic link": (path, precious) => Deno.symlink(precious, path),
  "a hard link": (path, precious) => Deno.link(precious, path),
  "a dangling link": (path, precious) => Deno.symlink(`${precious}.not`, path),
  "a named pipe": (path) => new Deno.Command("mkfifo", { args: [path] }).output(),
  "a directory": (path) => Deno.mkdir(path),
};

async function killedRun(cwd: string): Promise<string> {
  await writeFlow(cwd, { a: HANGS_ONCE });
  await using command = startTaffrail(["run", "flow.json"], { cwd });
  await untilExists(cwd, "pid");
  const folder = `${cwd}/.taffrail/runs/${await onlyRun(`${cwd}/.taffrail`)}`;
  // What it has printed may be on its way yet.
  await poll(() => ["out", "err"].every((stream) => isThere(`${folder}/nodes/a.1.${stream}`)));
  command.kill("SIGKILL");
  await command.end();
  const pid = Number(await Deno.readTextFile(`${cwd}/pid`));
  Deno.kill(pid, "SIGKILL");
  await poll(() => !isRunning(pid));
  return folder;
}

/** Each resume that fails makes an attempt. */
const attempts = Array.from({ length: 9 }, (_, index) => index + 2);
const PLACES: Record<string, string[]> = {
  "output": attempts.map((attempt) => `nodes/a.${attempt}.out`),
  "error output": attempts.map((attempt) => `nodes/a.${attempt}.err`),
  "processes.jsonl": ["processes.jsonl"],
};

for (const [name, places] of Object.entries(PLACES)) {
  Deno.test({
    name: `resume writes into no ${name} but the run's own, and goes on when it can`,
    ignore: !HAS_SIGNALS,
    fn: () =>
      withTempDir(async (cwd) => {
        const folder = await killedRun(cwd);
        const paths = places.map((place) => `${folder}/${place}`);
        const precious = `${cwd}/precious`;
        await Deno.writeTextFile(precious, PRECIOUS);
        for (const [way, put] of Object.entries(WAYS)) {
          for (const path of paths) {
            await Deno.remove(path).catch(() => {});
            await put(path, precious);
          }
          const { code, stderr } = await taffrail(["resume", "flow"], { cwd });
          assertEquals([code, await Deno.readTextFile(precious)], [1, PRECIOUS], way);
          assertEquals(isThere(`${precious}.not`), false, way);
          assertStringIncludes(stderr, places[0]!.split("/")[0]!, way);
          assertStringIncludes(stderr, "Cannot ", way);
        }
        for (const path of paths) await Deno.remove(path).catch(() => {});
        const { code, stderr } = await taffrail(["resume", "flow"], { cwd });
        assertEquals(code, 0, stderr);
      }),
  });
}

Deno.test({
  name: "resume writes nothing by way of a folder of outputs that is a link",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withTempDir(async (cwd) => {
      const nodes = `${await killedRun(cwd)}/nodes`;
      await Deno.mkdir(`${cwd}/elsewhere`);
      await Deno.remove(nodes, { recursive: true });
      await Deno.symlink(`${cwd}/elsewhere`, nodes);
      const { code, stderr } = await taffrail(["resume", "flow"], { cwd });
      assertEquals([code, namesIn(`${cwd}/elsewhere`)], [1, []]);
      assertStringIncludes(stderr, "nodes: it is a symbolic link");
    }),
});

Deno.test({
  name: "show reads no tail of an output that is a pipe or a link, and shows the rest",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withTempDir(async (cwd) => {
      await taffrail(["exec", "--name", "x", "--", "sh", "-c", "echo no >&2; exit 3"], { cwd });
      const path = `${cwd}/.taffrail/runs/${await onlyRun(`${cwd}/.taffrail`)}/nodes/x.1.err`;
      await Deno.writeTextFile(`${cwd}/secret`, "secret\n");
      for (const put of [WAYS["a named pipe"]!, WAYS["a symbolic link"]!]) {
        await Deno.remove(path);
        await put(path, `${cwd}/secret`);
        const { code, stdout } = await taffrail(["show", "x"], { cwd });
        assertEquals([code, stdout.includes("secret")], [0, false]);
        assertStringIncludes(stdout, "exit code 3");
      }
    }),
});

Deno.test({
  name: "what killed attempts left of files that were being replaced is gone after a resume",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withTempDir(async (cwd) => {
      const folder = await killedRun(cwd);
      const temps = ["flow.json", "capture.json", "trace.json", "run.json"]
        .map((name) => `${folder}/${name}.99999.1.tmp`);
      const own = `${folder}/report.2025.12.tmp`;
      for (const path of [...temps, own]) await Deno.writeTextFile(path, "{");
      assertEquals((await taffrail(["resume", "flow"], { cwd })).code, 0);
      assertEquals(temps.filter(isThere), []);
      assertEquals(isThere(own), true);
    }),
});

Deno.test({
  name: "a command inherits no lock: nobody works on a run whose process was killed",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withTempDir(async (cwd) => {
      await writeFlow(cwd, { a: `${TELL}; exec sleep 1000` });
      await using command = startTaffrail(["run", "flow.json"], { cwd });
      await untilExists(cwd, "pid");
      command.kill("SIGKILL");
      await command.end();
      const pid = Number(await Deno.readTextFile(`${cwd}/pid`));
      try {
        const { stdout } = await taffrail(["show", "--json", "flow"], { cwd });
        const { is_live: isLive, is_orphan: isOrphan } = JSON.parse(stdout);
        assertEquals([isRunning(pid), isLive, isOrphan], [true, false, true]);
        // Of no lock at all: a second process gets each of them at once.
        const folder = `${cwd}/.taffrail/runs/${await onlyRun(`${cwd}/.taffrail`)}`;
        for (const name of ["live.lock", "events.jsonl", "capture.jsonl"]) {
          const { code } = await start("flock", ["-n", `${folder}/${name}`, "true"], { cwd }).end();
          assertEquals(code, 0, name);
        }
      } finally {
        Deno.kill(pid, "SIGKILL");
      }
    }),
});
