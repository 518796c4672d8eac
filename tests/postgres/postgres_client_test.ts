import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import net from "node:net";
import tls from "node:tls";
import postgres from "postgres";
import { postgresClient, type PostgresModules, type PostgresServer } from "../../postgres/mod.ts";
import { tlsModeOf } from "../../postgres/postgres_socket.ts";
import {
  AUTHORITY,
  EXPIRED,
  FOR_ANOTHER_NAME,
  FOR_LOCALHOST,
  KEY,
  SELF_SIGNED,
} from "./_certificates.ts";
import { FakeServer, type Manners } from "./_fake_server.ts";

const MODULES: PostgresModules = { postgres, net, tls };
const PASSWORD = "Tr0ub4dor&3";
const ADA = { database: "runs", user: "ada", password: PASSWORD };

/** How connecting ends: `ok`, or the code of the error. */
async function connect(server: PostgresServer, modules = MODULES): Promise<unknown> {
  try {
    const connection = await postgresClient(modules, server).connect();
    await connection.close();
    return "ok";
  } catch (error) {
    return Reflect.get(Object(error), "code");
  }
}

/** What a certificate is worth: mode of TLS, the server's certificate, whether its authority is trusted, host. */
const TLS_TABLE = [
  ["verify-full", FOR_LOCALHOST, true, "localhost", "ok"],
  ["verify-full", FOR_LOCALHOST, true, "127.0.0.1", "ok"],
  ["verify-full", FOR_LOCALHOST, false, "localhost", "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
  ["verify-full", FOR_ANOTHER_NAME, true, "localhost", "ERR_TLS_CERT_ALTNAME_INVALID"],
  ["verify-full", FOR_ANOTHER_NAME, true, "127.0.0.1", "ERR_TLS_CERT_ALTNAME_INVALID"],
  ["verify-full", SELF_SIGNED, true, "localhost", "DEPTH_ZERO_SELF_SIGNED_CERT"],
  ["verify-full", EXPIRED, true, "localhost", "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
  ["verify-full", "none", true, "localhost", "TLS_NOT_OFFERED"],
  ["verify-ca", FOR_ANOTHER_NAME, true, "localhost", "ok"],
  ["verify-ca", SELF_SIGNED, true, "localhost", "DEPTH_ZERO_SELF_SIGNED_CERT"],
  ["require", SELF_SIGNED, false, "localhost", "ok"],
  ["require", "none", false, "localhost", "TLS_NOT_OFFERED"],
  ["prefer", SELF_SIGNED, false, "localhost", "ok"],
  ["prefer", "none", false, "localhost", "ok"],
  ["allow", "none", false, "localhost", "ok"],
  ["disable", FOR_LOCALHOST, true, "localhost", "ok"],
] as const;

Deno.test("each mode of TLS lets those servers be that prove what it asks for", async () => {
  for (const [mode, cert, isTrusted, host, outcome] of TLS_TABLE) {
    await using server = await FakeServer.start(cert === "none" ? {} : { tls: { cert, key: KEY } });
    const authority = isTrusted ? { ca: AUTHORITY } : {};
    const address = { host, port: server.port, tls: { mode, ...authority } };
    const ended = await connect({ ...ADA, ...address });
    const certificate = TLS_TABLE.findIndex((row) => row[1] === cert);
    assertEquals([mode, host, certificate, ended], [mode, host, certificate, outcome]);
    const hasClearText = server.heard.includes("ada");
    assertEquals(hasClearText, mode === "disable" || (cert === "none" && outcome === "ok"));
  }
});

Deno.test("what is not on this machine has to prove its name, unless less is said", () => {
  const MODES = {
    "db.example": "verify-full",
    "10.0.0.1": "verify-full",
    "127.0.0.1.example": "verify-full",
    "localhost.example": "verify-full",
    localhost: "disable",
    "127.0.0.1": "disable",
    "::1": "disable",
    "/run/postgresql": "disable",
  };
  for (const [host, mode] of Object.entries(MODES)) assertEquals(tlsModeOf({ host }), mode, host);
  assertEquals(tlsModeOf({ host: "db.example", tls: { mode: "require" } }), "require");
  assertEquals(tlsModeOf({ host: "localhost", tls: { mode: "verify-full" } }), "verify-full");
});

Deno.test("what stands behind the server's answer about TLS, or in its place, is refused", async () => {
  for (const tlsAnswer of ["SR", "E", "HTTP/1.1 400"]) {
    await using server = await FakeServer.start({ tlsAnswer });
    const address = { host: "localhost", port: server.port, tls: { mode: "prefer" as const } };
    assertEquals(await connect({ ...ADA, ...address }), "TLS_ANSWER");
    assertEquals(server.heard.includes("ada"), false);
  }
});

/** The same modules, for which every host is this machine. */
const ANY_HOST_IS_HERE = {
  ...MODULES,
  net: {
    isIP: net.isIP,
    connect: (options: object) => net.connect({ port: 0, ...options, host: "127.0.0.1" }),
  },
};

Deno.test("a password is sent in clear text to this machine only, or behind TLS", async () => {
  const asks = "for clear text";
  const open = { ...ADA, host: "db.example", tls: { mode: "disable" as const } };
  await using server = await FakeServer.start({ asks });
  const ended = await connect({ ...open, port: server.port }, ANY_HOST_IS_HERE);
  assertEquals(ended, "CLEAR_TEXT_PASSWORD");
  assertEquals(server.heard.includes(PASSWORD), false);
  // The server waits for what it asked for, so that it has to be told what it got by then.
  const here = { ...ADA, host: "127.0.0.1", port: server.port, connectTimeoutMs: 1000 };
  assertEquals(await connect(here), "CONNECT_TIMEOUT");
  assertEquals(server.heard.includes(PASSWORD), true);
});

Deno.test("a password is asked for when the server does, and its absence is told", async () => {
  let asked = 0;
  const password = () => void asked++ as undefined;
  await using quiet = await FakeServer.start();
  const here = { ...ADA, host: "127.0.0.1", password };
  assertEquals(await connect({ ...here, port: quiet.port }), "ok");
  assertEquals(asked, 0);
  await using asking = await FakeServer.start({ asks: "for clear text" });
  assertEquals(await connect({ ...here, port: asking.port }), "NO_PASSWORD");
  assertEquals(asked, 1);
  const broken = () => {
    throw new RangeError("the file is gone");
  };
  await assertRejects(
    () =>
      postgresClient(MODULES, { ...here, port: asking.port, password: broken })
        .connect(),
    Error,
    `Cannot connect to postgres://ada@127.0.0.1:${asking.port}/runs: the file is gone`,
  );
});

Deno.test("a server that closes, is silent or not there is asked once", async () => {
  const TABLE: [Manners, string][] = [
    [{ is: "closing" }, "CONNECTION_CLOSED"],
    [{ is: "silent" }, "CONNECT_TIMEOUT"],
  ];
  for (const [manners, code] of TABLE) {
    await using server = await FakeServer.start(manners);
    const here = { ...ADA, host: "127.0.0.1", port: server.port, connectTimeoutMs: 500 };
    assertEquals(await connect(here), code);
    assertEquals(server.connections, 1);
  }
  const gone = await FakeServer.start();
  await gone[Symbol.asyncDispose]();
  assertEquals(await connect({ ...ADA, host: "127.0.0.1", port: gone.port }), "ECONNREFUSED");
  assertEquals(await connect({ ...ADA, host: "/nowhere" }), "ENOENT");
});

Deno.test("a client is named by a URL without password and files", () => {
  const NAMES: [Partial<PostgresServer>, string][] = [
    [{}, "postgres://ada@db.example/runs"],
    [{ host: "DB.example", port: 5432 }, "postgres://ada@db.example/runs"],
    [{ port: 6543 }, "postgres://ada@db.example:6543/runs"],
    [{ host: "::1" }, "postgres://ada@[::1]/runs"],
    [{ user: "a:b@c", database: "d/e" }, "postgres://a%3Ab%40c@db.example/d%2Fe"],
    [{ tls: { mode: "require" } }, "postgres://ada@db.example/runs?sslmode=require"],
    [{ tls: { ca: AUTHORITY, cert: FOR_LOCALHOST, key: KEY } }, "postgres://ada@db.example/runs"],
    [
      { host: "/run/postgresql", port: 6543, tls: { mode: "require" } },
      "postgres://ada@/runs?host=/run/postgresql&port=6543",
    ],
  ];
  for (const [difference, name] of NAMES) {
    const client = postgresClient(MODULES, { ...ADA, host: "db.example", ...difference });
    assertEquals(client.name, name);
  }
});

Deno.test("a name that would end early on its way to the server is refused", () => {
  for (const [member, value] of [["user", "ada\0database\0other"], ["database", ""]]) {
    const server = { ...ADA, host: "db.example", [member!]: value };
    assertThrows(() => postgresClient(MODULES, server), TypeError, `as ${member}: it is no name`);
  }
});
