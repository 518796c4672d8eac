/** A run goes from a directory by a file into a database and back, and is what it was on each side. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { openDatabase } from "../../cli/postgres/open_database.ts";
import { RunError } from "../../run/mod.ts";
import { filesOf } from "../cli/_archives.ts";
import { startTaffrail, taffrail } from "../cli/_command.ts";
import { idIn, withPlace, writeFlowIn } from "./_place.ts";
import { withSharedServer } from "./_server.ts";

const FLOW = {
  name: "sent",
  nodes: {
    "a:1": { sh: "echo printed; echo told >&2" },
    "b": { sh: "exit 3", needs: ["a:1"], retry: { max: 1 } },
    "c": { gate: "Deploy?", needs: ["a:1"] },
  },
};

/** The same folder without the database. */
function hereOf({ cwd, env }: { cwd: string; env: Record<string, string> }) {
  return { cwd, env: { ...env, TAFFRAIL_ROOT: "" } };
}

Deno.test("a run is exported from a directory, imported into a database, and sent back, byte for byte", () =>
  withPlace(async ({ cwd, env, command }) => {
    await writeFlowIn(cwd, FLOW);
    const here = hereOf({ cwd, env });
    const runId = idIn((await taffrail(["run", "flow.json"], here)).stdout);
    // A line that text cannot hold, one that is none, and one that is a half.
    const log = `${cwd}/.taffrail/runs/${runId}/events.jsonl`;
    const [first = "", ...rest] = (await Deno.readTextFile(log)).split("\n");
    await Deno.writeTextFile(log, [first, "\0", "", '{"a":', ...rest].join("\n"));
    assertEquals((await taffrail(["export", runId, "-o", "here.tar.gz"], here)).code, 0);
    const imported = await command("import", "here.tar.gz", "--json");
    assertEquals([imported.code, imported.stderr], [0, ""]);
    assertEquals(JSON.parse(imported.stdout).left_out_tails, []);
    for (const verb of ["show", "replay", "logs"]) {
      const [there, own] = [await command(verb, runId), await taffrail([verb, runId], here)];
      assertEquals(there.code, own.code, there.stderr);
      if (verb !== "show") assertEquals(there.stdout, own.stdout);
    }
    const [there, own] = await Promise.all([
      command("verify", runId, "--json"),
      taffrail(["verify", runId, "--json"], here),
    ]);
    const places = ({ stdout }: { stdout: string }) => {
      const { problems } = JSON.parse(stdout);
      return problems.map(({ part, line }: Record<string, unknown>) => `${part} ${line}`);
    };
    assertEquals([places(there), places(own)], Array(2).fill(["log 2", "log 3", "log 4"]));
    assertEquals((await command("export", runId, "-o", "there.tar.gz")).code, 0);
    const [one, other] = [`${cwd}/here.tar.gz`, `${cwd}/there.tar.gz`];
    assertEquals(await Deno.readFile(other), await Deno.readFile(one));
    assertEquals((await taffrail(["import", "there.tar.gz", "--root", "back"], here)).code, 0);
    const expected = await filesOf(cwd, ".taffrail", runId);
    delete expected["trace.1.json"];
    assertEquals(await filesOf(cwd, "back", runId), expected);
    const again = await command("import", "here.tar.gz");
    assertEquals(again.code, 1);
    assertStringIncludes(again.stderr, `there is a run ${runId} in `);
    assertStringIncludes(again.stderr, "already; --as ID gives it another id\n");
    const renamed = await command("import", "here.tar.gz", "--as", "third");
    assertEquals([renamed.code, renamed.stderr], [0, ""]);
    await writeFlowIn(cwd, {
      ...FLOW,
      nodes: { ...FLOW.nodes, b: { run: ["true"], needs: ["a:1"] } },
    });
    assertEquals((await command("pass", "third", "c")).code, 0);
    const resumed = await command("resume", "third");
    assertEquals(resumed.code, 0, resumed.stdout + resumed.stderr);
    assertEquals((await command("replay", "third")).code, 0);
  }));

Deno.test("what a killed writer has left of a line is told where a database does not take it", () =>
  withPlace(async ({ cwd, env, command }) => {
    const here = hereOf({ cwd, env });
    const runId = idIn((await taffrail(["exec", "--", "true"], here)).stderr);
    const folder = `${cwd}/.taffrail/runs/${runId}`;
    await Deno.writeTextFile(`${folder}/events.jsonl`, '{"type":"half', { append: true });
    const whole = '{"op":"1","gate":"x"}';
    await Deno.writeTextFile(`${folder}/inbox.jsonl`, whole);
    assertEquals((await taffrail(["export", runId, "-o", "x"], here)).code, 0);
    const imported = await command("import", "x");
    assertEquals([imported.code, imported.stderr], [0, ""]);
    const said = "the unfinished last line of events is left out, as a database has none\n";
    assertStringIncludes(imported.stdout, said);
    const copied = await taffrail(
      ["copy", runId, "--to", env.TAFFRAIL_ROOT!, "--as", "copy"],
      here,
    );
    assertStringIncludes(copied.stdout, said);
    for (const id of [runId, "copy"]) {
      assertEquals((await command("export", id, "-o", "y", "--force")).code, 0);
      assertEquals((await taffrail(["import", "y", "--root", id], here)).code, 0);
      // What only lacked its newline has it.
      assertEquals(await Deno.readTextFile(`${cwd}/${id}/runs/${id}/inbox.jsonl`), `${whole}\n`);
    }
  }));

Deno.test("a redacted run in a database is shown, verified and replayed, and held by nobody", () =>
  withPlace(async ({ cwd, url, env, command }) => {
    await writeFlowIn(cwd, FLOW);
    const here = hereOf({ cwd, env });
    const runId = idIn((await taffrail(["run", "flow.json"], here)).stdout);
    assertEquals((await taffrail(["export", "--redact", runId, "-o", "x"], here)).code, 0);
    assertEquals((await command("import", "x")).code, 0);
    const shown = await command("show", runId);
    assertStringIncludes(shown.stdout, "note    it was redacted");
    assertEquals((await command("verify", runId)).code, 0);
    assertEquals((await command("replay", runId)).code, 0);
    await using root = await openDatabase(url);
    const error = await assertRejects(() => root.hold(runId), RunError);
    assertEquals(error.kind, "damaged");
    // It was given up at once.
    assertEquals(await root.view(runId).holder(), undefined);
    for (const args of [["resume", runId], ["pass", runId, "c"]]) {
      const { code, stderr } = await command(...args);
      assertEquals(code, 1);
      assertStringIncludes(stderr, "redacted");
    }
    assertEquals((await command("export", "--redact", runId, "-o", "y")).code, 0);
    assertEquals(await Deno.readFile(`${cwd}/y`), await Deno.readFile(`${cwd}/x`));
  }));

/** How many lines there are of what is on its way in. */
function linesOnTheirWay(database: string): Promise<number> {
  return withSharedServer(async (server) => {
    const text = "select count(*) from taffrail.line join taffrail.run using (run_no) " +
      "where run_id is null";
    return Number((await server.sql(text, database))[0]);
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

Deno.test("an import that is cut off or wrong leaves nothing in a database", () =>
  withPlace(async ({ cwd, url, name, env, command }) => {
    const here = hereOf({ cwd, env });
    const runId = idIn((await taffrail(["exec", "--", "seq", "200000"], here)).stderr);
    assertEquals((await taffrail(["export", runId, "-o", "x"], here)).code, 0);
    const bytes = await Deno.readFile(`${cwd}/x`);
    await Deno.writeFile(`${cwd}/cut`, bytes.subarray(0, -20));
    const changed = bytes.slice();
    changed[bytes.length >> 1]! ^= 4;
    await Deno.writeFile(`${cwd}/changed`, changed);
    for (const file of ["cut", "changed"]) {
      const { code, stderr } = await command("import", file);
      assertEquals(code, 1);
      assertStringIncludes(stderr, `Cannot import ${file}: `);
    }
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      await using running = startTaffrail(["import", "-"], { cwd, env });
      await running.write(bytes.subarray(0, bytes.length - 1000));
      while (await linesOnTheirWay(name) === 0) await pause(5);
      running.kill(signal);
      const { code } = await running.end();
      await using root = await openDatabase(url);
      assertEquals((await root.list()).runs, []);
      // Who is asked to end clears up; what a kill leaves is taken away by who sweeps.
      if (signal === "SIGTERM") assertEquals([code, await linesOnTheirWay(name)], [143, 0]);
      while (await linesOnTheirWay(name) > 0) await root.sweep();
    }
    assertEquals((await command("import", "x")).code, 0);
    const { runs } = JSON.parse((await command("ls", "--json")).stdout);
    assertEquals(runs.map(({ run_id: id }: { run_id: string }) => id), [runId]);
    assert((await command("verify")).code === 0);
  }));
