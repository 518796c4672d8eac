/**
 * One file as the disk model knows it: its durable bytes and the operations since the last good sync.
 */

/** Bytes that grow. What lies beyond `size` is always zero. */
export class GrowingBytes {
  #buffer: Uint8Array<ArrayBuffer>;
  size: number;

  constructor(bytes: Uint8Array) {
    this.#buffer = new Uint8Array(bytes);
    this.size = bytes.length;
  }

  view(): Uint8Array<ArrayBuffer> {
    return this.#buffer.subarray(0, this.size);
  }

  write(offset: number, bytes: Uint8Array): void {
    this.extend(offset + bytes.length);
    this.#buffer.set(bytes, offset);
  }

  extend(size: number): void {
    if (size > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(size, this.#buffer.length * 2));
      larger.set(this.view());
      this.#buffer = larger;
    }
    this.size = Math.max(this.size, size);
  }

  truncate(length: number): void {
    if (length < this.size) this.#buffer.fill(0, length, this.size);
    else this.extend(length);
    this.size = length;
  }
}

/** One change of a file's bytes. */
export type DataOperation =
  | { kind: "write"; sequence: number; offset: number; bytes: Uint8Array; lost: boolean }
  | { kind: "truncate"; sequence: number; length: number };

/** A file, known by what it is and not by its name: a rename does not touch it. */
export class FileNode {
  readonly kind = "file";
  /** What a program sees now; `durableMode` is what the last full sync (not fdatasync) has kept. */
  mode: number | null;
  durableMode: number | null;
  /** What a power cut cannot take away. */
  readonly durable: GrowingBytes;
  /** What a reader sees now. After a failed sync this is more than will ever reach the disk. */
  readonly current: GrowingBytes;
  /** What happened since the last good sync, oldest first. */
  pending: DataOperation[] = [];
  #sequence = 0;

  constructor(bytes: Uint8Array, mode: number | null) {
    this.durable = new GrowingBytes(bytes);
    this.current = new GrowingBytes(bytes);
    this.mode = mode;
    this.durableMode = mode;
  }

  wrote(offset: number, bytes: Uint8Array): void {
    const sequence = ++this.#sequence;
    // A copy: callers reuse their buffers.
    this.#record({ kind: "write", sequence, offset, bytes: bytes.slice(), lost: false });
  }

  truncated(length: number): void {
    this.#record({ kind: "truncate", sequence: ++this.#sequence, length });
  }

  /** Where a sync that starts now reaches to: later writes are not part of it. */
  mark(): number {
    return this.#sequence;
  }

  /** A sync that started at `mark` has succeeded. */
  synced(mark: number): void {
    for (const operation of this.pending) {
      if (operation.sequence <= mark) applyTo(this.durable, operation);
    }
    this.pending = this.pending.filter((operation) => operation.sequence > mark);
  }

  /**
   * A sync that started at `mark` has failed: the kernel has dropped the pages and calls them clean, so
   * that no later sync writes them.
   */
  syncFailed(mark: number): void {
    for (const operation of this.pending) {
      if (operation.kind === "write" && operation.sequence <= mark) operation.lost = true;
    }
  }

  #record(operation: DataOperation): void {
    this.pending.push(operation);
    applyTo(this.current, operation);
  }
}

function applyTo(bytes: GrowingBytes, operation: DataOperation): void {
  if (operation.kind === "truncate") bytes.truncate(operation.length);
  else if (operation.lost) bytes.extend(operation.offset + operation.bytes.length);
  else bytes.write(operation.offset, operation.bytes);
}
