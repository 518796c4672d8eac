import { assertEquals, assertStringIncludes } from "@std/assert";
import { findRoot } from "../../cli/reading/find_root.ts";
import { namesIn } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { MAIN, start, taffrail } from "./_command.ts";

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
    assertEquals(JSON.parse(json.stdout), { root: "runs", flow: FLOW });
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
