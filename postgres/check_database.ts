/** What a database has to be, so that runs can be recorded in it. */
import { runError } from "../run/run_error.ts";
import type { PostgresConnection } from "./types.ts";

/** The version of the schema that this code makes, and knows. */
export const SCHEMA_VERSION = 1;

/** The oldest server that has all that is used. */
const OLDEST_SERVER = 140_000;

const ABOUT = "select pg_backend_pid()::text as pid, " +
  "current_setting('server_version_num')::int as server, " +
  "current_setting('server_version') as words, " +
  "pg_catalog.pg_encoding_to_char(d.encoding) as encoding, " +
  "(to_regnamespace('taffrail') is not null)::int as schema " +
  "from pg_catalog.pg_database d where d.datname = current_database()";

/**
 * Refuses a database that cannot hold runs.
 *
 * @returns The version of the schema in it; undefined where there is none.
 */
export async function checkDatabase(
  connection: Pick<PostgresConnection, "query">,
  root: string,
): Promise<number | undefined> {
  const [about] = await connection.query(ABOUT);
  const { server, words, encoding, schema } = about!;
  const details = { path: root };
  if (Number(server) < OLDEST_SERVER) {
    const problem = `Cannot use ${root}: its server is PostgreSQL ${words}`;
    throw runError("format", problem, { details, remedy: "use PostgreSQL 14 or newer" });
  }
  if (encoding !== "UTF8") {
    const problem = `Cannot use ${root}: its database is encoded in ${encoding}`;
    const remedy =
      "use one that is made with: create database … encoding 'UTF8' template template0";
    throw runError("format", problem, { details, remedy });
  }
  if (Number(schema) === 0) return undefined;
  const [row] = await connection.query("select taffrail.about_1() as version");
  const version = Number(row?.version);
  if (version > SCHEMA_VERSION) {
    const problem = `Cannot use ${root}: its schema has version ${version}, and this version of ` +
      `taffrail knows versions up to ${SCHEMA_VERSION}`;
    throw runError("format", problem, { details, remedy: "use a newer version of taffrail" });
  }
  return version;
}
