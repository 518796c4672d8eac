import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { namesIn, write } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { ask, taffrail } from "./_command.ts";
import { onlyRun } from "./_runs.ts";

/** What another program may call its runs. */
const NAMES = ["x".repeat(250), "é".repeat(127), "sp ace", "-dash", "tilde~", "con"];

/** What is no run, though a folder. */
const HIDDEN = ["lost+found", ".Trash-1000", ".hidden", "esc\x1b[31m", "new\nline"];

/** What systems, editors and people leave anywhere. */
const STRAYS = [
  ".DS_Store",
  "._run",
  ".nfs00001",
  ".fuse_hidden1",
  "Thumbs.db",
  "a~",
  ".a.swp",
  "b",
];

const EVENT = { id: "a", ts: new Date().toISOString() };

/** A run of another program that ended well. */
function eventsOf(runId: string): string {
  return [{ type: "pipe.started", pipe: "theirs" }, { type: "pipe.completed" }]
    .map((event, index) =>
      JSON.stringify({ ...EVENT, ...event, id: `${index}`, run_id: runId }) + "\n"
    )
    .join("");
}

/** A root with a run of this program, those of another one, and what is none. */
async function writeRoot(cwd: string): Promise<string> {
  await taffrail(["exec", "--name", "ours", "--", "true"], { cwd });
  const root = `${cwd}/.taffrail`;
  const ours = await onlyRun(root);
  for (const name of [...NAMES, ...HIDDEN]) {
    await Deno.mkdir(`${root}/runs/${name}`);
    write(`${root}/runs/${name}/events.jsonl`, eventsOf(name));
  }
  for (const folder of ["", "/runs", `/runs/${ours}`, `/runs/${NAMES[0]}`]) {
    for (const name of STRAYS) write(`${root}${folder}/${name}`, "stray");
  }
  return ours;
}

Deno.test(
  "every verb knows the runs of other programs by their names, and takes nothing else for one",
  {
    ignore: Deno.build.os === "windows",
  },
  () =>
    withTempDir(async (cwd) => {
      const ours = await writeRoot(cwd);
      const { runs } = JSON.parse((await ask(["ls", "--json"], cwd)).stdout);
      const ids = runs.map((run: { run_id: string }) => run.run_id);
      assertEquals(ids.sort(), [...NAMES, ours].sort());
      const listed = await ask(["ls"], cwd);
      assertEquals([listed.code, listed.stderr], [0, ""]);
      for (const name of NAMES) {
        assertStringIncludes(listed.stdout, name);
        const shown = await ask(["show", "--json", "--", name], cwd);
        assertEquals([shown.code, JSON.parse(shown.stdout).state], [0, "Completed"], name);
        const verified = await ask(["verify", "--", name], cwd);
        assertEquals([verified.code, verified.stderr], [0, ""], verified.stdout);
        const followed = await ask(["follow", "--", name], cwd);
        assertEquals([followed.code, followed.stderr], [0, ""]);
        assertEquals((await ask(["stop", "--", name], cwd)).stderr, "");
      }
      const verified = await ask(["verify"], cwd);
      assertEquals([verified.code, verified.stderr], [0, ""], verified.stdout);
      const pruned = await ask(["prune", "--keep", "0"], cwd);
      assertEquals([pruned.code, pruned.stderr], [0, ""]);
      assertEquals(JSON.parse((await ask(["ls", "--json"], cwd)).stdout).runs, []);
      const left = namesIn(`${cwd}/.taffrail/runs`);
      assertEquals(left, [...HIDDEN, ...STRAYS].sort());
      assert(namesIn(`${cwd}/.taffrail/runs/lost+found`).length === 1);
    }),
);
