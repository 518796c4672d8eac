import { assertEquals, assertMatch } from "@std/assert";
import { runPaths } from "../../_internal/root_layout.ts";
import { withTempDir } from "../_util/temp.ts";
import { ask } from "./_command.ts";

const RUN = "ci-01kpfntqeej7vhn935kc0tm9vn";

/** The log of a run of which some lines are damaged, and that was gone on with. */
async function writeLog(cwd: string, damaged: unknown): Promise<void> {
  const event = (second: number, type: string, members: object = {}) => {
    const id = `01kpfntqeej7vhn935kc0tm9${10 + second}`;
    const ts = new Date(Date.UTC(2026, 3, 15, 12, 0, second, 250)).toISOString();
    return JSON.stringify({ type, id, ts, run_id: RUN, ...members });
  };
  const begin = { pipe: "ci", inputs: [], distro_version: "0", nodes: ["a"] };
  const attempt = { node_id: "a", attempt: 1 };
  const lines = [
    event(0, "pipe.started", begin),
    "\0\0\0",
    "garbage",
    event(1, "node.started", { ...attempt, kind: "command" }),
    event(2, "node.completed", { ...attempt, duration_ms: 900 }),
    event(9, "pipe.started", { ...begin, resumed: true, damaged }),
    event(10, "pipe.completed", { duration_ms: 1000 }),
  ];
  const { directory, events } = runPaths(`${cwd}/.taffrail`, RUN);
  await Deno.mkdir(directory, { recursive: true });
  await Deno.writeTextFile(events, lines.map((line) => `${line}\n`).join(""));
}

Deno.test("damage that was known when a run was gone on with is a note, and nothing else is", () =>
  withTempDir(async (cwd) => {
    await writeLog(cwd, [[2, 3]]);
    const shown = JSON.parse((await ask(["show", "ci", "--json"], cwd)).stdout);
    assertEquals([shown.state, shown.damaged_lines, shown.first_damage], ["Completed", 0, null]);
    // Two seconds to the last event of the sitting that was cut off, and one.
    assertEquals(shown.duration_ms, 3000);
    const { code, stdout } = await ask(["verify", "ci", "--json"], cwd);
    const { problems, notes } = JSON.parse(stdout);
    assertEquals([code, problems], [0, []]);
    assertEquals(notes.map(({ kind, line }: { kind: string; line: number }) => [kind, line]), [
      ["known-damage", 2],
      ["known-damage", 3],
    ]);
    assertMatch(notes[0].message, /^nul-run: .*; it was so when the run was gone on with$/);

    await writeLog(cwd, [[2, 2]]);
    const less = JSON.parse((await ask(["show", "ci", "--json"], cwd)).stdout);
    assertEquals(less.damaged_lines, 1);
    assertMatch(less.first_damage, /^line 3: not-json: /);
    assertEquals((await ask(["verify", "ci", "--json"], cwd)).code, 1);
  }));
