import { assertEquals, assertThrows } from "@std/assert";
import { findPassword, type PasswordFor, passwordFor } from "../../cli/postgres/password_file.ts";
import { withTempDir } from "../_util/temp.ts";

const SERVER: PasswordFor = { host: "db.example", port: 5432, database: "runs", user: "ada" };

/** What a file of passwords says about a database, as PostgreSQL's own programs read it. */
const TABLE: [text: string, differs: Partial<PasswordFor>, password: string | undefined][] = [
  ["db.example:5432:runs:ada:secret", {}, "secret"],
  ["db.example:5432:runs:ada:secret", { host: "other" }, undefined],
  ["db.example:5432:runs:ada:secret", { port: 5433 }, undefined],
  ["db.example:5432:runs:ada:secret", { database: "other" }, undefined],
  ["db.example:5432:runs:ada:secret", { user: "eve" }, undefined],
  ["*:*:*:*:any", {}, "any"],
  ["*:*:*:eve:hers\n*:*:*:*:any", {}, "any"],
  ["*:*:*:ada:first\n*:*:*:ada:second", {}, "first"],
  ["# *:*:*:*:comment\n\n*:*:*:ada:secret\n", {}, "secret"],
  ["*:*:*:ada:with windows\r\n", {}, "with windows"],
  ["*:*:*:ada:a\\:b\\\\c", {}, "a:b\\c"],
  ["*:*:*:ada:end\\", {}, "end\\"],
  ["*:*:*:ada:until here:and no further", {}, "until here"],
  ["*:*:*:ada:", {}, undefined],
  ["*:*:*:ada:\n*:*:*:ada:second", {}, undefined],
  ["*:*:*:ada\n*:*:*:ada:second", {}, "second"],
  ["*:*:*:ada", {}, undefined],
  ["*:*:a\\:b\\\\:ada:secret", { database: "a:b\\" }, "secret"],
  ["\\:\\:1:*:*:ada:v6", { host: "::1" }, "v6"],
  ["db*:*:*:ada:no pattern", {}, undefined],
  ["\\*:*:*:ada:no wildcard", { host: "*" }, "no wildcard"],
  ["localhost:*:*:ada:socket", { host: "/run/postgresql" }, "socket"],
  ["/run/postgresql:*:*:ada:socket", { host: "/run/postgresql" }, "socket"],
  ["localhost:*:*:ada:socket", { host: "/srv/sockets" }, undefined],
  ["/srv/sockets:*:*:ada:socket", { host: "/srv/sockets" }, "socket"],
  ["", {}, undefined],
];

Deno.test("the first line of a file of passwords that fits is the one", () => {
  for (const [text, difference, password] of TABLE) {
    assertEquals(findPassword(text, { ...SERVER, ...difference }), password, text);
  }
});

Deno.test("PGPASSWORD stands above PGPASSFILE, and that above the file at home", async () => {
  await withTempDir(async (home) => {
    const write = (name: string, password: string) =>
      Deno.writeTextFile(`${home}/${name}`, `*:*:*:*:${password}\n`, { mode: 0o600 });
    await write(".pgpass", "at home");
    await write("elsewhere", "of PGPASSFILE");
    const TABLE: [Record<string, string>, string | undefined][] = [
      [{ HOME: home }, "at home"],
      [{ HOME: home, PGPASSFILE: `${home}/elsewhere` }, "of PGPASSFILE"],
      [{ HOME: home, PGPASSFILE: `${home}/elsewhere`, PGPASSWORD: "said" }, "said"],
      [{ HOME: home, PGPASSWORD: "" }, "at home"],
      [{ HOME: home, PGPASSFILE: "/dev/null" }, undefined],
      [{ HOME: home, PGPASSFILE: `${home}/missing` }, undefined],
      [{ HOME: `${home}/nobody` }, undefined],
      [{}, undefined],
    ];
    for (const [variables, password] of TABLE) {
      assertEquals(passwordFor(SERVER, (name) => variables[name]), password);
    }
  });
});

Deno.test({
  name: "a file of passwords that others can use is refused, by its name",
  ignore: Deno.build.os === "windows",
  async fn() {
    await withTempDir(async (home) => {
      const path = `${home}/.pgpass`;
      await Deno.writeTextFile(path, "*:*:*:*:secret");
      for (const mode of [0o640, 0o604, 0o660, 0o620]) {
        await Deno.chmod(path, mode);
        const says = assertThrows(() => passwordFor(SERVER, (name) => ({ HOME: home })[name]));
        const remedy = "others than you may use it; take that from them by chmod 600";
        assertEquals((says as Error).message, `Cannot use ${path}: ${remedy}`);
      }
      for (const mode of [0o600, 0o400]) {
        await Deno.chmod(path, mode);
        assertEquals(passwordFor(SERVER, (name) => ({ HOME: home })[name]), "secret");
      }
    });
  },
});
