import { constantLine } from "./sample_events.ts";

const BUFFER_BYTES = 1024 * 1024;
const NEWLINE = 10;
const encoder = new TextEncoder();
const OPEN = { read: true, append: true, create: true, mode: 0o600 };

/** Deno's bare file calls: what a log cannot be faster than. */
export class Baseline implements Disposable {
  readonly #file: Deno.FsFile;
  readonly #lock: Deno.FsFile;
  readonly #line = constantLine();
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  readonly #views: Uint8Array[] = [];

  /** Creates a file and its lock in a directory. */
  constructor(directory: string) {
    this.#file = Deno.openSync(`${directory}/constant.jsonl`, OPEN);
    this.#lock = Deno.openSync(`${directory}/constant.lock`, OPEN);
  }

  /** Lock, seek to the end, write, unlock. */
  appendConstant(): void {
    this.#appendLocked(this.#line);
  }

  /** The same around lines that are encoded first; nothing is checked. */
  appendText(lines: string): void {
    const { written } = encoder.encodeInto(lines, this.#buffer);
    this.#buffer[written] = NEWLINE;
    this.#appendLocked(this.#views[written] ??= this.#buffer.subarray(0, written + 1));
  }

  #appendLocked(bytes: Uint8Array): void {
    this.#lock.lockSync(true);
    this.#file.seekSync(0, Deno.SeekMode.End);
    this.#file.writeSync(bytes);
    this.#lock.unlockSync();
  }

  /** Write, fdatasync. */
  appendDurably(): void {
    this.#file.writeSync(this.#line);
    this.#file.syncDataSync();
  }

  [Symbol.dispose](): void {
    this.#file.close();
    this.#lock.close();
  }
}
