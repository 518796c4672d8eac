import type { FileHandle, FileInfo } from "../../_internal/file_port.ts";
import type { DiskModel, Node } from "./disk_model.ts";
import { type CallName, type FaultScript, PowerCut } from "./fault_script.ts";

/** What a handle needs to know about the port that opened it. */
export interface FaultHandleOptions {
  script: FaultScript;
  base: FileHandle;
  path: string;
  /** The book-keeping and what was opened; absent when nothing is kept or it is outside the root. */
  tracked?: { disk: DiskModel; node: Node } | undefined;
  /** Does a failed sync drop the pages? Asked when one fails. */
  dropsPages: () => boolean;
  onClose: (handle: FaultHandle) => void;
}

/** A real open file whose calls go through a {@linkcode FaultScript}. */
export class FaultHandle implements FileHandle {
  readonly #options: FaultHandleOptions;

  constructor(options: FaultHandleOptions) {
    this.#options = options;
  }

  get #base(): FileHandle {
    return this.#options.base;
  }

  #perform<T>(name: CallName, operation: () => T): T {
    return this.#options.script.perform({ name, path: this.#options.path }, operation);
  }

  readSync(buffer: Uint8Array): number | null {
    const request = { name: "readSync", path: this.#options.path, bytes: buffer.length } as const;
    return this.#options.script.perform(request, (_shortBytes, call) => {
      const count = this.#base.readSync(buffer);
      call.bytes = count ?? 0;
      return count;
    });
  }

  read(buffer: Uint8Array): Promise<number | null> {
    const request = { name: "read", path: this.#options.path, bytes: buffer.length } as const;
    return this.#options.script.performAsync(request, async (call) => {
      const count = await this.#base.read(buffer);
      call.bytes = count ?? 0;
      return count;
    });
  }

  writeSync(bytes: Uint8Array): number {
    const request = { name: "writeSync", path: this.#options.path, bytes: bytes.length } as const;
    return this.#options.script.perform(request, (shortBytes, call) => {
      const count = this.#base.writeSync(bytes.subarray(0, Math.min(shortBytes, bytes.length)));
      call.bytes = count;
      this.#wrote(bytes.subarray(0, count));
      return count;
    });
  }

  #wrote(bytes: Uint8Array): void {
    const node = this.#options.tracked?.node;
    if (node?.kind !== "file" || bytes.length === 0) return;
    // The kernel knows best where the bytes went: an appending handle does not write at its position.
    const end = this.#base.seekSync(0, Deno.SeekMode.Current);
    node.wrote(end - bytes.length, bytes);
  }

  seekSync(offset: number, whence: Deno.SeekMode): number {
    return this.#perform("seekSync", () => this.#base.seekSync(offset, whence));
  }

  truncateSync(length: number): void {
    this.#perform("truncateSync", () => {
      this.#base.truncateSync(length);
      const node = this.#options.tracked?.node;
      if (node?.kind === "file") node.truncated(length);
    });
  }

  syncDataSync(): void {
    this.#syncNow("syncDataSync", () => this.#base.syncDataSync());
  }

  syncSync(): void {
    this.#syncNow("syncSync", () => this.#base.syncSync());
  }

  syncData(): Promise<void> {
    return this.#syncLater("syncData", () => this.#base.syncData());
  }

  sync(): Promise<void> {
    return this.#syncLater("sync", () => this.#base.sync());
  }

  #syncNow(name: CallName, sync: () => void): void {
    const mark = this.#mark();
    try {
      this.#perform(name, () => {
        sync();
        this.#synced(name, mark);
      });
    } catch (error) {
      this.#syncFailed(mark, error);
      throw error;
    }
  }

  async #syncLater(name: CallName, sync: () => Promise<void>): Promise<void> {
    const mark = this.#mark();
    const { script, path } = this.#options;
    try {
      await script.performAsync({ name, path }, async () => {
        await sync();
        // A sync that was still under way when the power went promises nothing.
        if (!script.isCut) this.#synced(name, mark);
      });
    } catch (error) {
      this.#syncFailed(mark, error);
      throw error;
    }
  }

  #mark(): number {
    const tracked = this.#options.tracked;
    if (tracked?.node.kind === "file") return tracked.node.mark();
    return tracked?.disk.mark() ?? 0;
  }

  #synced(name: CallName, mark: number): void {
    const tracked = this.#options.tracked;
    if (tracked?.node.kind === "file") {
      tracked.node.synced(mark);
      // fdatasync keeps what is needed to read the data, and the mode is not.
      if (name === "sync" || name === "syncSync") tracked.node.durableMode = tracked.node.mode;
    }
    if (tracked?.node.kind === "directory") tracked.disk.directorySynced(tracked.node, mark);
  }

  #syncFailed(mark: number, error: unknown): void {
    const node = this.#options.tracked?.node;
    if (error instanceof PowerCut || node?.kind !== "file") return;
    if (this.#options.dropsPages()) node.syncFailed(mark);
  }

  tryLockSync(exclusive: boolean): boolean {
    return this.#perform("tryLockSync", () => this.#base.tryLockSync(exclusive));
  }

  statSync(): FileInfo {
    return this.#perform("statSync", () => this.#base.statSync());
  }

  /** Silent after a power cut: clean-up code runs while the error travels, and there is no lock. */
  unlockSync(): void {
    if (this.#options.script.isCut) return;
    this.#perform("unlockSync", () => this.#base.unlockSync());
  }

  /** Silent after a power cut, but the real handle is closed. */
  close(): void {
    if (this.#options.script.isCut) return this.#options.onClose(this);
    this.#perform("close", () => this.#options.onClose(this));
  }
}
