/** A server that can be made to lose its last moments, for the rules that only a server keeps. */
import type { ServerFaults } from "../../testing/types.ts";
import { type OwnServer, startServer } from "./_server.ts";

/** Starts a server where only what is to be on disk gets there while its WAL writer stands still. */
export async function startForgetfulServer(): Promise<OwnServer> {
  return await startServer({ settings: { autovacuum: "off", bgwriter_lru_maxpages: "0" } });
}

/** What a server of that kind can be made to do, as the rules ask for it. */
export function faultsOf(server: OwnServer): ServerFaults {
  return {
    interrupt: async () => {
      await server.terminateBackends();
    },
    rewind: async (append) => {
      const walWriter = await walWriterOf(server);
      Deno.kill(walWriter!, "SIGSTOP");
      await append();
      // The server ends all its processes when one of them dies like this, and begins anew.
      Deno.kill(walWriter!, "SIGKILL");
      for (let next = walWriter; next === undefined || next === walWriter;) {
        next = await walWriterOf(server).catch(() => undefined);
      }
    },
  };
}

/** The process that brings to disk what nobody waits for; undefined while there is none. */
async function walWriterOf(server: OwnServer): Promise<number | undefined> {
  const query = "select pid from pg_stat_activity where backend_type = 'walwriter'";
  const [pid] = await server.sql(query);
  return pid === undefined ? undefined : Number(pid);
}
