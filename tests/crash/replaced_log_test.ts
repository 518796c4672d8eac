/**
 * Real programs save, rotate and restore the log of a run again and again while processes write to it:
 * what was acknowledged is in the log, in what was kept of it, or where the rotation moved it.
 */
import { assert, assertEquals } from "@std/assert";
import { openEventLogSync } from "../../eventlog/mod.ts";
import { readText } from "../_util/files.ts";
import { longCount, withMemoryDir } from "../_util/temp.ts";
import { Child } from "./_child.ts";
import { report } from "./_report.ts";

const RUN_ID = "replaced";
const ROUNDS = longCount(12, 200);

/** Shell scripts; `$1` is the log, `$2` a number. */
const WAYS = [
  'sed -i s/nothing/something/ "$1"',
  'cat "$1" > "$1.new" && mv "$1.new" "$1"',
  'mv "$1" "$1.$2.rotated"',
  'cp "$1" "$1.copy"; mv "$1" "$1.$2.rotated"; mv "$1.copy" "$1"',
];

async function disturb(path: string, round: number): Promise<void> {
  const script = WAYS[round % WAYS.length]!;
  // A script fails where the one before has just moved the log away.
  await new Deno.Command("sh", { args: ["-c", script, "sh", path, `${round}`], stderr: "null" })
    .output();
}

for (const durability of ["disk", "os"]) {
  Deno.test({
    name: `nothing acknowledged with "${durability}" is lost while other programs replace the log`,
    ignore: Deno.build.os === "windows",
    fn: () =>
      withMemoryDir(async (root) => {
        openEventLogSync({ root, runId: RUN_ID })[Symbol.dispose]();
        const folder = `${root}/runs/${RUN_ID}`;
        const acknowledged = new Set<string>();
        await using stack = new AsyncDisposableStack();
        const writers = ["a", "b"].map((name) =>
          stack.use(
            new Child("./_programs/stubborn_writer.ts", {
              args: [root, RUN_ID, name, durability],
              onLine: (n) => void acknowledged.add(`${name}${n}`),
            }),
          )
        );
        for (let round = 0; round < ROUNDS; round++) {
          const enough = acknowledged.size + 20;
          while (acknowledged.size < enough) {
            await Promise.race(writers.map(({ changed }) => changed));
          }
          await disturb(`${folder}/events.jsonl`, round);
        }
        for (const writer of writers) await writer.end();

        for await (const { name } of Deno.readDir(folder)) {
          if (!/^events\.jsonl($|\.lost-\d+$|.*\.rotated$)/.test(name)) continue;
          const lines = readText(`${folder}/${name}`).split("\n");
          assertEquals(lines.pop(), "", `${name} has whole lines`);
          for (const line of lines) {
            const { name: writer, n } = JSON.parse(line);
            acknowledged.delete(`${writer}${n}`);
          }
        }
        report(`${ROUNDS} times replaced`);
        assert(acknowledged.size === 0, `lost: ${[...acknowledged].slice(0, 10)}`);
      }),
  });
}
