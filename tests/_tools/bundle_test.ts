import { assert, assertEquals, assertMatch } from "@std/assert";
import { bundleCommand } from "../../_tools/bundle.ts";
import { copyProject } from "../../_tools/test_jsr.ts";
import { type Ended, start, taffrail } from "../cli/_command.ts";
import { verbsIn } from "../cli/_verbs.ts";
import { OtlpCollector } from "../_util/otlp_collector.ts";
import { withTempDir } from "../_util/temp.ts";
import { makeCache } from "./_cache.ts";
import { publishStandIns, STAND_INS } from "./_registry.ts";

const ROOT = await Deno.realPath(`${import.meta.dirname}/../..`);

/** Bundles the command into a directory of its own; `run` starts what was built, in another one. */
async function withBundle(
  use: (bundle: { files: string[]; directory: string; run: Run; runIn: RunIn }) => Promise<void>,
): Promise<void> {
  await withTempDir(async (scratch) => {
    const directory = `${scratch}/dist`;
    const files = await bundleCommand(ROOT, directory);
    const cwd = `${scratch}/work`;
    await Deno.mkdir(cwd);
    const program = `${directory}/taffrail.js`;
    const runIt: Run = (...args) => run(program, args, { cwd });
    const runIn: RunIn = (env, ...args) => run(program, args, { cwd, env });
    await use({ files, directory, run: runIt, runIn });
  });
}

type Run = (...args: string[]) => Promise<Ended>;
/** The same with variables. */
type RunIn = (env: Record<string, string>, ...args: string[]) => Promise<Ended>;

async function run(
  program: string,
  args: string[],
  how: { cwd: string; env?: Record<string, string> },
): Promise<Ended> {
  // Without the configuration of this repository, as where the command is installed.
  const options = ["run", "--allow-all", "--no-config", "--no-lock"];
  await using process = start(Deno.execPath(), [...options, program, ...args], how);
  await process.closeInput();
  return await process.end();
}

/** What a directory holds, byte for byte. */
async function contentOf(directory: string): Promise<Map<string, string>> {
  const content = new Map<string, string>();
  for await (const { name } of Deno.readDir(directory)) {
    content.set(name, await Deno.readTextFile(`${directory}/${name}`));
  }
  return new Map([...content].toSorted());
}

Deno.test("bundleCommand() writes an entry with types, and one file for each verb", async () => {
  await withBundle(async ({ files, directory, run }) => {
    const [first, second] = (await Deno.readTextFile(`${directory}/taffrail.js`)).split("\n");
    assertEquals(first, '/* @ts-self-types="./taffrail.d.ts" */');
    assertMatch(second!, /^import/);

    const overview = await run("--help");
    assertEquals([overview.code, overview.stderr], [0, ""]);
    const source = await withTempDir((cwd) => taffrail(["--help"], { cwd }));
    assertEquals(overview.stdout, source.stdout);
    const verbs = verbsIn(overview.stdout);
    assert(verbs.includes("exec"), overview.stdout);
    for (const verb of verbs) {
      assert(files.includes(`${verb.replaceAll("-", "_")}.js`), verb);
      const { code, stdout, stderr } = await run(verb, "--help");
      assertEquals([code, stderr], [0, ""], verb);
      assertMatch(stdout, new RegExp(`Usage: taffrail ${verb}`), verb);
    }
  });
});

Deno.test("the bundled command records what it runs, and exits as that did", async () => {
  await withBundle(async ({ run }) => {
    const well = await run("exec", "--", Deno.execPath(), "eval", "0");
    assertEquals(well.code, 0, well.stderr);
    const badly = await run("exec", "--", Deno.execPath(), "eval", "Deno.exit(1)");
    assertEquals(badly.code, 1, badly.stderr);
    assertMatch(badly.stderr, /✗ .*exit code 1/);
    const runId = /run_id=(\S+)/.exec(badly.stderr)![1]!;
    for (const args of [["show", runId], ["replay", runId], ["trace", runId], ["verify"], ["ls"]]) {
      const { code, stderr } = await run(...args);
      assertEquals([code, stderr], [0, ""], args.join(" "));
    }
  });
});

Deno.test("the bundled command sends spans, in either encoding", async () => {
  await withBundle(async ({ runIn }) => {
    for (const OTEL_EXPORTER_OTLP_PROTOCOL of ["http/protobuf", "http/json"]) {
      await using collector = new OtlpCollector();
      const env = { ...collector.env, OTEL_EXPORTER_OTLP_PROTOCOL, TRACEPARENT: "" };
      const { code, stderr } = await runIn(env, "exec", "--", "true");
      assertEquals(code, 0, stderr);
      assertEquals(collector.outline(), ["RUN true", "  true", "    true"]);
    }
  });
});

/** Runs `deno task bundle` as a person does, in a project. */
async function bundleIn(cwd: string, args: string[], env: Record<string, string>): Promise<Ended> {
  await using process = start(Deno.execPath(), ["task", "--quiet", "bundle", ...args], {
    cwd,
    env,
  });
  await process.closeInput();
  return await process.end();
}

Deno.test("deno task bundle builds the same bytes wherever the project and Deno's cache are", async () => {
  await withBundle(async ({ directory }) => {
    await withTempDir(async (scratch) => {
      const project = `${scratch}/another place`;
      await copyProject(ROOT, project);
      await makeCache(`${scratch}/cache`);
      const env = { DENO_DIR: `${scratch}/cache`, LANG: "de_AT.UTF-8", TZ: "Pacific/Chatham" };
      const { code, stderr } = await bundleIn(project, [], env);
      assertEquals(code, 0, stderr);
      assertEquals(await contentOf(`${project}/dist`), await contentOf(directory));
    });
  });
});

Deno.test(
  "deno task bundle --jsr takes the packages that it is told to, from where JSR_URL points",
  {
    ignore: STAND_INS === null,
  },
  async () => {
    await withTempDir(async (scratch) => {
      const JSR_URL = await publishStandIns(`${scratch}/registry`, ["1.8.7", "1.9.9"]);
      const packages = ["@std/crypto@1.8.7", "@std/path@1.8.7"];
      const { code, stdout, stderr } = await bundleIn(
        ROOT,
        ["--jsr", ...packages, `${scratch}/dist`],
        { JSR_URL },
      );
      assertEquals(code, 0, stderr);
      assertMatch(stdout, /^Built in: @std\/crypto@1\.8\.7 @std\/path@1\.8\.7$/m);
      const other = await bundleIn(ROOT, ["--jsr", "@std/none@1.0.0"], { JSR_URL });
      assertEquals(other.code, 1);
      assertEquals(
        other.stderr.trim(),
        "Cannot take @std/none@1.0.0: name a package of deno.json, as @std/path@1.1.6",
      );
    });
  },
);
