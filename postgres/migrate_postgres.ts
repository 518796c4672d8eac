import { checkObject } from "../_internal/errors.ts";
import { reasonOf } from "../_internal/text.ts";
import { runError } from "../run/run_error.ts";
import { checkDatabase, SCHEMA_VERSION } from "./check_database.ts";
import { asRootError, codeOf } from "./postgres_error.ts";
import { MAKE_SCHEMA } from "./schema/schema.ts";
import type { PostgresClient, PostgresConnection } from "./types.ts";

const INSUFFICIENT_PRIVILEGE = "42501";
/** What to do where a role cannot be given rights, by the SQLSTATE. */
const REMEDIES: Readonly<Record<string, string>> = {
  "42704": "create role … login makes one",
  [INSUFFICIENT_PRIVILEGE]: "let the owner of the schema do that",
};

/** Options of {@linkcode migratePostgres}. */
export interface MigratePostgresOptions {
  /** Roles that may read runs. */
  readers?: readonly string[];
  /** Roles that may also begin runs, work on them, and remove them. */
  runners?: readonly string[];
  /** Roles that may take the attempts of runs, and nothing else: they read what others have printed. */
  workers?: readonly string[];
}

/** What {@linkcode migratePostgres} did. */
export interface MigratedPostgres {
  /** The version that the schema has now. */
  version: number;
  /** Whether it was there before. */
  wasThere: boolean;
}

/**
 * Makes the schema `taffrail` in a database, where it is not there yet, and gives roles the right to use it.
 * Several may do it at the same time, and it is harmless when it was done.
 *
 * **Durability**: it is there, whole, when this resolves.
 *
 * **Permissions**: those of the client; in the database, to create a schema, or to own it.
 *
 * @param client The database.
 * @param options Who gets rights. The roles must exist.
 * @returns What is there now.
 * @throws {RunError} `format` when a newer version has made it, or the database cannot hold it; `io`.
 *
 * @example In a database of its own, in this process
 * ```ts ignore
 * import { migratePostgres, postgresClient } from "@taffrail/taffrail/postgres";
 * import net from "node:net";
 * import tls from "node:tls";
 * import postgres from "postgres";
 *
 * const server = { host: "localhost", database: "runs", user: "ada" };
 * const client = postgresClient({ postgres, net, tls }, server);
 * const { version } = await migratePostgres(client, { runners: ["ci"] });
 * ```
 */
export async function migratePostgres(
  client: PostgresClient,
  options: MigratePostgresOptions = {},
): Promise<MigratedPostgres> {
  const { readers = [], runners = [], workers = [] } = checkObject(
    options,
    "options",
  ) as MigratePostgresOptions;
  try {
    const connection = await client.connect();
    try {
      const before = await checkDatabase(connection, client.name);
      await make(connection, client.name);
      const version = await checkDatabase(connection, client.name);
      for (const role of readers) await grant(connection, { role, kind: "reader" });
      for (const role of runners) await grant(connection, { role, kind: "runner" });
      for (const role of workers) await grant(connection, { role, kind: "worker" });
      return { version: version ?? SCHEMA_VERSION, wasThere: before !== undefined };
    } finally {
      await connection.close();
    }
  } catch (error) {
    throw asRootError(error, { root: client.name });
  }
}

async function make(connection: PostgresConnection, root: string): Promise<void> {
  try {
    await connection.query(MAKE_SCHEMA);
  } catch (cause) {
    if (codeOf(cause) !== INSUFFICIENT_PRIVILEGE) throw cause;
    const problem = `Cannot make the schema taffrail in ${root}: ${reasonOf(cause)}`;
    const remedy = "let its owner do that, or give the right: grant create on database … to …";
    throw runError("io", problem, { details: { path: root }, remedy, cause });
  }
}

async function grant(
  connection: PostgresConnection,
  { role, kind }: { role: string; kind: "reader" | "runner" | "worker" },
): Promise<void> {
  try {
    await connection.query("select taffrail.grant_1($1, $2)", [role, kind]);
  } catch (cause) {
    const problem = `Cannot give rights to the role ${JSON.stringify(role)}: ${reasonOf(cause)}`;
    const remedy = REMEDIES[codeOf(cause) ?? ""];
    throw runError("io", problem, { cause, ...(remedy !== undefined && { remedy }) });
  }
}
