/** `taffrail init` in a database: what it makes, says and refuses, and who may do what then. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { taffrail } from "../cli/_command.ts";
import { namesIn } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { type TestDatabase, withSharedServer } from "./_server.ts";

interface Place extends TestDatabase {
  /** Runs the command there, in an empty folder. */
  command(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }>;
  /** Runs a statement as the superuser. */
  sql(text: string): Promise<string[]>;
}

async function withPlace(use: (place: Place) => Promise<void>): Promise<void> {
  await withSharedServer((server) =>
    server.withDatabase((database) =>
      withTempDir(async (cwd) => {
        // Roles belong to the whole server, which others use too.
        const sql = (text: string) => server.sql(text, database.name);
        const env = { PGPASSWORD: "", PGPASSFILE: "/dev/null" };
        await use({ ...database, sql, command: (...args) => taffrail(args, { cwd, env }) });
        assertEquals(namesIn(cwd), []);
      })
    )
  );
}

Deno.test("taffrail init makes the schema in a database once, says so, and makes nothing else", async () => {
  await withPlace(async ({ url, command }) => {
    const missing = await command("ls", "--root", url);
    assertEquals([missing.code, missing.stdout], [1, ""]);
    assertStringIncludes(missing.stderr, `${url}: it has no schema taffrail`);
    assertStringIncludes(missing.stderr, `taffrail init --root ${url}`);
    const made = await command("init", "--root", url);
    assertEquals([made.code, made.stderr], [0, ""]);
    assertEquals(made.stdout.split("\n"), [
      `made the schema taffrail, version 1, in ${url}`,
      "",
      "Next:",
      `  taffrail exec --root ${url} -- COMMAND`,
      "",
    ]);
    const found = await command("init", "--root", url);
    assertEquals(found.code, 0);
    assertStringIncludes(found.stdout, "found the schema taffrail, version 1, in ");
    const json = await command("init", "--root", url, "--json");
    assertEquals(JSON.parse(json.stdout), {
      ...{ root: url, flow: null, above: null },
      schema: { version: 1, was_there: true },
      ...{ readers: [], runners: [], workers: [] },
    });
    const listed = await command("ls", "--root", url, "--json");
    assertEquals([listed.code, listed.stderr], [0, ""]);
    assertEquals(JSON.parse(listed.stdout).runs, []);
  });
});

Deno.test("taffrail init gives roles their rights, and says who has none or is not there", async () => {
  await withPlace(async ({ name, url, sql, command }) => {
    const roles = ["reader", "runner", "worker", "stranger"].map((kind) => `${kind}_${name}`);
    const [reader = "", runner = "", worker = "", stranger = ""] = roles;
    const as = (role: string) => url.replace("postgres@", `${role}@`);
    try {
      for (const role of roles) await sql(`create role ${role} login`);
      const granted = ["--reader", reader, "--runner", runner, "--worker", worker];
      const made = await command("init", "--root", url, ...granted);
      assertEquals([made.code, made.stderr], [0, ""]);
      assertStringIncludes(made.stdout, `${reader} may read runs there\n`);
      assertStringIncludes(made.stdout, `${runner} may record runs there\n`);
      assertStringIncludes(made.stdout, `${worker} may work for runs there\n`);
      for (const role of [reader, runner]) {
        const { code, stderr } = await command("ls", "--root", as(role));
        assertEquals([code, stderr], [0, ""], role);
      }
      const refused = await command("ls", "--root", as(stranger));
      assertEquals(refused.code, 1);
      assertMatch(refused.stderr, /permission denied for schema taffrail/);
      assertStringIncludes(refused.stderr, "taffrail init --root");
      const unknown = await command("init", "--root", url, "--reader", "nobody-here");
      assertEquals(unknown.code, 1);
      assertMatch(
        unknown.stderr,
        /role "nobody-here" does not exist; create role … login makes one/,
      );
    } finally {
      for (const role of roles) {
        await sql(`drop owned by ${role}`).catch(() => {});
        await sql(`drop role ${role}`);
      }
    }
  });
});

Deno.test("who may not make a schema is told who can", async () => {
  await withPlace(async ({ name, url, sql, command }) => {
    await sql(`create role weak_${name} login`);
    try {
      const weak = url.replace("postgres@", `weak_${name}@`);
      const { code, stderr } = await command("init", "--root", weak);
      assertEquals(code, 1);
      assertMatch(stderr, /Cannot make the schema taffrail in .*: permission denied for database/);
      assertStringIncludes(stderr, `let its owner do that, or give the right: grant create on`);
    } finally {
      await sql(`drop role weak_${name}`);
    }
  });
});
