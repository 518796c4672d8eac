/** The command as the first process of a container, and where `/proc` is not its own. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { withTempDir } from "../_util/temp.ts";
import { start, taffrailCommand } from "./_command.ts";
import { eventsOf, onlyRun } from "./_runs.ts";

/** Whether this user may make namespaces of processes here. */
async function canUnshare(): Promise<boolean> {
  if (Deno.build.os !== "linux") return false;
  try {
    const args = ["--pid", "--fork", "--mount-proc", "true"];
    const { success } = await new Deno.Command("unshare", { args, stderr: "null" }).output();
    return success;
  } catch {
    return false;
  }
}

const ignore = !await canUnshare();

/** Runs `taffrail exec` as process 1 of a namespace. */
function execAsFirst(cwd: string, options: string[], script: string) {
  const command = taffrailCommand(["exec", "--name", "job", "--", "sh", "-c", script]);
  return start("unshare", ["--pid", "--fork", ...options, ...command], { cwd });
}

/** Children that their parents do not wait for: they come to process 1, which has to take notice of their end. */
const ABANDON = "(sh -c 'exit 0' &); (setsid sh -c 'exit 0' &)";

Deno.test({
  name: "as process 1 it hangs on no process that has ended, and leaves none behind",
  ignore,
  fn: () =>
    withTempDir(async (cwd) => {
      const script = `${ABANDON}; setsid sleep 1000 >/dev/null 2>&1 & ${ABANDON}; sleep 0.2`;
      await using command = execAsFirst(cwd, ["--mount-proc"], script);
      const { code, stderr } = await command.end();
      assertEquals(code, 0, stderr);
      assertStringIncludes(stderr, "ending what is left of job: process ");
      const root = `${cwd}/.taffrail`;
      assertEquals(eventsOf(root, await onlyRun(root)).at(-1)?.type, "pipe.completed");
    }),
});

Deno.test({
  name: "where /proc is another namespace's it signals nobody by it, and says what it cannot find",
  ignore,
  fn: () =>
    withTempDir(async (cwd) => {
      await using command = execAsFirst(cwd, [], "sleep 1000 & exit 3");
      const { code, stderr } = await command.end();
      assertEquals(code, 3, stderr);
      assertStringIncludes(stderr, "/proc does not list the processes of this namespace: ");
      assertStringIncludes(stderr, "cannot be found, and may still run");
    }),
});
