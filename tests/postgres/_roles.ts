/** Roles that use a root, besides the owner of its schema. */
import { migratePostgres } from "../../postgres/mod.ts";
import { clientOf } from "./_client.ts";
import type { PostgresServer } from "./_server.ts";

/** Where a database is, for its owner and for three roles that are none. */
export interface Roles {
  owner: string;
  runner: string;
  reader: string;
  stranger: string;
}

/** Runs `use` with a database that has the schema, and roles that have rights to it, or none. */
export async function withRoles(
  server: PostgresServer,
  use: (urls: Roles) => Promise<void>,
): Promise<void> {
  await server.withDatabase(async ({ name, url: owner }) => {
    const roles = ["runner", "reader", "stranger"].map((kind) => `${kind}_${name}`);
    for (const role of roles) await server.sql(`create role ${role} login`);
    try {
      const [runner = "", reader = "", stranger = ""] = roles;
      const runners = [runner];
      await migratePostgres(clientOf(owner), { runners, readers: [reader] });
      const urlOf = (role: string) => owner.replace("postgres@", `${role}@`);
      await use({
        owner,
        runner: urlOf(runner),
        reader: urlOf(reader),
        stranger: urlOf(stranger),
      });
    } finally {
      await server.sql(
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`,
      );
      for (const role of roles) {
        await server.sql(`drop owned by ${role}`, name);
        await server.sql(`drop role ${role}`);
      }
    }
  });
}
