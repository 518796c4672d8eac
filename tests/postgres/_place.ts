/** A folder and a database with the schema, for the command as real processes. */
import { assertEquals } from "@std/assert";
import { taffrail } from "../cli/_command.ts";
import { withTempDir } from "../_util/temp.ts";
import { type TestDatabase, withSharedServer } from "./_server.ts";

/** Where the command runs. */
export interface Place extends TestDatabase {
  cwd: string;
  env: Record<string, string>;
  /** Runs the command on the database. */
  command(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }>;
}

const NO_PASSWORD = { PGPASSWORD: "", PGPASSFILE: "/dev/null" };

/** Runs `use` with a new folder, and a new database that the command takes as its root. */
export async function withPlace(use: (place: Place) => Promise<void>): Promise<void> {
  await withSharedServer((server) =>
    server.withDatabase((database) =>
      withTempDir(async (cwd) => {
        const env = { ...NO_PASSWORD, TAFFRAIL_ROOT: database.url };
        const command = (...args: string[]) => taffrail(args, { cwd, env });
        const made = await command("init", "--root", database.url);
        assertEquals([made.code, made.stderr], [0, ""]);
        await use({ ...database, cwd, env, command });
      })
    )
  );
}

/** Writes `flow.json`. */
export async function writeFlowIn(cwd: string, flow: unknown): Promise<void> {
  await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify(flow));
}

/** The id of a run in what the command printed first. */
export function idIn(text: string): string {
  return /run_id=(\S+)/.exec(text)![1]!;
}
