/**
 * Runs on PostgreSQL, for what is to be recorded and gone on with from more than one machine.
 *
 * @module
 */
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
export type {
  PostgresClient,
  PostgresConnection,
  PostgresListener,
  PostgresRow,
  PostgresValue,
} from "./types.ts";
