/**
 * The address by which clients reach whichever server is the primary now, as a virtual IP address does. It can
 * also cut their connections, and let them hang as a partitioned network does.
 */

/** Passes connections on to a port of loopback. */
export class Proxy implements AsyncDisposable {
  readonly #listener: Deno.TcpListener;
  readonly #connections = new Set<Deno.TcpConn>();
  readonly #accepting: Promise<void>;
  #target: number;
  #isFrozen = false;

  /** Passes on to a port of loopback what comes to an address of this machine. */
  constructor(target: number, { hostname = "127.0.0.1" }: { hostname?: string } = {}) {
    this.#listener = Deno.listen({ hostname, port: 0 });
    this.#target = target;
    this.#accepting = this.#accept();
  }

  /** Where it is reached. */
  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  /** Passes new connections on to another port, and cuts those that are there. */
  lead(target: number): void {
    this.#target = target;
    this.cut();
  }

  /** Cuts all connections. */
  cut(): void {
    for (const connection of this.#connections) close(connection);
    this.#connections.clear();
  }

  /** Passes nothing on any more, new connections included, until {@linkcode thaw}. */
  freeze(): void {
    this.#isFrozen = true;
  }

  /** Passes on what comes from now on; what hung is cut. */
  thaw(): void {
    this.#isFrozen = false;
    this.cut();
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) {
      this.#connections.add(client);
      if (this.#isFrozen) continue;
      this.#serve(client);
    }
  }

  async #serve(client: Deno.TcpConn): Promise<void> {
    try {
      const server = await Deno.connect({ hostname: "127.0.0.1", port: this.#target });
      this.#connections.add(server);
      await Promise.race([this.#pass(client, server), this.#pass(server, client)]);
      close(server);
      this.#connections.delete(server);
    } catch {
      // Nobody is there, or it has gone: so has the client then.
    }
    close(client);
    this.#connections.delete(client);
  }

  async #pass(from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
    const bytes = new Uint8Array(64 * 1024);
    try {
      for (;;) {
        const count = await from.read(bytes);
        if (count === null) return;
        if (this.#isFrozen) await new Promise<never>(() => {});
        for (let written = 0; written < count;) {
          written += await to.write(bytes.subarray(written, count));
        }
      }
    } catch {
      // It was cut.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.cut();
    await this.#accepting;
  }
}

function close(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}
