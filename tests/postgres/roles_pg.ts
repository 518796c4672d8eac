/** Who may do what: a runner all that the contract asks for, which it shows; a reader nothing that changes. */
import { assertEquals, assertRejects } from "@std/assert";
import { openPostgresRoot } from "../../postgres/mod.ts";
import { clientOf } from "./_client.ts";
import { withRoles } from "./_roles.ts";
import { withSharedServer } from "./_server.ts";

async function refusalOf(call: () => Promise<unknown>): Promise<[kind: unknown, cause: unknown]> {
  const error = await assertRejects(call, Error) as Error & { kind?: unknown };
  return [error.kind, (error.cause as { code?: unknown } | undefined)?.code];
}

const REFUSED = ["io", "42501"] as [unknown, unknown];

Deno.test("a role that reads sees runs, and changes nothing", async () => {
  await withSharedServer((server) =>
    withRoles(server, async ({ runner, reader }) => {
      await using running = await openPostgresRoot(clientOf(runner));
      await using held = await running.create({ about: { name: "demo" }, runId: "demo" });
      await held.append({ capture: ['{"n":1}'] });
      await held.barrier();
      await using root = await openPostgresRoot(clientOf(reader));
      assertEquals((await root.list()).runs.map(({ runId }) => runId), ["demo"]);
      const view = root.view("demo");
      assertEquals((await view.lines("capture")).events, [{ seq: 1, event: { n: 1 } }]);
      assertEquals((await view.holder())?.pid, Deno.pid);
      await view.peek();
      await view.size();
      await view.document("run.json");
      for (
        const call of [
          () => root.create({ about: { name: "demo" } }),
          () => root.hold("demo", { takeOver: true }),
          () => root.post("demo", { op: "1", gate: "ask" }),
          () => root.remove("demo"),
          () => root.sweep(),
          () => root.receive("other"),
          () => root.digestKey(),
        ]
      ) assertEquals(await refusalOf(call), REFUSED, String(call));
    })
  );
});

Deno.test("no role but the owner touches a table, and one without rights nothing", async () => {
  await withSharedServer((server) =>
    withRoles(server, async ({ runner, reader, stranger }) => {
      for (const url of [runner, reader]) {
        const connection = await clientOf(url).connect();
        for (const table of ["meta", "run", "stream", "line", "doc", "output"]) {
          const error = await assertRejects(() =>
            connection.query(`select from taffrail.${table}`)
          );
          assertEquals((error as { code?: unknown }).code, "42501", table);
        }
        await connection.close();
      }
      assertEquals(await refusalOf(() => openPostgresRoot(clientOf(stranger))), REFUSED);
    })
  );
});
