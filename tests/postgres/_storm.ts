/**
 * Writers in processes of their own, which are killed, whose sessions are ended, and under whom the server crashes;
 * and the judge of what they were told.
 */
import { assertEquals } from "@std/assert";
import { RunningProcess } from "../_util/process.ts";
import type { Random } from "../_util/random.ts";
import type { OwnServer } from "./_server.ts";

/** What happens in a round. */
export type Blow = "kill" | "terminate" | "crash";

/** One process that writes, and what it was told. */
export interface Writer {
  /** Its name, which no other has. */
  name: string;
  /** Which of the eight it stands for. */
  slot: number;
  process: RunningProcess;
  /** Whether it was killed, and so could not be told anything more. */
  wasKilled: boolean;
}

const SLOTS = 8;
/** How much has to be told before the next blow, so that it falls in the middle of work. */
const LINES_BETWEEN = 3 * SLOTS;

/** Eight writers, each followed by another one when it ends. */
export class Storm implements AsyncDisposable {
  /** All that there have been. */
  readonly writers: Writer[] = [];
  readonly #command: (name: string, slot: number) => string[];
  readonly #current = new Map<number, Writer>();
  #lines = 0;
  #told = Promise.withResolvers<void>();

  constructor(command: (name: string, slot: number) => string[]) {
    this.#command = command;
    for (let slot = 0; slot < SLOTS; slot++) this.#start(slot);
  }

  /** Lets blows fall, each in the middle of work; how many of which. */
  async rage(
    { server, rounds, random }: { server: OwnServer; rounds: number; random: Random },
  ): Promise<Record<Blow, number>> {
    const count = { kill: 0, terminate: 0, crash: 0 };
    for (let round = 0; round < rounds; round++) {
      await this.#moreLines();
      const blow = random.pick<Blow>(["kill", "terminate", "crash"]);
      count[blow]++;
      if (blow === "kill") await this.#kill(random.below(SLOTS));
      else if (blow === "crash") await server.restart("immediate");
      else await server.terminateBackends("random() < 0.4");
      await this.#replace();
    }
    await this.#moreLines();
    return count;
  }

  /** Has all end by themselves; what they were told is complete then. */
  async end(): Promise<void> {
    for (const { process } of this.#current.values()) await process.closeInput();
    for (const { name, process } of this.#current.values()) {
      const { code, stderr } = await process.end();
      assertEquals([code, stderr], [0, ""], `writer ${name}`);
    }
  }

  async #moreLines(): Promise<void> {
    const enough = this.#lines + LINES_BETWEEN;
    while (this.#lines < enough) {
      await this.#told.promise;
      await this.#replace();
    }
  }

  async #kill(slot: number): Promise<void> {
    const writer = this.#current.get(slot)!;
    const { process } = writer;
    writer.wasKilled = true;
    process.kill("SIGKILL");
    await process.end();
    this.#start(slot);
  }

  /** Starts another writer for each that is done; one that has failed is a failure. */
  async #replace(): Promise<void> {
    for (const [slot, { name, process }] of this.#current) {
      if (!process.stdout.isOver) continue;
      const { code, stderr } = await process.end();
      assertEquals([code, stderr], [0, ""], `writer ${name}`);
      this.#start(slot);
    }
  }

  #start(slot: number): void {
    const name = `${slot}.${this.writers.length}`;
    const onLine = () => {
      this.#lines++;
      this.#told.resolve();
      this.#told = Promise.withResolvers();
    };
    const process = new RunningProcess(this.#command(name, slot), { onLine });
    const writer = { name, slot, process, wasKilled: false };
    // Nobody waits in vain for one that has failed.
    process.stdout.done.then(onLine);
    this.writers.push(writer);
    this.#current.set(slot, writer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { process } of this.writers) await process[Symbol.asyncDispose]();
  }
}
