/** A server that begins connections as PostgreSQL does, and then does what a test asks for. */
import net from "node:net";
import tls from "node:tls";

/** What a server answers when it is asked for TLS, or for a session. */
export interface Manners {
  /** Certificate and key; a server without answers `N`. */
  tls?: { cert: string; key: string };
  /** What it answers instead when it is asked for TLS. */
  tlsAnswer?: string;
  /** How it asks for a password. */
  asks?: "for nothing" | "for clear text";
  /** Whether it closes every connection at once, or never says anything. */
  is?: "closing" | "silent";
}

/** A server on loopback. */
export class FakeServer implements AsyncDisposable {
  /** How many connections there were. */
  connections = 0;
  /** All that it was told outside of TLS, one character a byte. */
  heard = "";
  /** Its port. */
  port = 0;
  readonly #server: net.Server;
  readonly #behindTls: tls.Server | undefined;
  readonly #manners: Manners;
  readonly #sockets = new Set<net.Socket>();

  private constructor(manners: Manners) {
    this.#manners = manners;
    this.#server = net.createServer((socket) => this.#greet(socket));
    if (manners.tls === undefined) return;
    this.#behindTls = tls.createServer(manners.tls, (socket) => this.#serve(socket));
    this.#behindTls.on("tlsClientError", () => {});
  }

  /** Starts one. */
  static async start(manners: Manners = {}): Promise<FakeServer> {
    const server = new FakeServer(manners);
    server.port = await listen(server.#server);
    if (server.#behindTls !== undefined) await listen(server.#behindTls);
    return server;
  }

  #greet(socket: net.Socket): void {
    this.connections++;
    this.#keep(socket);
    if (this.#manners.is === "closing") socket.end();
    if (this.#manners.is !== undefined) return;
    socket.once("data", (bytes: Uint8Array) => {
      this.heard += textOf(bytes);
      if (bytes.length !== 8) return this.#answer(socket, bytes);
      const answer = this.#manners.tlsAnswer ?? (this.#behindTls === undefined ? "N" : "S");
      socket.write(answer);
      if (answer !== "S") return this.#serve(socket);
      // Deno begins TLS on a server's side only for what it has accepted itself.
      const { port } = this.#behindTls!.address() as net.AddressInfo;
      const inner = this.#keep(net.connect(port, "127.0.0.1"));
      socket.pipe(inner).pipe(socket);
    });
  }

  #serve(socket: net.Socket): void {
    this.#keep(socket);
    socket.on("data", (bytes: Uint8Array) => {
      if (socket instanceof tls.TLSSocket === false) this.heard += textOf(bytes);
      this.#answer(socket, bytes);
    });
  }

  #answer(socket: net.Socket, bytes: Uint8Array): void {
    const text = textOf(bytes);
    if (text.startsWith("Q")) socket.write(binary("C\0\0\0\x08SET\0Z\0\0\0\x05I"));
    else if (text.startsWith("X")) socket.end();
    else if (!text.startsWith("\0")) return;
    else if (this.#manners.asks === "for clear text") socket.write(binary("R\0\0\0\x08\0\0\0\x03"));
    else socket.write(binary("R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I"));
    if (socket.listenerCount("data") === 0) this.#serve(socket);
  }

  #keep<Kept extends net.Socket>(socket: Kept): Kept {
    socket.on("error", () => {});
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    return socket;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    for (const server of [this.#server, this.#behindTls]) {
      if (server !== undefined) await new Promise((resolve) => server.close(resolve));
    }
  }
}

async function listen(server: net.Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as net.AddressInfo).port;
}

function textOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

function binary(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
