import { assertEquals } from "@std/assert";
import { withTempDir } from "../_util/temp.ts";
import { startAtWork, startTaffrail, taffrail } from "./_command.ts";

/** Elsewhere the next line that is printed tells. */
const CAN_ASK = Deno.build.os === "linux" || Deno.build.os === "darwin";

/** What reads one line and goes; then it is told how the command ended. */
const ONE_LINE = `{ "$@"; echo "code $?" >&2; } | head -n 1`;

function test(name: string, body: (cwd: string) => Promise<void>): void {
  Deno.test({ name, ignore: !CAN_ASK, fn: () => withTempDir(body) });
}

test("taffrail follow --all ends when its reader has gone, though nothing more comes", async (cwd) => {
  await taffrail(["init"], { cwd });
  await using follower = startTaffrail(["follow", "--all"], { cwd, shell: ONE_LINE });
  await follower.stderr.find(/^following all runs/);
  const { running } = await startAtWork(cwd);
  await using _ = running;
  await follower.stderr.find(/^code /);
  assertEquals(follower.stderr.lines.at(-1), "code 141");
  assertEquals((await follower.end()).stdout.trimEnd().split("\n").length, 1);
});

test("taffrail follow RUN ends when its reader has gone, though nothing more comes", async (cwd) => {
  const { running, runId } = await startAtWork(cwd);
  await using _ = running;
  await using follower = startTaffrail(["follow", runId], { cwd, shell: ONE_LINE });
  await follower.stderr.find(/^code /);
  assertEquals(follower.stderr.lines.at(-1), "code 141");
});
