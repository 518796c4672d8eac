import { assertEquals, assertStringIncludes } from "@std/assert";
import { findRoot } from "../../cli/reading/find_root.ts";
import { namesIn } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { listRuns } from "../../eventlog/mod.ts";
import { MAIN, start, taffrail, taffrailCommand } from "./_command.ts";
import { onlyRun } from "./_runs.ts";

const FLOW = "taffrail.flow.json";

Deno.test("taffrail init makes a root and an example that runs as it is, and says what to do next", async () => {
  await withTempDir(async (cwd) => {
    const { code, stdout } = await taffrail(["init"], { cwd });
    assertEquals(code, 0);
    assertStringIncludes(stdout, `taffrail run ${FLOW}`);
    assertEquals(namesIn(cwd), [".taffrail", FLOW]);
    assertEquals(await Deno.readTextFile(`${cwd}/.taffrail/.gitignore`), "*\n");
    const ran = await taffrail(["run", FLOW], { cwd });
    assertEquals({ code: ran.code, stderr: ran.stderr }, { code: 0, stderr: "" });
    assertStringIncludes(ran.stdout, "✓ report ");
  });
});

Deno.test("taffrail init replaces nothing", async () => {
  await withTempDir(async (cwd) => {
    await Deno.writeTextFile(`${cwd}/${FLOW}`, "mine");
    const { code, stderr } = await taffrail(["init"], { cwd });
    assertEquals(code, 2);
    assertStringIncludes(
      stderr,
      `Cannot make ${FLOW}: it exists; run it with taffrail run ${FLOW}`,
    );
    assertEquals(await Deno.readTextFile(`${cwd}/${FLOW}`), "mine");
    await Deno.remove(`${cwd}/${FLOW}`);
    const json = await taffrail(["init", "--json", "--root", "runs"], { cwd });
    assertEquals(JSON.parse(json.stdout), { root: "runs", flow: FLOW, above: null });
  });
});

Deno.test("taffrail init gives rights in databases alone", async () => {
  await withTempDir(async (cwd) => {
    for (const option of ["--reader", "--runner", "--worker"]) {
      const { code, stderr } = await taffrail(["init", option, "ci"], { cwd });
      const says = "Cannot use --reader, --runner or --worker: only a database has roles\n";
      assertEquals([code, stderr], [2, says]);
    }
    assertEquals(namesIn(cwd), []);
  });
});

Deno.test("taffrail init below a root says that runs were kept there so far, and what to do", async () => {
  await withTempDir(async (cwd) => {
    await Deno.mkdir(`${cwd}/.taffrail`);
    await Deno.mkdir(`${cwd}/a/b`, { recursive: true });
    const { code, stdout } = await taffrail(["init"], { cwd: `${cwd}/a/b` });
    assertEquals(code, 0);
    const above = "../../.taffrail";
    assertStringIncludes(
      stdout,
      `Runs of this directory were kept in ${above} so far, and are now in`,
    );
    assertStringIncludes(stdout, "To keep them all there instead, remove .taffrail;");
    assertStringIncludes(stdout, `  taffrail ls --root ${above}\n`);
    const json = await taffrail(["init", "--json"], { cwd: `${cwd}/a` });
    assertEquals(JSON.parse(json.stdout).above, "../.taffrail");
    await Deno.remove(`${cwd}/a/${FLOW}`);
    const again = await taffrail(["init"], { cwd: `${cwd}/a` });
    assertEquals(again.stdout.includes("so far"), false);
  });
});

Deno.test("TAFFRAIL_ROOT is the root of every verb that is given none", async () => {
  await withTempDir(async (cwd) => {
    await Deno.mkdir(`${cwd}/sub/.taffrail`, { recursive: true });
    const env = { TAFFRAIL_ROOT: `${cwd}/runs` };
    const options = { cwd: `${cwd}/sub`, env };
    const exec = await taffrail(["exec", "--name", "v", "--", "true"], options);
    assertEquals(exec.code, 0, exec.stderr);
    const runId = await onlyRun(`${cwd}/runs`);
    const shown = JSON.parse((await taffrail(["show", "--json", "v"], options)).stdout);
    assertEquals(shown.run_id, runId);
    assertEquals((await taffrail(["verify"], options)).code, 0);
    assertEquals(namesIn(`${cwd}/sub/.taffrail`), []);
    // An option says more, and an empty variable nothing.
    const json = ["ls", "--json"];
    const given = await taffrail([...json, "--root", ".taffrail"], options);
    assertEquals(JSON.parse(given.stdout).runs, []);
    const empty = await taffrail(json, { ...options, env: { TAFFRAIL_ROOT: "" } });
    assertEquals(JSON.parse(empty.stdout).root, ".taffrail");
    const made = await taffrail(["init", "--json"], options);
    assertEquals(JSON.parse(made.stdout), { root: `${cwd}/runs`, flow: FLOW, above: null });
  });
});

Deno.test("TAFFRAIL_ROOT that can be no root is refused by its name", async () => {
  await withTempDir(async (cwd) => {
    await Deno.writeTextFile(`${cwd}/file`, "");
    const REFUSED = {
      file: "Cannot use TAFFRAIL_ROOT file: it is a file; name a directory\n",
      "https://x/y":
        "Cannot use a https:// URL as root: give the path of a directory, with TAFFRAIL_ROOT\n",
    };
    for (const [root, says] of Object.entries(REFUSED)) {
      const { code, stderr } = await taffrail(["ls"], { cwd, env: { TAFFRAIL_ROOT: root } });
      assertEquals({ code, stderr }, { code: 2, stderr: says });
    }
  });
});

Deno.test("a run among the commands of a run is recorded beside it, wherever they go", async () => {
  await withTempDir(async (cwd) => {
    await Deno.mkdir(`${cwd}/elsewhere/.taffrail`, { recursive: true });
    await Deno.mkdir(`${cwd}/.taffrail`);
    const inner = taffrailCommand(["exec", "--name", "inner", "--", "true"]);
    const outer = ["exec", "--name", "outer", "--"];
    const script = 'cd elsewhere && exec "$@"';
    const { code, stderr } = await taffrail([...outer, "sh", "-c", script, "sh", ...inner], {
      cwd,
    });
    assertEquals(code, 0, stderr);
    const names = (await listRuns(`${cwd}/.taffrail`)).map((id) => id.replace(/-[^-]*$/, ""));
    assertEquals(names.toSorted(), ["inner", "outer"]);
    assertEquals(namesIn(`${cwd}/elsewhere/.taffrail`), []);
  });
});

Deno.test("the root is the nearest .taffrail here or above, and ends at a repository", async () => {
  await withTempDir(async (cwd) => {
    await Deno.mkdir(`${cwd}/.taffrail`);
    await Deno.mkdir(`${cwd}/a/b/c`, { recursive: true });
    assertEquals(findRoot(cwd), ".taffrail");
    assertEquals(findRoot(`${cwd}/a/b`).replaceAll("\\", "/"), "../../.taffrail");
    await Deno.mkdir(`${cwd}/a/b/.git`);
    assertEquals(findRoot(`${cwd}/a/b/c`), ".taffrail");
    assertEquals(findRoot(`${cwd}/a/b`), ".taffrail");
    await Deno.mkdir(`${cwd}/a/b/.taffrail`);
    assertEquals(findRoot(`${cwd}/a/b/c`).replaceAll("\\", "/"), "../.taffrail");
  });
});

Deno.test("what may not be read above a project is no root, and who uses a root says which permission it lacks", async () => {
  await withTempDir(async (cwd) => {
    const list = async (...args: string[]) => {
      const permissions = ["--no-prompt", "--allow-env", "--allow-sys", "--allow-read=."];
      const command = ["run", "--no-lock", ...permissions, MAIN, "ls", "--json", ...args];
      await using running = start(Deno.execPath(), command, { cwd });
      await running.closeInput();
      return await running.end();
    };
    const { code, stdout, stderr } = await list();
    assertEquals({ code, stderr }, { code: 0, stderr: "" });
    assertEquals(JSON.parse(stdout).root, ".taffrail");
    const elsewhere = await list("--root", `${cwd}-elsewhere`);
    assertEquals(elsewhere.code, 1);
    assertStringIncludes(elsewhere.stderr, "Requires read access to");
    assertStringIncludes(elsewhere.stderr, "-elsewhere");
  });
});

Deno.test("taffrail called in a folder of a project uses the root of the project", async () => {
  await withTempDir(async (cwd) => {
    await Deno.mkdir(`${cwd}/sub`);
    const first = await taffrail(["exec", "--", "true"], { cwd });
    const second = await taffrail(["exec", "--", "true"], { cwd: `${cwd}/sub` });
    assertEquals([first.code, second.code], [0, 0]);
    assertEquals(namesIn(`${cwd}/sub`), []);
    const { stdout } = await taffrail(["ls", "--json"], { cwd: `${cwd}/sub` });
    assertEquals(JSON.parse(stdout).runs.length, 2);
  });
});
