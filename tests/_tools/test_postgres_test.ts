import { assertEquals } from "@std/assert";
import { findPgbouncer, findPostgres } from "../../_tools/postgres/installation.ts";
import { testArguments } from "../../_tools/_test_arguments.ts";
import { POSTGRES_TESTS } from "../../_tools/test_postgres.ts";
import { withTree } from "./_tree.ts";

const PROGRAMS = ["postgres", "initdb", "pg_ctl", "psql", "pg_basebackup"];

/** Stands in for an installation: it says its version. */
function installation(folder: string, version: string, programs = PROGRAMS) {
  const script = `#!/bin/sh\necho 'postgres (PostgreSQL) ${version} (Debian ${version}-1)'\n`;
  return Object.fromEntries(programs.map((name) => [`${folder}/bin/${name}`, script]));
}

async function withInstallations(
  tree: Record<string, string>,
  use: (root: string) => Promise<void>,
): Promise<void> {
  await withTree(tree, async (root) => {
    for (const path of Object.keys(tree)) await Deno.chmod(`${root}/${path}`, 0o755);
    await use(root);
  });
}

Deno.test({
  name: "findPostgres() finds the newest server that is whole and new enough",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const tree = {
      ...installation("servers/9", "9.6.24"),
      ...installation("servers/13", "13.2"),
      ...installation("servers/14", "14.9"),
      ...installation("servers/16", "16.1"),
      ...installation("servers/17", "17.0", ["psql", "pg_ctl"]),
      ...installation("other", "18beta1"),
    };
    await withInstallations(tree, async (root) => {
      const folders = [`${root}/servers`, `${root}/missing`];
      const newest = { bin: `${root}/servers/16/bin`, version: 16 };
      assertEquals(await findPostgres({ folders, path: "" }), newest);
      const other = { bin: `${root}/other/bin`, version: 18 };
      assertEquals(await findPostgres({ folders, path: `/nowhere:${root}/other/bin` }), other);
      const old = { folders: [], path: `${root}/servers/13/bin:${root}/servers/9/bin` };
      assertEquals(await findPostgres(old), undefined);
    });
  },
});

Deno.test("findPgbouncer() looks in PATH", async () => {
  await withInstallations({ "bin/pgbouncer": "" }, async (root) => {
    assertEquals(await findPgbouncer(`/nowhere:${root}/bin`), `${root}/bin/pgbouncer`);
  });
});

Deno.test("testArguments() takes every file that needs a server, or those that are named", async () => {
  const tree = {
    "tests/postgres/b_pg.ts": "",
    "tests/postgres/a_pg.ts": "",
    "tests/postgres/a_test.ts": "",
    "tests/postgres/_server.ts": "",
  };
  await withTree(tree, async (root) => {
    const options = ["test", "--allow-all", "--trace-leaks", "--parallel"];
    const [a, b] = ["tests/postgres/a_pg.ts", "tests/postgres/b_pg.ts"];
    assertEquals(await testArguments({ root, args: [] }, POSTGRES_TESTS), [...options, a, b]);
    const args = [b, "--filter", "lost"];
    const named = await testArguments({ root, args }, POSTGRES_TESTS);
    assertEquals(named, [...options, "--filter", "lost", b]);
  });
});
