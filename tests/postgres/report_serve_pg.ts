import { assertEquals, assertStringIncludes } from "@std/assert";
import { openPostgresRoot } from "../../postgres/mod.ts";
import { taffrail } from "../cli/_command.ts";
import { countIn, EventReader, GatedFlow, withServedPages } from "../cli/_served.ts";
import { withTempDir } from "../_util/temp.ts";
import { clientOf } from "./_client.ts";
import { withDatabase } from "./_server.ts";

Deno.test("taffrail report --serve shows runs of a database as they go on, and when they are removed", async () => {
  await withDatabase(async ({ url: root }) => {
    await withTempDir(async (cwd) => {
      await taffrail(["init", "--root", root], { cwd });
      const flow = await GatedFlow.write(cwd, ["a", "b", "c"], { root });
      const { running, runId } = await flow.start();
      await using _ = running;
      await withServedPages({ cwd, args: ["--root", root] }, async (list) => {
        await using runs = await EventReader.open(`${list}events`);
        await runs.until(({ items }) => items[0]?.outcome === "running");
        const page = `${list}run/${runId}`;
        await using events = await EventReader.open(`${page}/events`);
        await events.until((shown) => countIn("running", shown) === 3);
        await flow.open("b", "said by b");
        const changed = await events.until((shown) => countIn("completed", shown) === 1);
        assertEquals(changed.items.map(([place, { id }]) => [place, id]), [[1, "b"]]);
        assertStringIncludes(JSON.stringify(changed.items), "said by b");
        for (const node of ["a", "c"]) await flow.open(node);
        await events.until(({ members }) => members["run"].outcome === "completed");
        await runs.until(({ items }) => items[0].outcome === "completed");
        await running.end();
        await using opened = await openPostgresRoot(clientOf(root));
        await opened.remove(runId);
        await events.event("gone");
        await events.end();
        await runs.until(({ members }) => members["total"] === 0);
      });
    });
  });
});
