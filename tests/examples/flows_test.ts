/** The graphs of examples/flows, run as their first lines say. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { withTempDir } from "../_util/temp.ts";
import { taffrail } from "../cli/_command.ts";

const DIRECTORY = `${import.meta.dirname}/../../examples/flows`;

interface Ran {
  code: number;
  state: unknown;
  /** What became of each node. */
  nodes: Map<string, unknown>;
  /** What was skipped, and why. */
  skipped: Record<string, string>;
  runId: string;
  stdout: string;
}

/** Runs an example, with what it records in a directory of the test's own. */
async function run(
  cwd: string,
  name: string,
  options: { args?: string[]; env?: Record<string, string> } = {},
): Promise<Ran> {
  const { args = [], env = {} } = options;
  const command = ["run", "--json", "--root", `${cwd}/root`, `${DIRECTORY}/${name}`, ...args];
  const { code, stdout, stderr } = await taffrail(command, { cwd, env });
  assert(stdout !== "", stderr);
  return { code, stdout, ...reportIn(stdout) };
}

function reportIn(stdout: string): Omit<Ran, "code" | "stdout"> {
  const { state, nodes, run_id: runId } = JSON.parse(stdout);
  const told: { id: string; status: unknown; skipped?: string }[] = nodes;
  const skipped = told.flatMap(({ id, skipped: why }) => why === undefined ? [] : [[id, why]]);
  return {
    state,
    runId,
    nodes: new Map(told.map(({ id, status }) => [id, status])),
    skipped: Object.fromEntries(skipped),
  };
}

function idsWith(nodes: Ran["nodes"], status: unknown): string[] {
  return [...nodes].filter(([, found]) => JSON.stringify(found) === JSON.stringify(status))
    .map(([id]) => id);
}

Deno.test("examples/flows/package.flow.jsonc: 25 suites after one build, and two aggregates", async () => {
  await withTempDir(async (cwd) => {
    const { code, state, nodes } = await run(cwd, "package.flow.jsonc");
    assertEquals([code, state], [0, "Completed"]);
    const suites = idsWith(nodes, "Completed").filter((id) => id.startsWith("test:"));
    assertEquals(suites.length, 25);
    const logs = ["logs", "--root", `${cwd}/root`, "package", "test:watch"];
    assertStringIncludes((await taffrail(logs, { cwd })).stdout, "compiled");
    const part = await run(cwd, "package.flow.jsonc", { args: ["--only", "test:glob"] });
    assertEquals(idsWith(part.nodes, "Completed").toSorted(), ["build", "test:glob"]);
  });
});

Deno.test("examples/flows/ci.ts: a matrix with conditions, made by a program", async () => {
  await withTempDir(async (cwd) => {
    const { code, nodes } = await run(cwd, "ci.ts");
    assertEquals(code, 0);
    const tests = [...nodes.keys()].filter((id) => id.startsWith("test/"));
    assertEquals(tests, [
      "test/linux@2.7",
      "test/linux@2.9",
      "test/macos@2.7",
      "test/macos@2.9",
      "test/windows@2.9",
    ]);
    assertEquals(nodes.get("publish"), undefined);
    const one = await run(cwd, "ci.ts", { args: ["--", "--release", "--only=linux"] });
    assertEquals(one.nodes.get("announce"), "Completed");
    assertEquals(one.nodes.has("build/macos"), false);
  });
});

Deno.test("examples/flows/upload_on_failure.flow.json: what a failure starts, and what it keeps from starting", async () => {
  await withTempDir(async (cwd) => {
    const well = await run(cwd, "upload_on_failure.flow.json");
    assertEquals(well.code, 0, well.stdout);
    assertEquals(idsWith(well.nodes, "Completed").toSorted(), ["job", "lock", "report", "unlock"]);
    assertEquals(Object.keys(well.skipped), ["upload"]);

    const env = { NIGHTLY_FAILS: "1" };
    const failed = await run(cwd, "upload_on_failure.flow.json", { env });
    assertEquals(failed.code, 1);
    const completed = idsWith(failed.nodes, "Completed").toSorted();
    assertEquals(completed, ["lock", "unlock", "upload"]);
    assertEquals(Object.keys(failed.skipped), ["report"]);

    // What has completed stands; what failed, and the handlers of that, are looked at anew.
    const { code, stdout } = await taffrail(
      ["resume", "--json", "--root", `${cwd}/root`, failed.runId],
      { cwd },
    );
    assertEquals(code, 0, stdout);
    const { state, skipped } = reportIn(stdout);
    assertEquals([state, Object.keys(skipped)], ["Completed", ["upload"]]);
  });
});
