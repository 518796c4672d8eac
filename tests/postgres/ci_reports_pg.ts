/** What CI systems are told of runs in a database, of which workers make attempts. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { startTaffrail, taffrail } from "../cli/_command.ts";
import { readStepLog, STEP } from "../cli/_github_runner.ts";
import { caseIn, readJunit } from "../cli/_junit_schema.ts";
import { readText } from "../_util/files.ts";
import { idIn, withPlace, writeFlowIn } from "./_place.ts";

Deno.test("the JUnit file, the summary and the groups of a run in a database are those of a directory", () =>
  withPlace(async (place) => {
    const { cwd, env, command } = place;
    await writeFlowIn(cwd, {
      name: "shared",
      on_failure: "keep_going",
      constraints: { max_in_flight: 1 },
      nodes: {
        here: { sh: "echo here" },
        there: {
          sh: "echo there; echo try $TAFFRAIL_ATTEMPT >&2; test $TAFFRAIL_ATTEMPT -gt 1",
          retry: { max: 1 },
          on: ["gpu"],
        },
        bad: { sh: "echo 'row 17: no date' >&2; exit 3", on: ["gpu"] },
        ask: { gate: "Deploy?", needs: ["bad"], when: "always", timeout: "10ms" },
        left: { sh: "true", needs: ["bad"] },
      },
    });
    await using worker = startTaffrail(["work", "--label", "gpu"], { cwd, env });
    await worker.stderr.find(/^worker /);
    const step = { ...env, ...STEP, GITHUB_STEP_SUMMARY: `${cwd}/summary.md` };
    const args = ["run", "--junit", "j.xml", "flow.json"];
    const { code, stdout } = await taffrail(args, { cwd, env: step });
    assertEquals(code, 1);
    const { groups, annotations, problems } = readStepLog(stdout);
    assertEquals(problems, []);
    assertEquals(groups.map(({ title, lines }) => [title, lines.toSorted()]), [
      ["here", ["here"]],
      ["there", ["there", "try 1"]],
      ["there, attempt 2", ["there", "try 2"]],
      ["bad", ["row 17: no date"]],
    ]);
    assertEquals(annotations.map(({ title }) => title), [
      "shared: bad failed, exit code 3: row 17: no date",
      "shared: ask was not let pass: nobody passed it in time",
    ]);
    const runId = idIn(stdout);
    const junit = readJunit(readText(`${cwd}/j.xml`));
    const outline = junit.cases.map(({ name, parts }) => [name, ...parts.map(({ is }) => is)]);
    assertEquals(outline, [
      ["here"],
      ["there", "flakyFailure", "system-out"],
      ["bad", "failure"],
      ["ask", "failure"],
      ["left", "skipped"],
    ]);
    assertStringIncludes(caseIn(junit, "bad").parts[0]!.text, "stderr:\nrow 17: no date");
    assertStringIncludes(caseIn(junit, "there").parts[0]!.text, "stderr:\ntry 1");
    const summary = readText(`${cwd}/summary.md`);
    assertMatch(summary, /^## ❌ `shared` failed\n\n`bad failed`\n/);
    assertStringIncludes(summary, "\nstderr:\n\n```text\nrow 17: no date\n```\n");
    // Who has no file of it makes them of the records, from any machine.
    const later = await command("report", runId, "--junit", "-");
    assertEquals(later.stdout, readText(`${cwd}/j.xml`));
    assertEquals((await command("report", runId, "--markdown")).stdout, summary);
    assertEquals(later.stdout.includes("postgres://"), false);
  }));
