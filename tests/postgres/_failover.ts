/** A primary and its standby, behind one address. */
import { migratePostgres } from "../../postgres/mod.ts";
import { clientOf } from "./_client.ts";
import { Proxy } from "./_proxy.ts";
import { type OwnServer, startServer, startStandby } from "./_server.ts";

/** Two servers of which one follows the other. */
export interface Cluster {
  primary: OwnServer;
  standby: OwnServer;
  /** Leads to whichever is the primary. */
  url: string;
  proxy: Proxy;
}

/** Runs `use` with a primary and a standby; with `synchronous` nothing is acknowledged that this does not have. */
export async function withCluster(
  { synchronous }: { synchronous: boolean },
  use: (cluster: Cluster) => Promise<void>,
): Promise<void> {
  await using primary = await startServer({ fsync: true });
  await migratePostgres(clientOf(primary.url()));
  await using standby = await startStandby(primary, { fsync: true });
  if (synchronous) await requireStandby(primary, "standby");
  await using proxy = new Proxy(primary.place.port);
  const url = `postgres://postgres@127.0.0.1:${proxy.port}/postgres`;
  await primary.orLog(() => standby.orLog(() => use({ primary, standby, url, proxy })));
}

/** Has a server wait with its acknowledgements for a standby of this name, or for none. */
export async function requireStandby(server: OwnServer, name: string): Promise<void> {
  await server.configure({ synchronous_standby_names: name });
  const shown = async () => (await server.sql("show synchronous_standby_names"))[0] ?? "";
  await until(async () => await shown() === name);
  if (name === "standby") {
    const state = "select sync_state from pg_stat_replication where application_name = 'standby'";
    await until(async () => (await server.sql(state))[0] === "sync");
  }
}

/** The primary dies as by a crash, and the standby takes its place. */
export async function failOver({ primary, standby, proxy }: Cluster): Promise<void> {
  await primary.stop("immediate");
  await standby.promote();
  proxy.lead(standby.place.port);
}

/** Has the standby follow no more, when it has all that there is now. */
export async function leaveBehind({ primary, standby }: Cluster): Promise<void> {
  const [lsn] = await primary.sql("select pg_current_wal_flush_lsn()");
  const hasAll = `select pg_last_wal_replay_lsn() >= '${lsn}'`;
  await until(async () => (await standby.sql(hasAll))[0] === "t");
  await standby.configure({ primary_conninfo: "" });
  const receivers = "select count(*) from pg_stat_wal_receiver";
  await until(async () => (await standby.sql(receivers))[0] === "0");
}

/** Resolves when something is so, which is looked at again and again. */
export async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!await isSo()) await new Promise((resolve) => setTimeout(resolve, 10));
}
