/**
 * A network of its own for a process, which can be cut off from that of the tests as by a cable that is pulled: nothing
 * is refused, nothing arrives. It takes root, and Linux.
 */

async function ip(...args: string[]): Promise<boolean> {
  const command = new Deno.Command("ip", { args, stdout: "null", stderr: "null" });
  return (await command.output().catch(() => undefined))?.success ?? false;
}

/** A network namespace with one cable to that of the tests. */
export class Partition implements AsyncDisposable {
  readonly #name: string;
  readonly #subnet: string;

  private constructor(name: string, subnet: string) {
    this.#name = name;
    this.#subnet = subnet;
  }

  /** Makes one; undefined where the system does not allow it. */
  static async make(): Promise<Partition | undefined> {
    if (Deno.build.os !== "linux") return undefined;
    const name = `tf${crypto.randomUUID().slice(0, 8)}`;
    const [a, b] = crypto.getRandomValues(new Uint8Array(2));
    const made = new Partition(name, `10.${a}.${b}`);
    const steps = [
      ["netns", "add", name],
      ["link", "add", `${name}-a`, "type", "veth", "peer", "name", `${name}-b`],
      ["link", "set", `${name}-b`, "netns", name],
      ["addr", "add", `${made.outside}/24`, "dev", `${name}-a`],
      ["link", "set", `${name}-a`, "up"],
      ["-n", name, "addr", "add", `${made.#subnet}.2/24`, "dev", `${name}-b`],
      ["-n", name, "link", "set", `${name}-b`, "up"],
      ["-n", name, "link", "set", "lo", "up"],
    ];
    for (const step of steps) {
      if (await ip(...step)) continue;
      await made[Symbol.asyncDispose]();
      return undefined;
    }
    return made;
  }

  /** The address of the tests, as it is reached from inside. */
  get outside(): string {
    return `${this.#subnet}.1`;
  }

  /** What a command is started by inside, as a shell command for `"$@"`. */
  get shell(): string {
    return `exec ip netns exec ${this.#name} "$@"`;
  }

  /** Pulls the cable. */
  async cut(): Promise<void> {
    await ip("link", "set", `${this.#name}-a`, "down");
  }

  /** Puts it in again. */
  async mend(): Promise<void> {
    await ip("link", "set", `${this.#name}-a`, "up");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The other end goes with it.
    await ip("link", "del", `${this.#name}-a`);
    await ip("netns", "del", this.#name);
  }
}
