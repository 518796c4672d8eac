import type { FileHandle, FileInfo } from "../../_internal/file_port.ts";

/** A file to read from memory, in pieces as small as a test wants, that changes when it wants. */
export class MemoryFile implements FileHandle {
  bytes: Uint8Array;
  /** Called after each read that gave bytes. */
  afterRead = () => {};
  readonly #most: () => number;
  #position = 0;

  /** `most` tells how many bytes the next read gives at most. */
  constructor(bytes: Uint8Array, options: { most?: () => number } = {}) {
    this.bytes = bytes;
    this.#most = options.most ?? (() => Infinity);
  }

  readSync(buffer: Uint8Array): number | null {
    const end = Math.min(this.bytes.length, this.#position + Math.min(buffer.length, this.#most()));
    if (end <= this.#position) return null;
    buffer.set(this.bytes.subarray(this.#position, end));
    const count = end - this.#position;
    this.#position = end;
    this.afterRead();
    return count;
  }

  read(buffer: Uint8Array): Promise<number | null> {
    return Promise.resolve(this.readSync(buffer));
  }

  seekSync(offset: number, whence: Deno.SeekMode): number {
    this.#position = whence === Deno.SeekMode.End ? this.bytes.length + offset : offset;
    return this.#position;
  }

  writeSync(): number {
    return refuse();
  }

  truncateSync(): void {
    refuse();
  }

  syncDataSync(): void {
    refuse();
  }

  syncData(): Promise<void> {
    return refuse();
  }

  syncSync(): void {
    refuse();
  }

  sync(): Promise<void> {
    return refuse();
  }

  tryLockSync(): boolean {
    return refuse();
  }

  unlockSync(): void {
    refuse();
  }

  statSync(): FileInfo {
    return refuse();
  }

  close(): void {}
}

function refuse(): never {
  throw new TypeError("Cannot do that to a file in memory: it is only read");
}
