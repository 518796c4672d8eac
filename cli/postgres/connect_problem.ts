/** Why there is no connection to a server, for people, with what to do about it. */
import type { UrlServer } from "./server_url.ts";

/** What went wrong, and what to do about it. */
type Explain = (server: UrlServer, said: string) => [problem: string, remedy: string];

const NOT_REACHED: Explain = ({ host, port }) => [
  `${host} does not answer at port ${port}`,
  "is the address right, and does a firewall let this machine through?",
];
const NO_SERVER: Explain = ({ host, port }) => [
  host.startsWith("/")
    ? `no server has a socket in ${host}`
    : `no server listens at ${host}:${port}`,
  "start it, or correct host and port (PGHOST, PGPORT)",
];
const UNKNOWN_HOST: Explain = ({ host }) => [`the host ${host} is not known`, "is it misspelt?"];
const NOT_TRUSTED: Explain = ({ host }, said) => [
  `the certificate of ${host} is out of date, or of an authority that is not trusted (${said})`,
  "name the file of the authority: sslrootcert=PATH, or PGSSLROOTCERT",
];
const CLOSED: Explain = ({ host, port }) => [
  `${host}:${port} has closed the connection without a word`,
  "is that a PostgreSQL server? Its log says more",
];
const NO_TLS = "or, where nobody can be in between, say sslmode=disable";

/** By the SQLSTATE, or the code of the system or of TLS. */
const EXPLANATIONS: Readonly<Record<string, Explain>> = {
  ECONNREFUSED: NO_SERVER,
  ENOENT: NO_SERVER,
  EACCES: ({ host }) => [`the socket in ${host} may not be used`, "ask who runs the server"],
  ENOTFOUND: UNKNOWN_HOST,
  EAI_AGAIN: UNKNOWN_HOST,
  CONNECT_TIMEOUT: NOT_REACHED,
  ETIMEDOUT: NOT_REACHED,
  EHOSTUNREACH: NOT_REACHED,
  ENETUNREACH: NOT_REACHED,
  CONNECTION_CLOSED: CLOSED,
  ECONNRESET: CLOSED,
  NO_PASSWORD: ({ user }) => [
    `the server asks for the password of ${user}, and there is none`,
    "set PGPASSWORD, or write a line into ~/.pgpass: HOST:PORT:DATABASE:USER:PASSWORD",
  ],
  "28P01": ({ user }) => [
    `the password of ${user} is wrong, or there is no such user`,
    "correct PGPASSWORD, or the line in ~/.pgpass or the file that PGPASSFILE names",
  ],
  CLEAR_TEXT_PASSWORD: () => [
    "the server asks for the password in clear text, and there is no TLS",
    'let it ask by "scram-sha-256" in its pg_hba.conf, or use TLS',
  ],
  "28000": ({ mode }, said) => [
    said,
    `let this user in by a line of its pg_hba.conf${mode === "disable" ? ", or use TLS" : ""}`,
  ],
  "3D000": ({ database, user }) => [
    `there is no database ${database}`,
    `make it, as by createdb --owner ${user} ${database}, or name another one`,
  ],
  "53300": (_, said) => [said, "raise its max_connections, or end what is not needed"],
  "57P03": (_, said) => [said, "try again in a moment"],
  TLS_NOT_OFFERED: ({ host }) => [`${host} has no TLS`, `let it have that (ssl = on), ${NO_TLS}`],
  TLS_ANSWER: CLOSED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: NOT_TRUSTED,
  UNABLE_TO_GET_ISSUER_CERT: NOT_TRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: NOT_TRUSTED,
  DEPTH_ZERO_SELF_SIGNED_CERT: NOT_TRUSTED,
  SELF_SIGNED_CERT_IN_CHAIN: NOT_TRUSTED,
  CERT_HAS_EXPIRED: NOT_TRUSTED,
  CERT_NOT_YET_VALID: NOT_TRUSTED,
  ERR_TLS_CERT_ALTNAME_INVALID: ({ host }) => [
    `the certificate of the server is not one of ${host}`,
    "use the name that is in it, or let the server have one of this name",
  ],
};

/** What there is to be said about a connection that failed: one line. What is not known says what others said. */
export function explainConnecting(name: string, server: UrlServer, error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  const said = cause instanceof Error ? cause.message : String(error);
  const code: unknown = error instanceof Error ? Reflect.get(error, "code") : undefined;
  const explain = typeof code === "string" && Object.hasOwn(EXPLANATIONS, code)
    ? EXPLANATIONS[code]
    : undefined;
  if (explain === undefined) return `Cannot connect to ${name}: ${said}`;
  const [problem, remedy] = explain(server, said);
  return `Cannot connect to ${name}: ${problem}; ${remedy}`;
}
