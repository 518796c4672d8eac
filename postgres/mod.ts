/**
 * Runs recorded in a PostgreSQL database, to be seen and gone on with from more than one machine:
 * {@linkcode openPostgresRoot} gives the same `RunsRoot` as a directory does, and {@linkcode migratePostgres}
 * makes its schema.
 *
 * @module
 */
export type * from "./types.ts";
export {
  postgresClient,
  type PostgresModules,
  type PostgresServer,
  type PostgresSql,
} from "./postgres_client.ts";
export type {
  NodeSocket,
  PostgresTls,
  PostgresTlsMode,
  ServerAddress,
  SocketModules,
} from "./postgres_socket.ts";
export { openPostgresRoot, type OpenPostgresRootOptions } from "./open_postgres_root.ts";
export {
  type MigratedPostgres,
  migratePostgres,
  type MigratePostgresOptions,
} from "./migrate_postgres.ts";
export { openPostgresLog, type OpenPostgresLogOptions } from "./open_postgres_log.ts";
export type { RunsRoot } from "../run/types.ts";
