/** Pages that `taffrail report --serve` shows, and runs that go on meanwhile. */
import { type RunningProcess, startTaffrail } from "./_command.ts";

/** Starts serving pages, runs `use` with the address that is printed, and ends it. */
export async function withServedPages(
  { cwd, args = [] }: { cwd: string; args?: string[] },
  use: (url: string, server: RunningProcess) => Promise<void>,
): Promise<void> {
  await using server = startTaffrail(["report", "--serve", ...args], { cwd });
  await use(await server.stdout.find(/^http:/), server);
}

/** A flow of which each node runs until somebody opens its gate: then it prints what is given, and ends. */
export class GatedFlow {
  readonly #directory: string;
  readonly #root: string;

  private constructor(directory: string, root: string) {
    this.#directory = directory;
    this.#root = root;
  }

  /** Writes the flow `gated.json`, whose nodes have no needs. */
  static async write(
    directory: string,
    nodes: readonly string[],
    { root = ".taffrail" }: { root?: string } = {},
  ): Promise<GatedFlow> {
    const flow = {
      name: "gated",
      nodes: Object.fromEntries(nodes.map((id) => [id, { run: ["sh", "-c", `cat gate-${id}`] }])),
      constraints: { max_in_flight: nodes.length },
    };
    await Deno.writeTextFile(`${directory}/gated.json`, JSON.stringify(flow));
    const gates = nodes.map((id) => `${directory}/gate-${id}`);
    const { success } = await new Deno.Command("mkfifo", { args: gates }).output();
    if (!success) throw new Error("Cannot make the gates");
    return new GatedFlow(directory, root);
  }

  /** Starts it; gives its run when that is recorded. */
  async start(): Promise<{ running: RunningProcess; runId: string }> {
    const running = startTaffrail(["run", "gated.json", "--root", this.#root], {
      cwd: this.#directory,
    });
    try {
      const line = await running.stdout.find(/^run_id=/);
      return { running, runId: line.slice("run_id=".length) };
    } catch (error) {
      await running[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Lets a node print a text and end. */
  async open(node: string, text = ""): Promise<void> {
    await Deno.writeTextFile(`${this.#directory}/gate-${node}`, text);
  }
}

/** What has changed, as the server tells it. */
export interface Changes {
  readAt: number;
  // deno-lint-ignore no-explicit-any -- each test knows what it looks at
  members: Record<string, any>;
  count: number;
  // deno-lint-ignore no-explicit-any -- as above
  items: [place: number, item: any][];
}

/** What a page shows that takes all changes. */
export interface ShownPage {
  members: Changes["members"];
  items: Changes["items"][number][1][];
}

/** How many nodes of a page are in a state. */
export function countIn(state: string, { items }: ShownPage): number {
  return items.filter((node) => node.state === state).length;
}

/** Reads server-sent events. */
export class EventReader implements AsyncDisposable {
  /** The id of the last event that had one. */
  position = "";
  readonly #reader: ReadableStreamDefaultReader<string>;
  readonly #page: ShownPage = { members: {}, items: [] };
  #rest = "";

  private constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.pipeThrough(
      new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>,
    )
      .getReader();
  }

  /** Reads a stream. */
  static of(stream: ReadableStream<Uint8Array>): EventReader {
    return new EventReader(stream);
  }

  /** Begins to read. */
  static async open(url: string, headers: Record<string, string> = {}): Promise<EventReader> {
    const response = await fetch(url, { headers });
    if (response.status !== 200) throw new Error(`It answers ${response.status}`);
    return new EventReader(response.body!);
  }

  /** Reads until what has been told in all is like that; gives the changes that made it so. */
  async until(isMeant: (page: ShownPage) => boolean): Promise<Changes> {
    for (;;) {
      const changes: Changes = JSON.parse(await this.event("message"));
      Object.assign(this.#page.members, changes.members);
      this.#page.items.length = changes.count;
      for (const [place, item] of changes.items) this.#page.items[place] = item;
      if (isMeant(this.#page)) return changes;
    }
  }

  /** The data of the next event of a type. */
  async event(type: string): Promise<string> {
    for (;;) {
      const event = await this.#next();
      if (event === undefined) throw new Error(`The events are over before a ${type}`);
      if (event.type === type) return event.data;
    }
  }

  /** Resolves when nothing more comes, and nothing does. */
  async end(): Promise<void> {
    const event = await this.#next();
    if (event !== undefined) throw new Error(`There is more: ${event.type}`);
  }

  async #next(): Promise<{ type: string; data: string } | undefined> {
    for (;;) {
      const end = this.#rest.indexOf("\n\n");
      if (end !== -1) {
        const lines = this.#rest.slice(0, end).split("\n");
        this.#rest = this.#rest.slice(end + 2);
        const fields = new Map(lines.map((line) => {
          const [name = "", ...value] = line.split(": ");
          return [name, value.join(": ")];
        }));
        this.position = fields.get("id") ?? this.position;
        return { type: fields.get("event") ?? "message", data: fields.get("data") ?? "" };
      }
      const { done, value } = await this.#reader.read();
      if (done) return undefined;
      this.#rest += value;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The server may have been ended.
    await this.#reader.cancel().catch(() => {});
  }
}
