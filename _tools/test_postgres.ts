// deno-lint-ignore-file no-console -- what it finds is for the terminal
/**
 * Runs the tests of roots on PostgreSQL, `tests/postgres/*_pg.ts`, with a server that it starts for them.
 * Where there is no PostgreSQL it installs Debian's, if it may.
 *
 * Usage: `deno task test:postgres [FILE…] [OPTION OF deno test…]`
 */
import { SHARED_SERVER, startServer } from "../tests/postgres/_server.ts";
import { requirePostgres } from "./postgres/installation.ts";

/** The arguments of `deno test`: all files that need a server, unless some are named. */
export async function testArguments(root: string, args: readonly string[]): Promise<string[]> {
  const folder = "tests/postgres";
  const names = (await Array.fromAsync(Deno.readDir(`${root}/${folder}`))).map(({ name }) => name);
  const all = names.filter((name) => name.endsWith("_pg.ts")).map((name) => `${folder}/${name}`);
  const files = args.filter((arg) => arg.endsWith("_pg.ts"));
  const options = args.filter((arg) => !arg.endsWith("_pg.ts"));
  const chosen = files.length > 0 ? files : all.toSorted();
  return ["test", "--allow-all", "--trace-leaks", "--parallel", ...options, ...chosen];
}

async function testOnPostgres(root: string, args: readonly string[]): Promise<number> {
  await requirePostgres();
  await using server = await startServer();
  const test = new Deno.Command(Deno.execPath(), {
    args: await testArguments(root, args),
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
