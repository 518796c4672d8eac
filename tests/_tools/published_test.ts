/** What is published is installed and used as by a stranger, from a registry on this machine. */
import { assertEquals, assertMatch } from "@std/assert";
import { bundleCommand } from "../../_tools/bundle.ts";
import { copyProject } from "../../_tools/test_jsr.ts";
import { start } from "../cli/_command.ts";
import type { Ended } from "../_util/process.ts";
import { withTempDir } from "../_util/temp.ts";
import { makeCache } from "./_cache.ts";
import { publishStandIns, serveRegistry, STAND_INS } from "./_registry.ts";

const ROOT = await Deno.realPath(`${import.meta.dirname}/../..`);
const CLI = "jsr:@taffrail/taffrail/cli";

/** Runs Deno and waits for it; what it says when it fails is part of the failure. */
async function deno(
  args: string[],
  options: { cwd: string; env: Record<string, string> },
): Promise<Ended> {
  await using process = start(Deno.execPath(), args, options);
  await process.closeInput();
  const ended = await process.end();
  assertEquals(ended.code, 0, `deno ${args.join(" ")}: ${ended.stdout}${ended.stderr}`);
  return ended;
}

const PROGRAM = `
import { durable } from "jsr:@taffrail/taffrail";
import { readRun } from "jsr:@taffrail/taffrail/eventlog";
import { main } from "${CLI}";

const options = { root: ".taffrail", runId: "sum-1", name: "sum" };
const sum: number = await durable(options, (run) => run.step("add", () => 1 + 2));
let events = 0;
for await (const page of readRun(".taffrail", "sum-1")) events += page.events.length;
console.log(sum, events > 0, await main(["show", "sum-1"]));
`;

Deno.test("what deno publish sends is all that a program and the command need, with its types", {
  ignore: STAND_INS === null,
}, async () => {
  await withTempDir(async (scratch) => {
    const [project, registry] = [`${scratch}/project`, `${scratch}/registry`];
    await copyProject(ROOT, project);
    await bundleCommand(project, `${project}/dist`);
    await publishStandIns(registry, ["1.9.9"]);
    await using server = serveRegistry(registry);
    await makeCache(`${scratch}/cache`);
    const env = { JSR_URL: server.url, DENO_DIR: `${scratch}/cache` };
    const args = ["publish", "--quiet", "--allow-dirty", "--no-check", "--no-provenance"];
    await deno([...args, "--token=jsrp_of_nobody"], { cwd: project, env });
    const cwd = `${scratch}/work`;
    await Deno.mkdir(cwd);
    await Deno.writeTextFile(`${cwd}/sum.ts`, PROGRAM);
    const options = { cwd, env };
    await deno(["check", "--quiet", "--no-config", "sum.ts"], options);
    const program = await deno(["run", "--quiet", "--no-config", "--allow-all", "sum.ts"], options);
    assertMatch(program.stdout, /^sum-1 {2}completed\n[^]*\n3 true 0\n$/);
    const command = ["run", "--quiet", "--no-config", "--allow-all", CLI];
    const { stdout } = await deno([...command, "ls"], options);
    assertMatch(stdout, /^sum-1 +.*completed/m);
  });
});
