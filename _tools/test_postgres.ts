// deno-lint-ignore-file no-console -- what it finds is for the terminal
/**
 * Runs the tests of roots on PostgreSQL, `tests/postgres/*_pg.ts`, with a server that it starts for them.
 * Where there is no PostgreSQL it installs Debian's, if it may.
 *
 * Usage: `deno task test:postgres [FILE…] [OPTION OF deno test…]`
 */
import { SHARED_SERVER, startServer } from "../tests/postgres/_server.ts";
import { requirePostgres } from "./postgres/installation.ts";
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
  const test = new Deno.Command(Deno.execPath(), {
    args: await testArguments({ root, args }, POSTGRES_TESTS),
    cwd: root,
    env: { [SHARED_SERVER]: JSON.stringify(server.place) },
  });
  return (await test.spawn().status).code;
}

if (import.meta.main) {
  try {
    Deno.exitCode = await testOnPostgres(await Deno.realPath("."), Deno.args);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exitCode = 1;
  }
}
