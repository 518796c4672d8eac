/**
 * How a connection to a server begins, before PostgreSQL's own protocol: a socket, and on it TLS, where it is to
 * be. Invariants:
 *
 * 1. Between two machines nothing is sent but what asks for TLS, until the server has proven its name; less is
 *    done only where a mode of TLS says so in a word.
 * 2. What comes in clear text behind the server's answer about TLS is refused: somebody in between could have
 *    put it there, to be taken for what the server says under TLS.
 * 3. A password that the server asks for in clear text never leaves the machine without TLS.
 */
/** A socket of `node:net` or `node:tls`, as far as it is used. */
export interface NodeSocket {
  /** Calls a function whenever something happens. */
  on(event: string, listener: (...values: never[]) => void): unknown;
  /** Calls it the first time only. */
  once(event: string, listener: (...values: never[]) => void): unknown;
  /** Calls it no more. */
  removeListener(event: string, listener: (...values: never[]) => void): unknown;
  /** Sends bytes. */
  write(bytes: Uint8Array): unknown;
  /** Sends what is short at once, too. */
  setNoDelay(isOn: boolean): unknown;
  /** Closes it without waiting for anything. */
  destroy(): unknown;
}

/** What makes sockets: the modules `node:net` and `node:tls`. */
export interface SocketModules {
  /** `node:net`. */
  readonly net: {
    /** Connects to an address. */
    connect(options: object): NodeSocket;
    /** 4 or 6 for an address, 0 for a name. */
    isIP(host: string): number;
  };
  /** `node:tls`. */
  readonly tls: {
    /** Begins TLS on a socket. */
    connect(options: object): NodeSocket;
  };
}

/** How much TLS has to prove, in the words that PostgreSQL's own programs have for it. */
export type PostgresTlsMode =
  | "disable"
  | "allow"
  | "prefer"
  | "require"
  | "verify-ca"
  | "verify-full";

/** How a connection is kept from those between two machines. */
export interface PostgresTls {
  /**
   * `verify-full`: the server has a certificate of its name from an authority that is trusted; `verify-ca`: of
   * any name; `require`: there is TLS, with whoever answers; `prefer` and `allow`: the same, and no TLS where
   * the server has none; `disable`: no TLS. A socket of Unix never has any.
   *
   * @default {"verify-full", and "disable" for an address of this machine}
   */
  mode?: PostgresTlsMode;
  /** The authorities that are trusted, as PEM; those that the runtime trusts where it is left out. */
  ca?: string | readonly string[];
  /** A certificate of the client, as PEM. */
  cert?: string;
  /** Its key, as PEM. */
  key?: string;
}

/** Where a server listens. */
export interface ServerAddress {
  /** Its name or address; the folder of a socket of Unix, which begins with `/`. */
  readonly host: string;
  /**
   * The port.
   *
   * @default {5432}
   */
  readonly port?: number;
  /** How the way there is protected. */
  readonly tls?: PostgresTls;
}

/** The port of PostgreSQL where none is said. */
export const DEFAULT_PORT = 5432;

/** A connection could not begin; `code` says why, as the codes of the system do. */
export class SocketProblem extends Error {
  /** The name of the class. */
  override readonly name = "SocketProblem";
  /** What went wrong, for programs. */
  readonly code: string;

  /** `message`: the same for people. */
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** Whether a host is the folder of a socket of Unix. */
export function isSocketFolder(host: string): boolean {
  return host.startsWith("/");
}

/** Whether what is sent to a host stays on this machine. */
export function isThisMachine(host: string): boolean {
  return isSocketFolder(host) || host === "::1" || /^localhost\.?$/i.test(host) ||
    /^127(?:\.\d{1,3}){3}$/.test(host);
}

/** How much TLS has to prove on the way to a server. */
export function tlsModeOf({ host, tls }: ServerAddress): PostgresTlsMode {
  if (isSocketFolder(host)) return "disable";
  return tls?.mode ?? (isThisMachine(host) ? "disable" : "verify-full");
}

/** A socket that is ready for PostgreSQL's protocol. */
export interface ReadySocket {
  /** The socket. */
  socket: NodeSocket;
  /** Whether others may read what is sent by it. */
  isOpenToOthers: boolean;
}

/** Connects to a server, and begins TLS where that is to be; `signal` ends the attempt. */
export async function openSocket(
  modules: SocketModules,
  server: ServerAddress,
  signal: AbortSignal,
): Promise<ReadySocket> {
  const { host, port = DEFAULT_PORT } = server;
  const address = isSocketFolder(host) ? { path: `${host}/.s.PGSQL.${port}` } : { host, port };
  const raw = watched(modules.net.connect(address), signal);
  await nextEvent(raw, "connect", signal);
  if (!isSocketFolder(host)) raw.setNoDelay(true);
  const mode = tlsModeOf(server);
  if (mode === "disable" || !await offersTls(raw, mode, signal)) {
    return { socket: raw, isOpenToOthers: !isThisMachine(host) };
  }
  const secure = watched(modules.tls.connect(tlsOptions(modules, server, raw)), signal);
  await nextEvent(secure, "secureConnect", signal);
  return { socket: secure, isOpenToOthers: false };
}

function tlsOptions({ net }: SocketModules, { host, tls = {} }: ServerAddress, socket: NodeSocket) {
  const mode = tlsModeOf({ host, tls });
  return {
    socket,
    host,
    ...(net.isIP(host) === 0 ? { servername: host } : {}),
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
    rejectUnauthorized: mode.startsWith("verify-"),
    ...(mode === "verify-ca" ? { checkServerIdentity: () => undefined } : {}),
  };
}

/** Length and code of the message that asks for TLS. */
const TLS_REQUEST = new Uint8Array([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);

async function offersTls(
  socket: NodeSocket,
  mode: PostgresTlsMode,
  signal: AbortSignal,
): Promise<boolean> {
  const answer = nextEvent(socket, "data", signal);
  socket.write(TLS_REQUEST);
  const bytes = new Uint8Array(await answer as Uint8Array);
  const word = bytes.length === 1 ? String.fromCharCode(bytes[0]!) : undefined;
  if (word === "S") return true;
  if (word === "N" && (mode === "prefer" || mode === "allow")) return false;
  socket.destroy();
  if (word === "N") throw new SocketProblem("TLS_NOT_OFFERED", "The server has no TLS");
  throw new SocketProblem("TLS_ANSWER", "What answers about TLS is no PostgreSQL server");
}

/** Has a socket end with the attempt, and never end the process with an error that nobody waits for. */
function watched(socket: NodeSocket, signal: AbortSignal): NodeSocket {
  socket.on("error", () => {});
  if (signal.aborted) socket.destroy();
  const end = () => void socket.destroy();
  signal.addEventListener("abort", end, { once: true });
  socket.once("close", () => signal.removeEventListener("abort", end));
  return socket;
}

function nextEvent(socket: NodeSocket, event: string, signal: AbortSignal): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const onClose = () => {
    const ended = new SocketProblem("CONNECTION_CLOSED", "The server has closed the connection");
    reject(signal.aborted ? signal.reason : ended);
  };
  socket.once(event, resolve);
  socket.once("error", reject);
  socket.once("close", onClose);
  return promise.finally(() => {
    socket.removeListener(event, resolve);
    socket.removeListener("error", reject);
    socket.removeListener("close", onClose);
  });
}

const AUTHENTICATION = "R".charCodeAt(0);
const ACCEPTED = 0;
const CLEAR_TEXT = 3;

/**
 * Reads what a server says until it has accepted the client; tells at once when it asks for the password in
 * clear text, before anybody else sees that.
 */
export function watchForClearText(socket: NodeSocket, onAsked: () => void): void {
  let unread = new Uint8Array();
  const read = (bytes: Uint8Array) => {
    unread = new Uint8Array([...unread, ...bytes]);
    while (unread.length >= 9) {
      const view = new DataView(unread.buffer);
      if (unread[0] === AUTHENTICATION) {
        if (view.getUint32(5) === CLEAR_TEXT) onAsked();
        if (view.getUint32(5) === ACCEPTED) return void socket.removeListener("data", read);
      }
      const end = 1 + view.getUint32(1);
      if (unread.length < end) return;
      unread = unread.slice(end);
    }
  };
  socket.on("data", read);
}
