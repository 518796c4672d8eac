/** What the other tests here rely on: servers that are theirs, that crash when told, and that leave nothing. */
import { assertEquals, assertRejects } from "@std/assert";
import { RunningProcess } from "../_util/process.ts";
import { startServer, startStandby, withDatabase, withSharedServer } from "./_server.ts";

Deno.test("each test has a database of its own, in UTF-8", async () => {
  await withSharedServer(async (server) => {
    const names = await Promise.all([1, 2].map(() =>
      server.withDatabase(async ({ name }) => {
        assertEquals(await server.sql("show server_encoding", name), ["UTF8"]);
        await server.sql("create table only_here ()", name);
        return name;
      })
    ));
    assertEquals(new Set(names).size, 2);
    for (const name of names) {
      assertEquals(await server.sql(`select 1 from pg_database where datname = '${name}'`), []);
    }
  });
});

Deno.test("a server starts again on its port with what was committed", async () => {
  await using server = await startServer({ fsync: true });
  assertEquals(await server.sql("show fsync"), ["on"]);
  await server.sql("create table kept as select 1 as n");
  for (const mode of ["immediate", "fast"] as const) {
    await server.restart(mode);
    assertEquals(await server.sql("select n from kept"), ["1"]);
  }
  await server.configure({ work_mem: "5MB" });
  assertEquals(await server.sql("show work_mem"), ["5MB"]);
});

Deno.test("a standby has what its primary had, and is promoted", async () => {
  await using primary = await startServer();
  await primary.sql("create table kept as select 1 as n");
  await using standby = await startStandby(primary);
  assertEquals(await standby.sql("select n from kept"), ["1"]);
  await assertRejects(() => standby.sql("insert into kept values (2)"), Error, "read-only");
  await primary.stop("immediate");
  await standby.promote();
  await standby.sql("insert into kept values (2)");
  assertEquals(await standby.sql("select n from kept order by n"), ["1", "2"]);
});

/** Programs with a server that are killed: while it runs, and while it is being started. */
const PROGRAMS = {
  "runs": "",
  "is being started": 'await server.stop("fast"); server.start();',
};

for (const [when, more] of Object.entries(PROGRAMS)) {
  Deno.test(`a server is gone with its folder when its test is killed while it ${when}`, async () => {
    const program = `
      import { startServer } from "${import.meta.resolve("./_server.ts")}";
      const server = await startServer();
      ${more}
      console.log(JSON.stringify(server.place));
      await new Promise(() => setInterval(() => {}, 1000));`;
    await using child = new RunningProcess([Deno.execPath(), "eval", program]);
    const place = JSON.parse(await child.stdout.find(/^\{/));
    child.kill("SIGKILL");
    await child.end();
    while (await isThere(place.folder)) await new Promise((resolve) => setTimeout(resolve, 20));
    await assertRejects(
      () => Deno.connect({ hostname: "127.0.0.1", port: place.port }),
      Deno.errors.ConnectionRefused,
    );
  });
}

async function isThere(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

Deno.test("what fails in a database is an error, and that is removed all the same", async () => {
  let name = "";
  await assertRejects(
    () =>
      withDatabase((database) => {
        name = database.name;
        throw new RangeError("of the test");
      }),
    RangeError,
    "of the test",
  );
  await withSharedServer(async (server) => {
    assertEquals(await server.sql(`select 1 from pg_database where datname = '${name}'`), []);
  });
});
