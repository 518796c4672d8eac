import { assertEquals } from "@std/assert";
import { withTempDir } from "../_util/temp.ts";
import { HAS_SIGNALS, taffrail } from "./_command.ts";

/** What the end of a run is told by is what it has just recorded; `show` reads that. */
async function assertShownAlike(cwd: string, args: string[]): Promise<Record<string, unknown>> {
  const printed = await taffrail(args, { cwd });
  const document = JSON.parse(printed.stdout || printed.stderr.split("\n").at(-2)!);
  const shown = await taffrail(["show", document.run_id, "--json"], { cwd });
  assertEquals(document, JSON.parse(shown.stdout));
  return document;
}

Deno.test({
  name: "run --json prints what show --json reads, with attempts and what had to wait",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withTempDir(async (cwd) => {
      const nodes = {
        a: { run: ["sh", "-c", "echo a"] },
        b: { run: ["sh", "-c", 'echo "try $TAFFRAIL_ATTEMPT" >&2; test "$TAFFRAIL_ATTEMPT" = 2'] },
        c: { run: ["sh", "-c", "exit 3"], needs: ["a", "b"] },
        d: { run: ["true"], needs: ["c"] },
      };
      const flow = { name: "all", nodes, constraints: { max_in_flight: 1, max_retries: 1 } };
      await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify(flow));
      const document = await assertShownAlike(cwd, ["run", "--json", "flow.json"]);
      assertEquals(document.state, { Aborted: { reason: "node c failed: crash" } });
    }),
});

Deno.test({
  name: "exec --json prints what show --json reads, also what its command wrote into the log",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withTempDir(async (cwd) => {
      const log = '"$TAFFRAIL_ROOT/runs/$TAFFRAIL_RUN_ID/events.jsonl"';
      const plain = await assertShownAlike(cwd, ["exec", "--json", "--", "sh", "-c", "exit 4"]);
      assertEquals(plain.damaged_lines, 0);
      const command = ["sh", "-c", `echo "not an event" >> ${log}`];
      const damaged = await assertShownAlike(cwd, ["exec", "--json", "--", ...command]);
      assertEquals(damaged.damaged_lines, 1);
    }),
});
