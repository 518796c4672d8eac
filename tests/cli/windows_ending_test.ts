/** How processes are ended on Windows, as far as another system can show it. */
import { assertEquals } from "@std/assert";
import { windowsMeaning } from "../../cli/process/processes.ts";
import { withTempDir } from "../_util/temp.ts";
import { HAS_SIGNALS, start } from "./_command.ts";

Deno.test("a signal that Windows has from its console is not sent again, as it would kill", () => {
  const meanings = (["SIGINT", "SIGBREAK", "SIGHUP", "SIGTERM", "SIGKILL", "SIGCONT"] as const)
    .map((name) => windowsMeaning(name));
  assertEquals(meanings, ["nothing", "nothing", "nothing", "kill", "kill", "nothing"]);
});

const PROGRAM = `
import { killTree } from "${import.meta.resolve("../../cli/process/processes.ts")}";
killTree(Number(Deno.args[0]));
`;

/** Runs `killTree` where programs are looked for in one folder alone. */
async function killTree(pid: number, PATH: string): Promise<void> {
  const args = ["eval", "--no-check", PROGRAM, String(pid)];
  await using process = start(Deno.execPath(), args, { env: { PATH } });
  const { code, stderr } = await process.end();
  assertEquals([code, stderr], [0, ""]);
}

Deno.test("killTree() ends a process with what it has started, or at least itself", {
  ignore: !HAS_SIGNALS,
}, async () => {
  await withTempDir(async (directory) => {
    await using process = start("sleep", ["1000"], {});
    await Deno.writeTextFile(
      `${directory}/taskkill`,
      `#!/bin/sh\necho "$@" >${directory}/given\n`,
      {
        mode: 0o700,
      },
    );
    await killTree(process.pid, directory);
    assertEquals(await Deno.readTextFile(`${directory}/given`), `/pid ${process.pid} /t /f\n`);
    await Deno.remove(`${directory}/taskkill`);
    await killTree(process.pid, directory);
    assertEquals((await process.end()).signal, "SIGKILL");
  });
});
