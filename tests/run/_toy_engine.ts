/**
 * The smallest engine that keeps the write-ahead rule, and ways to break it: what `_power_cut.ts` is
 * tested with. Its journal has the begins and ends of attempts, one sync stands before a begin and
 * before what is told, and its log is made from its journal.
 */
import type { FileHandle, FilePort } from "../../_internal/file_port.ts";
import type { PowerCutEngine, World } from "./_power_cut.ts";

/** What it does wrong. */
export type ToyFault =
  | "begins before the sync"
  | "tells before the sync"
  | "logs before the sync"
  | "forgets begins"
  | "leaves its log behind";

/** A line of its journal. */
interface ToyLine {
  node: string;
  attempt: number;
  /** Without it the line is a begin. */
  end?: "Completed" | "Failed";
}

const AT_ONCE = 2;
const OPEN = { read: true, write: true, create: true, mode: 0o600 };

/** The engine; with a fault one that must be found out. */
export function toyEngine(fault?: ToyFault): PowerCutEngine {
  const run = async (port: FilePort, world: World) => {
    using toy = new Toy(port, world, fault);
    await toy.run();
  };
  return { begin: run, goOn: run };
}

class Toy implements Disposable {
  readonly #world: World;
  readonly #fault: ToyFault | undefined;
  readonly #journal: LineFile<ToyLine>;
  readonly #log: LineFile<Record<string, unknown>>;
  readonly #running = new Map<string, Promise<void>>();

  constructor(port: FilePort, world: World, fault: ToyFault | undefined) {
    this.#world = world;
    this.#fault = fault;
    const directory = `${world.root}/runs/toy`;
    port.mkdirSync(directory, { mode: 0o700, recursive: true });
    this.#journal = new LineFile(port, `${directory}/capture.jsonl`);
    this.#log = new LineFile(port, `${directory}/events.jsonl`);
    for (const path of [directory, `${world.root}/runs`, world.root]) syncFolder(port, path);
  }

  async run(): Promise<void> {
    this.#journal.sync();
    this.#endWhatWasCutOff();
    this.#catchUp();
    while (this.#beginReady() || this.#running.size > 0) {
      await Promise.race(this.#running.values());
    }
    this.#log.sync();
  }

  #endWhatWasCutOff(): void {
    for (const { node, attempt, end } of [...this.#journal.lines]) {
      if (end === undefined && this.#endOf(node, attempt) === undefined) {
        this.#journal.append({ node, attempt, end: "Failed" });
      }
    }
    this.#journal.sync();
  }

  /** The log gets what only the journal has. */
  #catchUp(): void {
    if (this.#fault === "leaves its log behind") return;
    const logged = new Set(this.#log.lines.map(keyOf));
    for (const line of this.#journal.lines) {
      if (!logged.has(keyOf(eventOf(line)))) this.#log.append(eventOf(line));
    }
  }

  #beginReady(): boolean {
    const nodes = Object.entries(this.#world.nodes);
    const isDone = (node: string) =>
      this.#journal.lines.some((line) => line.node === node && line.end === "Completed");
    const ready = nodes.filter(([node, { needs }]) =>
      !isDone(node) && !this.#running.has(node) && needs.every(isDone)
    ).slice(0, AT_ONCE - this.#running.size);
    const lines = ready.map(([node]) => ({ node, attempt: this.#nextAttempt(node) }));
    if (this.#fault !== "forgets begins") lines.forEach((line) => this.#journal.append(line));
    const isLate = this.#fault === "begins before the sync";
    if (!isLate && lines.length > 0) this.#journal.sync();
    for (const line of lines) {
      const ended = this.#attempt(line);
      // With the power gone the first of them to fail ends the run.
      ended.catch(() => {});
      this.#running.set(line.node, ended);
    }
    return ready.length > 0;
  }

  async #attempt({ node, attempt }: ToyLine): Promise<void> {
    const { signal } = new AbortController();
    const ended = this.#world.place.run({ nodeId: node, attempt, payload: {}, signal });
    this.#log.append(eventOf({ node, attempt }));
    const { termination } = await ended;
    const line = {
      node,
      attempt,
      end: termination === "Completed" ? termination : "Failed",
    } as const;
    this.#journal.append(line);
    if (this.#fault === "tells before the sync") this.#world.told(node, attempt, line.end);
    if (this.#fault === "logs before the sync") this.#log.append(eventOf(line));
    this.#journal.sync();
    if (this.#fault !== "logs before the sync") this.#log.append(eventOf(line));
    this.#world.told(node, attempt, line.end);
    this.#running.delete(node);
  }

  #endOf(node: string, attempt: number): ToyLine | undefined {
    return this.#journal.lines.find((line) =>
      line.node === node && line.attempt === attempt && line.end !== undefined
    );
  }

  #nextAttempt(node: string): number {
    const attempts = this.#journal.lines.filter((line) => line.node === node);
    return 1 + Math.max(0, ...attempts.map(({ attempt }) => attempt));
  }

  [Symbol.dispose](): void {
    this.#journal.close();
    this.#log.close();
  }
}

/** The event of the log that a line of the journal stands for. */
function eventOf({ node, attempt, end }: ToyLine): Record<string, unknown> {
  const type = { Completed: "node.completed", Failed: "node.failed", begun: "node.started" };
  return { type: type[end ?? "begun"], node_id: node, attempt };
}

function keyOf({ type, node_id, attempt }: Record<string, unknown>): string {
  return `${type} ${node_id} ${attempt}`;
}

function syncFolder(port: FilePort, path: string): void {
  const folder = port.openSync(path, { read: true });
  folder.syncSync();
  folder.close();
}

/** Lines of JSON, whole up to the first one that is broken: that and all behind it is cut away. */
class LineFile<Line> {
  readonly lines: Line[] = [];
  readonly #file: FileHandle;

  constructor(port: FilePort, path: string) {
    this.#file = port.openSync(path, OPEN);
    const length = this.#file.seekSync(0, Deno.SeekMode.End);
    const bytes = new Uint8Array(length);
    this.#file.seekSync(0, Deno.SeekMode.Start);
    this.#file.readSync(bytes);
    const whole = this.#readWhole(new TextDecoder().decode(bytes));
    this.#file.truncateSync(whole);
    this.#file.seekSync(whole, Deno.SeekMode.Start);
  }

  append(line: Line): void {
    this.lines.push(line);
    this.#file.writeSync(new TextEncoder().encode(JSON.stringify(line) + "\n"));
  }

  sync(): void {
    this.#file.syncDataSync();
  }

  close(): void {
    this.#file.close();
  }

  /** Takes the whole lines, and gives how many bytes they have. */
  #readWhole(text: string): number {
    let bytes = 0;
    for (const line of text.split("\n").slice(0, -1)) {
      try {
        this.lines.push(JSON.parse(line));
      } catch {
        break;
      }
      bytes += line.length + 1;
    }
    return bytes;
  }
}
