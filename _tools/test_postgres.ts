/**
 * Runs the tests of roots on PostgreSQL, `tests/postgres/*_pg.ts`, with a server that it starts for them.
 * Where there is no PostgreSQL it installs Debian's, if it may.
 *
 * Usage: `deno task test:postgres [FILE…] [OPTION OF deno test…]`
 */
import { SHARED_SERVER, startServer } from "../tests/postgres/_server.ts";
import { requirePostgres } from "./postgres/installation.ts";
import { runDeno, runTask } from "./_task.ts";
import { testArguments, type TestFiles } from "./_test_arguments.ts";

/** Which tests need a server. */
export const POSTGRES_TESTS: TestFiles = {
  folder: "tests/postgres",
  suffix: "_pg.ts",
  options: ["--parallel"],
};

async function testOnPostgres(root: string, args: readonly string[]): Promise<number> {
  await requirePostgres();
  await using server = await startServer();
  return await runDeno(root, await testArguments({ root, args }, POSTGRES_TESTS), {
    [SHARED_SERVER]: JSON.stringify(server.place),
  });
}

if (import.meta.main) await runTask(testOnPostgres);
