/** The lessons about programs that survive being killed: each is killed by SIGKILL, and goes on. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { namesIn, readText } from "../_util/files.ts";
import { HAS_SIGNALS } from "../_util/process.ts";
import { withTempDir } from "../_util/temp.ts";
import { taffrail } from "../cli/_command.ts";
import { DIRECTORY, killLesson, runLesson } from "./_lesson.ts";

const ROOT = ".taffrail-examples";

/** What `show` says of the newest run of a program, which has to be sound, and to replay. */
async function shownOf(name: string, cwd: string) {
  const { stdout } = await taffrail(["show", "--root", ROOT, "--json", name], { cwd });
  const shown = JSON.parse(stdout);
  assertEquals(shown.state, "Completed");
  for (const args of [["verify", "--root", ROOT], ["replay", "--root", ROOT, name]]) {
    const { code, stdout, stderr } = await taffrail(args, { cwd });
    assertEquals(code, 0, stdout + stderr);
  }
  return shown as { run_id: string; nodes: { id: string; attempt: number }[] };
}

/** The steps of which more than one attempt was begun, and how many. */
function repeated(nodes: { id: string; attempt: number }[]): [string, number][] {
  return nodes.filter(({ attempt }) => attempt > 1).map(({ id, attempt }) => [id, attempt]);
}

/** What the import has kept of each file. */
function importedIn(cwd: string): [string, number][] {
  const folder = `${cwd}/${ROOT}/import/rows`;
  return namesIn(folder).map((name) => {
    const { file, rows } = JSON.parse(readText(`${folder}/${name}`));
    return [file, rows];
  });
}

const lines = (text: string) => text.trimEnd().split("\n");

Deno.test(
  "examples/07_import.ts: killed at its 100th file, it imports each once and tries again what was busy",
  { ignore: !HAS_SIGNALS },
  async () => {
    await withTempDir(async (cwd) => {
      // The list and 99 attempts are over and recorded; of the next one the rows are written, and its end is not.
      const at = { line: '"type":"completion"' };
      const point = { file: "capture.jsonl", at, nth: 101, how: "before" } as const;
      assertEquals((await killLesson("07_import.ts", cwd, point)).signal, "SIGKILL");
      const { code, stdout, stderr } = await runLesson("07_import.ts", cwd);
      assertEquals([code, stderr], [0, ""]);
      assertMatch(lines(stdout).at(-2)!, /^200 files have 594 rows$/);
      const { run_id: runId, nodes } = await shownOf("import", cwd);
      assertStringIncludes(lines(stdout).at(-1)!, runId);
      assertEquals(nodes.length, 201);
      const rows = Array.from({ length: 200 }, (_, index): [string, number] => {
        return [`${String(index).padStart(3, "0")}.csv`, index % 7];
      });
      assertEquals(importedIn(cwd), rows);
      // Twice was done what failed at first, and at most the ten that were cut off.
      const busy = repeated(nodes).filter(([id]) => id.endsWith("9.csv"));
      assertEquals(busy.length, 20);
      const cutOff = repeated(nodes).filter(([id]) => !id.endsWith("9.csv"));
      assert(cutOff.length <= 10, JSON.stringify(cutOff));
      assert(cutOff.every(([, attempt]) => attempt === 2));
    });
  },
);

Deno.test(
  "examples/08_compensate.ts: killed while it books and while it cancels, it does each once",
  { ignore: !HAS_SIGNALS },
  async () => {
    await withTempDir(async (cwd) => {
      const file = "capture.jsonl";
      // The hotel is booked, and nobody has recorded that.
      const booked = { line: '"result":"hotel of' };
      const first = await killLesson("08_compensate.ts", cwd, { file, at: booked, how: "before" });
      assertEquals(lines(first.stdout), ["booked flight of trip-1", "booked hotel of trip-1"]);
      // The hotel is cancelled, and that is recorded; the flight is not.
      const cancelling = { line: '"event_id":"cancel flight of' };
      const point = { file, at: cancelling, how: "behind" } as const;
      const second = await killLesson("08_compensate.ts", cwd, point);
      assertEquals(lines(second.stdout), [
        "booked hotel of trip-1 before",
        "cancelled hotel of trip-1",
      ]);
      const { code, stdout, stderr } = await runLesson("08_compensate.ts", cwd);
      assertEquals([code, stderr], [0, ""]);
      const outcome = "nothing is booked: no car is left";
      assertEquals(lines(stdout), ["cancelled flight of trip-1", outcome]);
      const { nodes } = await shownOf("trip-1", cwd);
      assertEquals(repeated(nodes), [["book hotel", 2]]);
      assertEquals(namesIn(`${cwd}/${ROOT}/bookings`), [
        "flight of trip-1.cancelled",
        "hotel of trip-1.cancelled",
        "trip-1%2Fbook%20flight",
        "trip-1%2Fbook%20hotel",
      ]);
      assertEquals(lines((await runLesson("08_compensate.ts", cwd)).stdout), [outcome]);
    });
  },
);

Deno.test(
  "examples/08_compensate.ts: stopped by Ctrl-C, it cancels nothing and goes on with booking",
  { ignore: !HAS_SIGNALS },
  async () => {
    await withTempDir(async (cwd) => {
      const at = { line: '"result":"flight of' };
      const stop = { file: "capture.jsonl", at, how: "behind", signal: "SIGINT" } as const;
      const { code, stdout } = await killLesson("08_compensate.ts", cwd, stop);
      assertEquals(code, 130);
      assertMatch(stdout, /^The run trip-1 was stopped by SIGINT; start the program again/m);
      assertEquals(/cancel/.test(stdout), false);
      const { stdout: rest } = await runLesson("08_compensate.ts", cwd);
      assertEquals(/^booked flight/m.test(rest), false);
      assertMatch(rest, /^nothing is booked: no car is left$/m);
    });
  },
);

Deno.test(
  "examples/09_agent.ts: killed between its tools and while it waits, it goes on when somebody agrees",
  { ignore: !HAS_SIGNALS },
  async () => {
    await withTempDir(async (cwd) => {
      const file = "capture.jsonl";
      const decided = { line: '"event_id":"2 run","decision":"Invoke"' };
      await killLesson("09_agent.ts", cwd, { file, at: decided, how: "behind" });
      const waiting = { line: '"type":"wait"' };
      const second = await killLesson("09_agent.ts", cwd, { file, at: waiting, how: "behind" });
      const [run, sum, question, command, ...more] = lines(second.stdout);
      assertEquals([run, sum, more], ["2: run", "3: sum", []]);
      assertEquals(question, 'may it say "all of it costs 12"? Somebody has to answer:');
      // It runs nowhere, and is answered all the same, by the command that it has printed.
      const [program, ...args] = command!.replaceAll("'", "").split(" ");
      assertEquals(program, "taffrail");
      const passed = await taffrail(args, { cwd });
      assertEquals(passed.code, 0, passed.stderr);
      const third = await runLesson("09_agent.ts", cwd);
      assertEquals([third.code, third.stderr], [0, ""]);
      assertEquals(lines(third.stdout).slice(-2), ["all of it costs 12", "agreed: ada"]);
      const { nodes } = await shownOf("agent", cwd);
      assertEquals(repeated(nodes), [["2 run", 2]]);
      const sent = await Deno.readTextFile(`${cwd}/${ROOT}/agent/sent.txt`);
      assertEquals(sent, "all of it costs 12\nagreed: ada\n");
    });
  },
);

Deno.test(
  "examples/09_agent.ts: wherever a drill cuts it off, it comes to the same",
  { ignore: !HAS_SIGNALS },
  async () => {
    await withTempDir(async (cwd) => {
      const program = [
        Deno.execPath(),
        "run",
        "--quiet",
        "--allow-all",
        `${DIRECTORY}/09_agent.ts`,
      ];
      const pass = ["--pass", 'agreed={"by":"ada"}', "--effects", `${ROOT}/agent`];
      const drill = ["drill", "--json", "--sample", "3", ...pass, "--", ...program];
      const { code, stdout, stderr } = await taffrail(drill, { cwd });
      assertEquals(code, 0, stdout + stderr);
      const { ok, tried, findings } = JSON.parse(lines(stdout).at(-1)!);
      assertEquals([ok, tried, findings], [true, 3, []]);
    });
  },
);
