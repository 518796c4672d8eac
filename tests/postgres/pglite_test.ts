/**
 * The contracts of roots and of logs on PostgreSQL, as far as one session of a server in this process can show
 * them; `contract_pg.ts` shows all of them on a server.
 */
import { assertEquals } from "@std/assert";
import { migratePostgres, openPostgresLog } from "../../postgres/mod.ts";
import { openUnchecked } from "../../postgres/open_postgres_root.ts";
import type { PostgresClient } from "../../postgres/types.ts";
import {
  type ContractEvent,
  type ContractTest,
  eventLogContract,
  runsRootContract,
} from "../../testing/mod.ts";
import { longCount } from "../_util/temp.ts";
import { startPglite } from "./_pglite.ts";

const pglite = await startPglite();
Deno.test.afterAll(() => pglite[Symbol.asyncDispose]());

/** Runs `use` with a client of a database that has the schema, and nothing else. */
async function withRoot(use: (client: PostgresClient) => Promise<void>): Promise<void> {
  const client = await pglite.emptied();
  await migratePostgres(client);
  await use(client);
}

/** The rules that one session cannot show, and why. */
const LEFT_OUT: Record<string, string> = {
  "a run is free when its holder dies, and has what it appended":
    "no other process reaches a database in this one",
};

const rootTests = runsRootContract(
  (use) => withRoot((client) => use({ open: () => openUnchecked(client), holder: () => [] })),
  { rounds: longCount(5, 50) },
);

const logTests = eventLogContract(
  (use) =>
    withRoot((client) => use(() => openPostgresLog<ContractEvent>(client, { runId: "demo" }))),
  { rounds: longCount(5, 50) },
);

function test(what: string, tests: readonly ContractTest[]): void {
  for (const { name, fn } of tests.filter(({ name }) => !(name in LEFT_OUT))) {
    Deno.test(`${what} on one session keeps the contract: ${name}`, fn);
  }
}

test("the root", rootTests);
test("the log", logTests);

Deno.test("what is left out of the contracts is a part of them", () => {
  const names = new Set([...rootTests, ...logTests].map(({ name }) => name));
  assertEquals(Object.keys(LEFT_OUT).filter((name) => !names.has(name)), []);
});
