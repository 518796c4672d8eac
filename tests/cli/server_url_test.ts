import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { explainConnecting } from "../../cli/postgres/connect_problem.ts";
import { readServerUrl, type UrlServer, warningOf } from "../../cli/postgres/server_url.ts";
import { UsageError } from "../../cli/exit_codes.ts";
import { namesIn } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { taffrail } from "./_command.ts";

function read(url: string, variables: Record<string, string> = {}): UrlServer {
  return readServerUrl(url, {
    variables: (name) => variables[name],
    userName: () => "me",
    defaultHost: () => "/run/postgresql",
  });
}

/** What a URL and the environment mean: host, port, database, user, mode of TLS. */
const TABLE: [url: string, variables: Record<string, string>, means: string][] = [
  ["postgres://ada@db.example:6543/runs", {}, "db.example 6543 runs ada -"],
  ["postgresql://ada@db.example/runs", {}, "db.example 5432 runs ada -"],
  ["postgres://db.example", {}, "db.example 5432 me me -"],
  ["postgres://ada@db.example", {}, "db.example 5432 ada ada -"],
  ["postgres://", {}, "/run/postgresql 5432 me me -"],
  ["postgres:///runs", {}, "/run/postgresql 5432 runs me -"],
  ["postgres:///runs?host=/srv/sockets", {}, "/srv/sockets 5432 runs me -"],
  ["postgres://%2Fsrv%2Fsockets/runs", {}, "/srv/sockets 5432 runs me -"],
  ["postgres://ada@/runs?host=/srv/sockets&port=6543", {}, "/srv/sockets 6543 runs ada -"],
  ["postgres://ada@[::1]:6543/runs", {}, "::1 6543 runs ada -"],
  ["postgres://a%3Ab%40c@db.example/d%2Fe", {}, "db.example 5432 d/e a:b@c -"],
  ["postgres://db.example/runs?user=ada&sslmode=require", {}, "db.example 5432 runs ada require"],
  ["postgres://db.example/?dbname=runs", {}, "db.example 5432 runs me -"],
  [
    "postgres://",
    { PGHOST: "h", PGPORT: "1", PGDATABASE: "d", PGUSER: "u", PGSSLMODE: "verify-ca" },
    "h 1 d u verify-ca",
  ],
  [
    "postgres://ada@db.example:6543/runs?sslmode=disable",
    { PGHOST: "h", PGPORT: "1", PGDATABASE: "d", PGUSER: "u", PGSSLMODE: "verify-ca" },
    "db.example 6543 runs ada disable",
  ],
  ["postgres://db.example/runs", { PGPORT: "", PGUSER: "" }, "db.example 5432 runs me -"],
];

Deno.test("a URL and the environment mean what PostgreSQL's own programs take them for", () => {
  for (const [url, variables, means] of TABLE) {
    const { host, port, database, user, mode = "-" } = read(url, variables);
    assertEquals(`${host} ${port} ${database} ${user} ${mode}`, means, url);
  }
  const files = read("postgres://h/d?sslrootcert=ca.pem&sslcert=c.pem", { PGSSLKEY: "k.pem" });
  const { rootCertificates, certificate, key } = files;
  assertEquals([rootCertificates, certificate, key], ["ca.pem", "c.pem", "k.pem"]);
});

/** What is refused, and why. */
const REFUSED: [url: string, variables: Record<string, string>, why: string][] = [
  ["postgres://ada:secret@db.example/runs", {}, "its URL has a password"],
  ["postgres://ada:sec/ret@db.example/runs", {}, "its URL has a password"],
  ["postgres://ada:sec?ret@db.example/runs", {}, "its URL has a password"],
  ["postgres://ada:12#secret@db.example/runs", {}, "its URL has a password"],
  ["postgres://ada@corp:12/secret@db.example", {}, "its URL has a password"],
  ["postgres://db.example/runs?password=secret", {}, "its URL has a password"],
  ["postgres://db.example/runs?sslpassword=secret", {}, "its URL has a password"],
  ["postgres://a,b/runs", {}, "it names several servers"],
  ["postgres://db.example:port/runs", {}, "its port is none"],
  ["postgres://db.example:65536/runs", {}, "its port is none"],
  ["postgres://db.example/runs", { PGPORT: "0" }, "its port is none"],
  ["postgres://db.example/runs?sslmode=on", {}, "its sslmode is none; known: disable, allow"],
  ["postgres://db.example/runs?channel_binding=require", {}, 'it has "channel_binding"'],
  ["postgres://db.example/runs?sslcert=c", {}, "it has one of sslcert and sslkey"],
  ["postgres://db.example/100%", {}, "it has a % that encodes nothing"],
  ["postgres://db.example/runs%00user%00root", {}, "it has control characters"],
  ["postgres://db.example/runs#secret", {}, "it is not written as one"],
  ["postgres://[::1/runs", {}, "it is not written as one"],
];

Deno.test("a URL that means no database is refused, and nothing of it is shown", () => {
  for (const [url, variables, why] of REFUSED) {
    const { message } = assertThrows(() => read(url, variables), UsageError) as Error;
    assertStringIncludes(message, why, url);
    assertEquals(/secret|sec\b|ret@/.test(message), false, message);
  }
});

Deno.test("a way that others can listen to is warned of, once it leaves the machine", () => {
  const WARNED: [string, boolean][] = [
    ["postgres://db.example/runs", false],
    ["postgres://db.example/runs?sslmode=verify-full", false],
    ...["disable", "allow", "prefer", "require", "verify-ca"].map((mode): [string, boolean] => {
      return [`postgres://db.example/runs?sslmode=${mode}`, true];
    }),
    ["postgres://localhost/runs?sslmode=disable", false],
    ["postgres:///runs?sslmode=disable", false],
  ];
  for (const [url, isWarned] of WARNED) {
    assertEquals(
      warningOf(read(url))?.startsWith("warning: with sslmode=") ?? false,
      isWarned,
      url,
    );
  }
});

Deno.test("what is not known of a failure is said as others said it", () => {
  const name = "postgres://ada@db.example/runs";
  const error = new Error("Cannot connect", { cause: new Error("strange things") });
  const explained = explainConnecting(name, read(name), error);
  assertEquals(explained, `Cannot connect to ${name}: strange things`);
  const known = explainConnecting(name, read(name), Object.assign(error, { code: "3D000" }));
  const remedy = "make it, as by createdb --owner ada runs, or name another one";
  assertEquals(known, `Cannot connect to ${name}: there is no database runs; ${remedy}`);
});

Deno.test("a root with a password in its URL is refused before anything shows it", async () => {
  await withTempDir(async (cwd) => {
    const url = "postgresql://me:Tr0ub4dor&3@db.example/x";
    const ROOTS = [
      { args: ["--root", url], env: {}, by: "--root" },
      { args: [], env: { TAFFRAIL_ROOT: url }, by: "TAFFRAIL_ROOT" },
    ];
    for (const { args, env, by } of ROOTS) {
      for (const verb of [["exec", ...args, "--", "true"], ["ls", ...args], ["init", ...args]]) {
        const { code, stdout, stderr } = await taffrail(verb, { cwd, env });
        assertEquals([code, stdout], [2, ""], verb[0]);
        assertStringIncludes(stderr, `Cannot use ${by}: its URL has a password, which others`);
        assertEquals(stderr.includes("Tr0ub4dor"), false);
      }
    }
    assertEquals(namesIn(cwd), []);
  });
});
