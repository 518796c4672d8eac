import { checkMethods, checkObject } from "../_internal/errors.ts";
import { runError } from "../run/run_error.ts";
import type { RunsRoot } from "../run/types.ts";
import { asRootError } from "./postgres_error.ts";
import { PostgresRoot } from "./postgres_root.ts";
import type { PostgresClient } from "./types.ts";

/** Options of {@linkcode openPostgresRoot}. */
export interface OpenPostgresRootOptions {
  /**
   * How long a run is held without a word from its holder, in milliseconds: so long may the server be away
   * without anything being ended.
   *
   * @default {60_000}
   */
  leaseMs?: number;
}

const DEFAULT_LEASE_MS = 60_000;
const SHORTEST_LEASE_MS = 1000;

/**
 * Opens a database of runs. Everything is as in a directory, but for what crosses machines: runs are begun,
 * seen, gone on with and removed from any of them. {@linkcode migratePostgres} makes the schema, once.
 *
 * It has two connections: one holds runs and is told when something comes, the other one reads and writes. Both
 * must be sessions of their own, so a pooler that shares them out by transaction is refused.
 *
 * **Durability**: what is appended survives the death of this process at once. Behind a barrier it survives
 * the server too, as far as that keeps what it has synced; with a synchronous standby, the loss of either. What
 * was not behind a barrier may be taken back by a crash of the server, about the last 600 ms: then its writer is
 * told `rewound`, and readers with a cursor behind it `cursor`.
 *
 * **Permissions**: those of the client. With `--allow-sys=hostname` others are told the machine.
 *
 * @param client The database.
 * @param options How runs are held.
 * @returns The root; closing it gives up what it holds.
 * @throws {RunError} `format` when there is no schema or a newer one, or a pooler stands between; `io`.
 *
 * @example A program on any machine
 * ```ts ignore
 * import { openPostgresRoot, postgresClient } from "@taffrail/taffrail/postgres";
 * import { durable } from "@taffrail/taffrail/run";
 * import net from "node:net";
 * import tls from "node:tls";
 * import postgres from "postgres";
 *
 * const server = { host: "localhost", database: "runs", user: "ada" };
 * await using root = await openPostgresRoot(postgresClient({ postgres, net, tls }, server));
 * await durable({ root, runId: "import-1", name: "import" }, async (run) => {
 *   await run.step("list", () => ["a.csv", "b.csv"]);
 * });
 * ```
 */
export async function openPostgresRoot(
  client: PostgresClient,
  options: OpenPostgresRootOptions = {},
): Promise<RunsRoot> {
  const root = await openUnchecked(client, options);
  try {
    if (!await root.sharesSessions()) return root;
    const problem = `Cannot use ${client.name}: a pooler stands between, which shares sessions`;
    const remedy = "connect to the server itself, or to a pooler that gives each client a session";
    throw runError("format", problem, { details: { path: client.name }, remedy });
  } catch (error) {
    await root[Symbol.asyncDispose]();
    throw asRootError(error, { root: client.name });
  }
}

/** The same without a look for a pooler: a database in this process has one session. */
export async function openUnchecked(
  client: PostgresClient,
  options: OpenPostgresRootOptions = {},
): Promise<PostgresRoot> {
  checkMethods(client, "client", ["connect"]);
  const { leaseMs = DEFAULT_LEASE_MS } = checkObject(options, "options") as OpenPostgresRootOptions;
  if (!(leaseMs >= SHORTEST_LEASE_MS)) {
    throw new RangeError(`Cannot hold runs for ${leaseMs} ms: the lease is at least a second`);
  }
  const root = new PostgresRoot(client, { leaseMs });
  try {
    if (await root.schemaVersion() !== undefined) return root;
    throw runError("format", `Cannot use ${client.name}: it has no schema taffrail`, {
      details: { path: client.name },
      remedy: `taffrail init --root ${client.name} makes it`,
    });
  } catch (error) {
    await root[Symbol.asyncDispose]();
    throw asRootError(error, { root: client.name });
  }
}
