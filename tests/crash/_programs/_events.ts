/** The events of the crash tests: each tells by itself whether it is whole and unmixed. */
import { mixSeeds } from "../../_util/random.ts";

/** The n-th event of a writer that has been started again `generation` times. */
export interface CrashEvent {
  writer: number;
  generation: number;
  n: number;
  text: string;
}

/** One event in so many is longer than a page, so that a kill can tear it. */
const LONG_EVERY = 40;

/** An event; every part of its text names it, so that two that were mixed are noticed. */
export function createEvent(writer: number, generation: number, n: number): CrashEvent {
  const mark = `${writer}.${generation}.${n} é;`;
  const mixed = mixSeeds(writer, generation, n);
  const length = mixed % LONG_EVERY === 0 ? 4_000 + mixed % 30_000 : 20 + mixed % 200;
  return { writer, generation, n, text: mark.repeat(Math.ceil(length / mark.length)) };
}

/** Checks that a log has the events it may have: in order, each once, none changed. */
export class LogChecker {
  /** How many lines were seen. */
  lines = 0;
  /** A number that depends on all of them and their order. */
  digest = 0;
  /** The next event of each writer and generation. */
  readonly #next = new Map<string, number>();

  /** Takes the event of the next line. */
  take(seq: number, event: CrashEvent): void {
    const { writer, generation, n, text } = event;
    const source = `${writer}.${generation}`;
    if (seq !== this.lines + 1) throw new Error(`Seq ${seq} follows ${this.lines}`);
    if (text !== createEvent(writer, generation, n).text) throw new Error(`Seq ${seq} is mixed`);
    const expected = this.#next.get(source) ?? 0;
    if (n !== expected) throw new Error(`Seq ${seq} is ${source}.${n}, not ${source}.${expected}`);
    this.#next.set(source, n + 1);
    this.digest = mixSeeds(this.digest, seq, writer, generation, n);
    this.lines++;
  }

  /** Takes a gap: only the torn tail of a killed writer, behind all lines, is a true one. */
  takeGap(gap: { seq: number; reason: string; message: string }): void {
    if (gap.reason === "torn" && gap.seq === this.lines + 1) return;
    throw new Error(`False gap behind ${this.lines} lines: ${JSON.stringify(gap)}`);
  }
}
