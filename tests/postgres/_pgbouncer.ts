/** A pooler in front of a server. */
import { findPgbouncer } from "../../_tools/postgres/installation.ts";
import { attend, freePort, makeFolder, type PostgresServer } from "./_server.ts";

/** Whether there is a pooler to test with. */
export const HAS_POOLER = await findPgbouncer() !== undefined;

/** Runs `use` with the URL of a pooler of a database, which is gone afterwards. */
export async function withPooler<T>(
  { server, database, mode }: {
    server: PostgresServer;
    database: string;
    mode: "session" | "transaction";
  },
  use: (url: string) => Promise<T>,
): Promise<T> {
  const folder = await makeFolder();
  const port = freePort();
  const settings = {
    listen_addr: "127.0.0.1",
    listen_port: port,
    unix_socket_dir: folder,
    auth_type: "any",
    pool_mode: mode,
    max_client_conn: 100,
    default_pool_size: 20,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`);
  const target = `${database} = host=127.0.0.1 port=${server.place.port} user=postgres`;
  const config = `${folder}/pgbouncer.ini`;
  await Deno.writeTextFile(
    config,
    ["[databases]", target, "[pgbouncer]", ...lines, ""].join("\n"),
  );
  await using _ = attend(POOLER, [await findPgbouncer() ?? "", config, folder]);
  await untilItListens(port);
  return await use(`postgres://postgres@127.0.0.1:${port}/${database}`);
}

/** Ends the pooler and removes its folder when its input ends. */
const POOLER = `"$1" -q "$2" >/dev/null 2>&1 &
pooler=$!
cat >/dev/null
kill -KILL "$pooler"
cd / && rm -rf "$3"`;

async function untilItListens(port: number): Promise<void> {
  for (;;) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return;
    } catch (error) {
      if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}
