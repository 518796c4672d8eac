/** Named pipes, folders and devices in place of the files of a run: a clear error at once, for every verb. */
import { assertEquals } from "@std/assert";
import { withMemoryDir } from "../_util/temp.ts";
import { taffrail } from "./_command.ts";
import { listRuns } from "../../eventlog/mod.ts";

const FILES = [
  "run.json",
  "live.lock",
  "events.jsonl",
  "flow.json",
  "capture.jsonl",
  "capture.json",
  "trace.json",
  "processes.jsonl",
  "nodes/bad.1.out",
  "nodes/bad.1.err",
];

const KINDS: { what: string; put: (path: string) => Promise<unknown> }[] = [
  { what: "named pipe", put: (path) => new Deno.Command("mkfifo", { args: [path] }).output() },
  { what: "folder", put: (path) => Deno.mkdir(path) },
  { what: "device", put: (path) => Deno.symlink("/dev/zero", path) },
];

for (const { what, put } of KINDS) {
  Deno.test(`a ${what} in place of any file of a run hangs no verb, and hides no other run`, {
    ignore: Deno.build.os === "windows",
  }, async () => {
    await withMemoryDir(async (cwd) => {
      const root = `${cwd}/.taffrail`;
      for (const name of ["bad", "good"]) {
        const command = ["sh", "-c", "echo printed; echo wrong >&2; exit 1"];
        await taffrail(["exec", "--name", name, "--", ...command], { cwd });
      }
      const [bad, good] = (await listRuns(root)) as [string, string];
      for (const file of FILES) {
        const path = `${root}/runs/${bad}/${file}`;
        await Deno.rename(path, `${cwd}/aside`);
        await put(path);
        const verified = await taffrail(["verify", "--json"], { cwd });
        const { problems } = JSON.parse(verified.stdout);
        assertEquals(verified.code, 1, file);
        const ids = new Set(problems.map(({ run_id: id }: { run_id: string }) => id));
        assertEquals([...ids], [bad], file);
        for (const verb of ["show", "trace", "replay", "follow", "diff", "stop"]) {
          await taffrail([verb, ...verb === "diff" ? [bad, good] : [bad]], { cwd });
        }
        const { runs } = JSON.parse((await taffrail(["ls", "--json"], { cwd })).stdout);
        assertEquals(runs.map(({ run_id: id }: { run_id: string }) => id), [bad, good]);
        const dry = await taffrail(["prune", "--keep", "0", "--dry-run", "--json"], { cwd });
        const { removed } = JSON.parse(dry.stdout);
        assertEquals(removed.some(({ run_id: id }: { run_id: string }) => id === good), true);
        await taffrail(["repair"], { cwd });
        await Deno.remove(path, { recursive: true }).catch(() => {});
        await Deno.rename(`${cwd}/aside`, path);
        for await (const { name } of Deno.readDir(`${root}/runs/${bad}`)) {
          if (name.includes(".damaged-")) {
            await Deno.remove(`${root}/runs/${bad}/${name}`, { recursive: true });
          }
        }
      }
      assertEquals((await taffrail(["verify"], { cwd })).code, 0);
    });
  });
}
