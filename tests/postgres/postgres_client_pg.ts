/** The client over a real server: what its connections give, in which order, and that none is ever replaced. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import net from "node:net";
import tls from "node:tls";
import postgres from "postgres";
import {
  type PostgresClient,
  postgresClient,
  type PostgresListener,
  type PostgresServer,
  type PostgresValue,
} from "../../postgres/mod.ts";
import { AUTHORITY } from "./_certificates.ts";
import { withSharedServer } from "./_server.ts";
import { PASSWORD, startStrictServer } from "./_strict_server.ts";

const MODULES = { postgres, net, tls };

async function withClient(use: (client: PostgresClient) => Promise<void>): Promise<void> {
  await withSharedServer(async (shared) => {
    const { port } = shared.place;
    await shared.withDatabase(async ({ name: database }) => {
      const server = { host: "127.0.0.1", port, database, user: "postgres" };
      await use(postgresClient(MODULES, server));
    });
  });
}

Deno.test("values mean what the statement says, and come back as they are", async () => {
  await withClient(async (client) => {
    const connection = await client.connect();
    const bytes = Uint8Array.from({ length: 256 }, (_, at) => at);
    const TABLE: [type: string, given: PostgresValue, back: unknown][] = [
      ["text", "", ""],
      ["text", "é\u{1f600}\u2028\n\t\\x00", "é\u{1f600}\u2028\n\t\\x00"],
      ["text", 12, "12"],
      ["text", null, null],
      ["int", "7", 7],
      ["int", -7, -7],
      ["bigint", 2n ** 62n, String(2n ** 62n)],
      ["bigint", 9007199254740993n, "9007199254740993"],
      ["numeric", "1.10", "1.10"],
      ["boolean", true, true],
      ["boolean", "off", false],
      ["bytea", bytes, bytes],
      ["bytea", bytes.subarray(3, 5), Uint8Array.of(3, 4)],
      ["bytea", new Uint8Array(), new Uint8Array()],
      ["json", '{ "a": 1.0 }', '{ "a": 1.0 }'],
      ["jsonb", '{"a": 1.0}', '{"a": 1.0}'],
      ["timestamp", "2026-11-30 12:00:00.123456", "2026-11-30 12:00:00.123456"],
    ];
    for (const [type, given, back] of TABLE) {
      const rows = await connection.query(`select $1::${type} as value`, [given]);
      assertEquals(rows[0]!.value, back, `${type} ${String(given)}`);
    }
    assertEquals(await connection.query("select 1 as a; select 2 as b"), [{ b: 2 }]);
    assertEquals((await connection.query("select 1 where false")).length, 0);
    const refused = await assertRejects(() => connection.query("select $1::text", ["a\0b"]));
    assertEquals(Reflect.get(Object(refused), "code"), "22021");
    await connection.close();
  });
});

Deno.test("a text of 16 MiB goes and comes whole, and so do as many bytes", async () => {
  await withClient(async (client) => {
    const connection = await client.connect();
    const text = "0123456789abcdeé".repeat(1024 * 1024);
    const [row] = await connection.query("select $1::text as text, length($1) as length", [text]);
    assertEquals(row!.length, text.length);
    assert(row!.text === text);
    const bytes = new Uint8Array(16 * 1024 * 1024).map((_, at) => at % 251);
    const [back] = await connection.query("select $1::bytea as bytes", [bytes]);
    assert((back!.bytes as Uint8Array).every((byte, at) => byte === bytes[at]));
    await connection.close();
  });
});

Deno.test("statements run in the order in which they were given, whether prepared or not", async () => {
  await withClient(async (client) => {
    const connection = await client.connect();
    await connection.query("create temporary table said (n serial, what text)");
    const answered: number[] = [];
    const STATEMENTS = [
      "insert into said (what) values ($1)",
      "insert into said (what) select $1::text",
      "insert into said (what) values (lower($1))",
    ];
    await Promise.all(Array.from({ length: 500 }, async (_, at) => {
      const isPlain = at % 7 === 0;
      const text = isPlain ? `insert into said (what) values ('${at}')` : STATEMENTS[at % 3]!;
      await connection.query(text, isPlain ? [] : [String(at)]);
      answered.push(at);
    }));
    const rows = await connection.query("select what from said order by n");
    assertEquals(rows.map(({ what }) => Number(what)), Array.from({ length: 500 }, (_, at) => at));
    assertEquals(answered, answered.toSorted((a, b) => a - b));
    await connection.close();
  });
});

/** What a listener was told, in words. */
function listening(): { told: string[]; listener: PostgresListener } {
  const told: string[] = [];
  return {
    told,
    listener: {
      onNotice: (code, message) => told.push(`${code} ${message}`),
      onNotification: (channel, payload) => told.push(`${channel}: ${payload}`),
      onClosed: () => told.push("closed"),
    },
  };
}

Deno.test("what the server warns of is told before the answer, and so is what others say", async () => {
  await withClient(async (client) => {
    const { told, listener } = listening();
    const connection = await client.connect(listener);
    const warned = connection.query("do $$ begin raise warning 'careful'; end $$")
      .then(() => told.push("answered"));
    await warned;
    assertEquals(told, ["01000 careful", "answered"]);
    const channel = `c${crypto.randomUUID().replaceAll("-", "")}`;
    await connection.query(`listen ${channel}`);
    const other = await client.connect();
    await other.query("select pg_notify($1, $2)", [channel, "é"]);
    while (told.length < 3) await connection.query("select 1");
    assertEquals(told.slice(2), [`${channel}: é`]);
    await other.close();
    await connection.close();
    assertEquals(told.slice(3), ["closed"]);
  });
});

Deno.test("a session that has ended is told once, and never replaced by another one", async () => {
  await withClient(async (client) => {
    const { told, listener } = listening();
    const connection = await client.connect(listener);
    const other = await client.connect();
    const count = async () => {
      const [row] = await other.query(
        "select count(*)::int as n from pg_stat_activity where datname = current_database()",
      );
      return row!.n as number;
    };
    const [{ pid } = {}] = await connection.query("select pg_backend_pid() as pid");
    const asked = ["select pg_sleep(60)", ...Array.from({ length: 20 }, () => "select $1::int")];
    const answers = Promise.allSettled(
      asked.map((text, at) => connection.query(text, at === 0 ? [] : [at])),
    );
    const before = await count();
    await other.query("select pg_terminate_backend($1)", [pid as number]);
    const codes = (await answers).map((end) =>
      end.status === "rejected" ? end.reason.code : "answered"
    );
    assertEquals(new Set(codes), new Set(["CONNECTION_CLOSED"]));
    const late = await assertRejects(() => connection.query("select 1"));
    assertEquals(Reflect.get(Object(late), "code"), "CONNECTION_CLOSED");
    assertEquals(told, ["closed"]);
    while (await count() !== before - 1) await other.query("select pg_sleep(0.01)");
    await connection.close();
    connection.destroy();
    assertEquals(told, ["closed"]);
    await other.close();
  });
});

Deno.test("close() waits for what was asked, and destroy() for nothing", async () => {
  await withClient(async (client) => {
    const patient = await client.connect();
    const slow = patient.query("select pg_sleep(0.1), 1 as one");
    await patient.close();
    assertEquals((await slow)[0]!.one, 1);
    const { told, listener } = listening();
    const hasty = await client.connect(listener);
    const never = hasty.query("select pg_sleep(600)");
    hasty.destroy();
    assertEquals(told, ["closed"]);
    const error = await assertRejects(() => never);
    assertEquals(Reflect.get(Object(error), "code"), "CONNECTION_CLOSED");
  });
});

Deno.test("no time limit of a role ends a session or cuts a statement off", async () => {
  await withSharedServer(async (shared) => {
    await shared.withDatabase(async ({ name }) => {
      const limits = ["statement_timeout", "lock_timeout", "idle_session_timeout"];
      for (const limit of limits) await shared.sql(`alter database ${name} set ${limit} = '7s'`);
      const { port } = shared.place;
      const server = { host: "127.0.0.1", port, database: name, user: "postgres" };
      const connection = await postgresClient(MODULES, server).connect();
      for (const limit of limits) {
        assertEquals(await connection.query(`show ${limit}`), [{ [limit]: "0" }]);
      }
      await connection.close();
    });
  });
});

Deno.test("a real server takes a password by SCRAM behind TLS, and refuses all else", async () => {
  await using server = await startStrictServer();
  const good = { host: "localhost", port: server.place.port, database: "postgres", user: "ada" };
  const verified = { mode: "verify-full" as const, ca: AUTHORITY };
  const TABLE: [Partial<PostgresServer>, string | undefined][] = [
    [{ password: PASSWORD, tls: verified }, undefined],
    [{ password: () => PASSWORD, tls: { mode: "require" } }, undefined],
    [{ password: "wrong", tls: verified }, "28P01"],
    [{ tls: verified }, "NO_PASSWORD"],
    [{ password: PASSWORD }, "28000"],
    [{ user: "postgres", database: "none" }, "3D000"],
    [{ user: "postgres", host: server.place.folder }, undefined],
  ];
  for (const [difference, code] of TABLE) {
    const connecting = postgresClient(MODULES, { ...good, ...difference }).connect();
    const ended = await connecting.then((connection) => connection.close(), (error) => error);
    assertEquals(Reflect.get(Object(ended), "code"), code, JSON.stringify(difference));
    assertEquals(Deno.inspect(ended, { depth: 9, showHidden: true }).includes(PASSWORD), false);
  }
});
