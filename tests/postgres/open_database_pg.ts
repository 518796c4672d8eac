/** What the command takes from a URL and the environment on its way to a real server, and what it says. */
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { openPostgresClient } from "../../cli/postgres/open_database.ts";
import { withTempDir } from "../_util/temp.ts";
import { AUTHORITY, FOR_LOCALHOST, KEY } from "./_certificates.ts";
import { PASSWORD, startStrictServer } from "./_strict_server.ts";

/** A client of a database, in an environment of these variables. */
function clientWith(variables: Record<string, string>, url: string) {
  return openPostgresClient(url, (name) => variables[name]);
}

Deno.test("the environment has passwords and certificates, and each failure is one line with its remedy", async () => {
  await using server = await startStrictServer();
  const { port, folder } = server.place;
  await withTempDir(async (home) => {
    const authority = `${home}/ca.pem`;
    await Deno.writeTextFile(authority, AUTHORITY);
    const passwords = `localhost:${port}:*:ada:${PASSWORD}\n`;
    await Deno.writeTextFile(`${home}/.pgpass`, passwords, { mode: 0o600 });
    await Deno.writeTextFile(`${home}/open`, passwords);
    await Deno.chmod(`${home}/open`, 0o644);
    const tls = `?sslmode=verify-full&sslrootcert=${encodeURIComponent(authority)}`;
    const at = (host: string) => `postgres://ada@${host}:${port}/postgres`;
    const HERE = at("localhost");
    const without = { HOME: "/nowhere" };
    const TABLE: [url: string, variables: Record<string, string>, ends: string | RegExp][] = [
      [HERE + tls, { HOME: home }, "ok"],
      [HERE + tls, { ...without, PGPASSWORD: PASSWORD }, "ok"],
      [HERE, { HOME: home, PGSSLMODE: "verify-full", PGSSLROOTCERT: authority }, "ok"],
      [`postgres:///postgres?host=${folder}&port=${port}&user=postgres`, without, "ok"],
      [HERE + "?sslmode=verify-full&sslrootcert=system", without, /that is not trusted .*; name/],
      [HERE + tls, { ...without, PGPASSWORD: "wrong" }, /: the password of ada is wrong, .*; corr/],
      [HERE + tls, without, /: the server asks for the password of ada, .*; set PGPASSWORD, or/],
      [HERE + tls, { PGPASSFILE: `${home}/open` }, /: Cannot use .*\/open: others .* chmod 600$/],
      [at("127.0.0.1") + tls, { HOME: home }, /: the server asks for the password/],
      [HERE, { HOME: home }, /: no pg_hba.conf entry .*; let this user in by a line/],
      [
        HERE + "?sslmode=verify-full",
        without,
        /of an authority that is not trusted .*; name the f/,
      ],
      [
        `postgres://postgres@localhost:${port}/none`,
        without,
        /: there is no database none; make it, as by createdb --owner postgres none/,
      ],
      [`postgres://ada@localhost:1/x`, without, /: no server listens at localhost:1; start it/],
      [`postgres:///x?host=/nowhere`, without, /: no server has a socket in \/nowhere; start it/],
      [`postgres://ada@no.such.invalid/x`, without, /: the host no.such.invalid is not known; is/],
    ];
    for (const [url, variables, ends] of TABLE) {
      const client = await clientWith(variables, url);
      assertEquals(client.name.includes(home), false);
      if (ends === "ok") {
        await (await client.connect()).close();
        continue;
      }
      const error = await assertRejects(() => client.connect(), Error);
      assertMatch(error.message, ends as RegExp);
      assertEquals(error.message.split("\n").length, 1);
      assertEquals(error.message.startsWith(`Cannot connect to ${client.name}: `), true);
      assertEquals(Deno.inspect(error, { depth: 9, showHidden: true }).includes(PASSWORD), false);
    }
  });
});

Deno.test("a client has a certificate where the environment names one, with a key that is its own", async () => {
  await using server = await startStrictServer();
  await withTempDir(async (home) => {
    const files = { "ca.pem": AUTHORITY, "good.pem": FOR_LOCALHOST, "good.key": KEY, open: KEY };
    for (const [name, text] of Object.entries(files)) {
      await Deno.writeTextFile(`${home}/${name}`, text);
      await Deno.chmod(`${home}/${name}`, name === "good.key" ? 0o600 : 0o640);
    }
    const url = `postgres://good@localhost:${server.place.port}/postgres?sslmode=verify-full`;
    const trusting = { PGSSLROOTCERT: `${home}/ca.pem` };
    const good = { ...trusting, PGSSLCERT: `${home}/good.pem`, PGSSLKEY: `${home}/good.key` };
    await (await (await clientWith(good, url)).connect()).close();
    const client = await clientWith(trusting, url);
    const says = "connection requires a valid client certificate";
    await assertRejects(() => client.connect(), Error, says);
    const REFUSED: [variables: Record<string, string>, says: RegExp][] = [
      [{ ...good, PGSSLROOTCERT: `${home}/none` }, /^Cannot use .*\/none: No such file/],
      [{ ...good, PGSSLKEY: `${home}/none` }, /^Cannot use .*\/none: there is no such file/],
      [{ ...good, PGSSLKEY: `${home}/open` }, /\/open: others than you .* by chmod 600$/],
    ];
    for (const [variables, says] of REFUSED) {
      const { message } = await assertRejects(() => clientWith(variables, url), Error);
      assertMatch(message, says);
    }
  });
});
