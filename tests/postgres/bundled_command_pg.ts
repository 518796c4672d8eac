/** The command as it is published reaches a database with nothing but its own files. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { bundleCommand } from "../../_tools/bundle.ts";
import { RunningProcess } from "../_util/process.ts";
import { withTempDir } from "../_util/temp.ts";
import { withDatabase } from "./_server.ts";

Deno.test("the bundled command brings what reaches a database, and loads it for one alone", async () => {
  const project = await Deno.realPath(`${import.meta.dirname}/../..`);
  await withTempDir((scratch) =>
    withDatabase(async ({ url }) => {
      const files = await bundleCommand(project, `${scratch}/dist`);
      assertEquals(files.includes("postgres_driver.js"), true);
      const command = async (...args: string[]) => {
        const program = ["run", "--allow-all", "--no-config", "--no-lock", "--no-remote"];
        const words = [Deno.execPath(), ...program, "--no-npm", `${scratch}/dist/taffrail.js`];
        await using process = new RunningProcess([...words, ...args], { cwd: scratch });
        await process.closeInput();
        return await process.end();
      };
      const made = await command("init", "--root", url);
      assertEquals([made.code, made.stderr], [0, ""]);
      assertStringIncludes(made.stdout, "made the schema taffrail");
      const listed = await command("ls", "--json", "--root", url);
      assertEquals([listed.code, JSON.parse(listed.stdout).runs], [0, []]);
      await Deno.remove(`${scratch}/dist/postgres_driver.js`);
      const inFiles = await command("ls", "--root", `${scratch}/none`);
      assertEquals([inFiles.code, inFiles.stderr], [0, ""]);
    })
  );
});
