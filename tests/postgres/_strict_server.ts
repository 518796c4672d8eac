import { AUTHORITY, FOR_LOCALHOST, KEY } from "./_certificates.ts";
import { type OwnServer, startServer } from "./_server.ts";

/** The password of `ada`. */
export const PASSWORD = "Tr0ub4dor&3";

/**
 * A server that asks `ada` for her password, by SCRAM behind TLS, and `good` for a certificate of that name, as
 * that for localhost is one; nobody else for anything.
 */
export async function startStrictServer(): Promise<OwnServer> {
  const server = await startServer();
  const { folder } = server.place;
  await server.sql(`create role ada login password '${PASSWORD}'`);
  await server.sql("create role good login");
  const hba = "local all postgres trust\nhost all postgres 127.0.0.1/32 trust\n" +
    "hostssl all ada 127.0.0.1/32 scram-sha-256\nhostssl all good 127.0.0.1/32 cert\n";
  await Deno.writeTextFile(`${folder}/data/pg_hba.conf`, hba);
  const { uid, gid } = await Deno.stat(`${folder}/data`);
  const files = { "server.crt": FOR_LOCALHOST, "server.key": KEY, "authority.crt": AUTHORITY };
  for (const [file, text] of Object.entries(files)) {
    const path = `${folder}/data/${file}`;
    await Deno.writeTextFile(path, text, { mode: 0o600 });
    await Deno.chown(path, uid, gid);
  }
  await server.configure({ ssl: "on", ssl_ca_file: "authority.crt" });
  return server;
}
