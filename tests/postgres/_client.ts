/** Clients of the servers of the tests. */
import net from "node:net";
import tls from "node:tls";
import postgres from "postgres";
import { postgresClient } from "../../postgres/postgres_client.ts";
import type { PostgresClient } from "../../postgres/types.ts";

/** A client of the database `postgres` by the server's socket of Unix. */
export function clientBySocket({ folder, port }: { folder: string; port: number }): PostgresClient {
  const server = { host: folder, port, user: "postgres", database: "postgres" };
  return postgresClient({ postgres, net, tls }, server);
}

/** A client of a database by its URL. */
export function clientOf(url: string): PostgresClient {
  const { hostname, port, username, pathname } = new URL(url);
  return postgresClient({ postgres, net, tls }, {
    host: hostname,
    port: Number(port),
    user: username,
    database: pathname.slice(1),
  });
}
