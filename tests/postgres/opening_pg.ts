/** What a database has to be before runs are recorded in it: with a schema, and reached without sharing. */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { migratePostgres, openPostgresRoot } from "../../postgres/mod.ts";
import { longCount } from "../_util/temp.ts";
import { clientOf } from "./_client.ts";
import { HAS_POOLER, withPooler } from "./_pgbouncer.ts";
import { withSharedServer } from "./_server.ts";

/** How often a pooler and its absence are told apart. */
const OPENINGS = 20;

for (const mode of ["transaction", "session"] as const) {
  Deno.test({
    name: mode === "transaction"
      ? "a pooler that shares sessions out by transaction is found out, every time"
      : "a pooler that gives each client a session is not taken for one that shares them out",
    ignore: !HAS_POOLER,
    fn: async () => {
      await withSharedServer((server) =>
        server.withDatabase(async ({ name: database, url: direct }) => {
          await migratePostgres(clientOf(direct));
          await withPooler({ server, database, mode }, async (url) => {
            const outcomes: string[] = [];
            for (let count = 0; count < OPENINGS; count++) outcomes.push(await openingOf(url));
            const expected = mode === "session" ? "opened" : "a pooler stands between";
            assertEquals(outcomes, outcomes.map(() => expected));
          });
        })
      );
    },
  });
}

Deno.test({
  name: "a pooler that shares sessions out is found out also while others keep it busy",
  ignore: !HAS_POOLER,
  fn: async () => {
    await withSharedServer((server) =>
      server.withDatabase(async ({ name: database, url: direct }) => {
        await migratePostgres(clientOf(direct));
        await withPooler({ server, database, mode: "transaction" }, async (url) => {
          const over = new AbortController();
          const others = Array.from({ length: 6 }, () => keepBusy(url, over.signal));
          const outcomes: string[] = [];
          for (let count = 0; count < OPENINGS; count++) outcomes.push(await openingOf(url));
          over.abort();
          await Promise.all(others);
          assertEquals(outcomes, outcomes.map(() => "a pooler stands between"));
        });
      })
    );
  },
});

/** Asks things that take no time or a few milliseconds, one behind the other. */
async function keepBusy(url: string, signal: AbortSignal): Promise<void> {
  const connection = await clientOf(url).connect();
  while (!signal.aborted) await connection.query("select pg_sleep(random() * 0.003)");
  await connection.close();
}

/** What became of opening a root, and of a run that is begun in it. */
async function openingOf(url: string): Promise<string> {
  try {
    await using root = await openPostgresRoot(clientOf(url));
    await using _held = await root.create({ about: { name: "demo" } });
    return "opened";
  } catch (error) {
    const { kind, message } = error as { kind?: unknown; message: string };
    return kind === "format" && /a pooler stands between/.test(message)
      ? "a pooler stands between"
      : `${kind}: ${message}`;
  }
}

Deno.test("a server without a pooler is never taken for one", async () => {
  await withSharedServer((server) =>
    server.withDatabase(async ({ url }) => {
      await migratePostgres(clientOf(url));
      for (let count = 0; count < OPENINGS; count++) assertEquals(await openingOf(url), "opened");
    })
  );
});

Deno.test("the schema is made once, by however many at the same time", async () => {
  await withSharedServer(async (server) => {
    for (let round = 0; round < longCount(3, 30); round++) {
      await server.withDatabase(async ({ url, name }) => {
        const made = await Promise.all(
          Array.from({ length: 8 }, () => migratePostgres(clientOf(url))),
        );
        assertEquals(new Set(made.map(({ version }) => version)).size, 1);
        const again = await migratePostgres(clientOf(url));
        assertEquals(again, { version: made[0]!.version, wasThere: true });
        const count = "select count(*) from taffrail.meta where name = 'version'";
        assertEquals(await server.sql(count, name), ["1"]);
        assertEquals(await openingOf(url), "opened");
      });
    }
  });
});

Deno.test("a database without the schema, or with a newer one, is refused", async () => {
  await withSharedServer((server) =>
    server.withDatabase(async ({ url, name }) => {
      const missing = await refusalOf(url);
      assertStringIncludes(missing, "it has no schema taffrail");
      assertStringIncludes(missing, `taffrail init --root ${url}`);
      await migratePostgres(clientOf(url));
      await server.sql("update taffrail.meta set value = '99' where name = 'version'", name);
      assertStringIncludes(await refusalOf(url), "its schema has version 99");
    })
  );
});

Deno.test("a database that is not in UTF-8 is refused", async () => {
  await withSharedServer(async (server) => {
    const name = `test_latin_${crypto.randomUUID().slice(0, 8)}`;
    await server.sql(`create database ${name} encoding 'LATIN1' template template0`);
    try {
      assertStringIncludes(await refusalOf(server.url(name)), "is encoded in LATIN1");
    } finally {
      await server.sql(`drop database ${name} with (force)`);
    }
  });
});

/** Why a root cannot be opened, or its schema not be made. */
async function refusalOf(url: string): Promise<string> {
  const error = await assertRejects(() => openPostgresRoot(clientOf(url)), Error);
  assertEquals((error as { kind?: unknown }).kind, "format");
  return error.message;
}
