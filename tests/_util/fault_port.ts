/**
 * A file port for tests: real files in a temporary directory, every call recorded, and any call made to
 * fail, to write short, or to be the last one before a power cut.
 *
 * @example
 * ```ts ignore
 * const port = new FaultPort({ root });
 * port.failAt(1, { only: ["syncDataSync"] });
 * assertThrows(() => appendDurably(port, `${root}/log`, "line\n"));
 * assertEquals(port.count("writeSync"), 1);
 * port.crashImage(`${directory}/image`, 2); // what the disk may hold if the power goes now
 * ```
 */

import {
  denoFilePort,
  type FileHandle,
  type FileInfo,
  type FilePort,
} from "../../_internal/file_port.ts";
import { writeCrashImage } from "./crash_image.ts";
import { DiskModel } from "./disk_model.ts";
import { FaultHandle } from "./fault_handle.ts";
import { FaultScript } from "./fault_script.ts";
import { FileNode } from "./file_node.ts";
import { removeByOne } from "./hasty_port.ts";

/** Options of {@linkcode FaultPort}. */
export interface FaultPortOptions {
  /**
   * The directory whose power can be cut. All its files are read at once and count as durable, and from
   * then on everything that writes there must go through this port. Without it calls are recorded and
   * fail all the same, but there is no {@linkcode FaultPort.crashImage}.
   */
  root?: string;
  /**
   * The port that does the work.
   *
   * @default {denoFilePort}
   */
  base?: FilePort;
}

/** A {@linkcode FilePort} that records, fails, and cuts the power. */
export class FaultPort extends FaultScript implements FilePort {
  /**
   * What becomes of the pages behind a sync that fails. "dropped" (what Linux does): they never reach
   * the disk unless they are written again, even if a later sync succeeds. "kept": a later sync writes
   * them.
   */
  failedSync: "dropped" | "kept" = "dropped";
  readonly #base: FilePort;
  readonly #disk: DiskModel | undefined;
  readonly #open = new Map<FaultHandle, FileHandle>();

  constructor(options: FaultPortOptions = {}) {
    super();
    this.#base = options.base ?? denoFilePort;
    this.#disk = options.root === undefined ? undefined : new DiskModel(options.root);
  }

  /** How many handles are open. */
  get openCount(): number {
    return this.#open.size;
  }

  openSync(path: string, options: Deno.OpenOptions): FileHandle {
    return this.perform({ name: "openSync", path }, () => {
      const disk = this.#disk;
      // Before the call, since what exists only then is new.
      const slot = disk?.slot(path);
      const base = this.#base.openSync(path, options);
      const handle: FaultHandle = new FaultHandle({
        script: this,
        base,
        path,
        tracked: disk && trackOpened(disk, path, options, slot),
        dropsPages: () => this.failedSync === "dropped",
        onClose: (closed) => this.#close(closed),
      });
      this.#open.set(handle, base);
      return handle;
    });
  }

  mkdirSync(path: string, options: { mode: number; recursive: boolean }): void {
    this.perform({ name: "mkdirSync", path }, () => {
      const missing = this.#disk?.missingDirectories(path) ?? [];
      this.#base.mkdirSync(path, options);
      this.#disk?.directoriesCreated(missing);
    });
  }

  chmodSync(path: string, mode: number): void {
    this.perform({ name: "chmodSync", path }, () => {
      const node = this.#disk?.nodeAt(path);
      this.#base.chmodSync(path, mode);
      if (node !== undefined && node.kind !== "link") node.mode = mode;
    });
  }

  renameSync(from: string, to: string): void {
    this.perform({ name: "renameSync", path: from, to }, () => {
      const source = this.#disk?.slot(from);
      const target = this.#disk?.slot(to);
      this.#base.renameSync(from, to);
      if ((source === undefined) !== (target === undefined)) {
        throw new TypeError(
          `Cannot track the rename of "${from}" to "${to}": one is outside the root`,
        );
      }
      if (source && target) this.#disk?.renamed(source, target);
    });
  }

  removeSync(path: string, options?: { recursive: boolean }): void {
    if (options?.recursive) return removeByOne(this, path, this.#base);
    this.perform({ name: "removeSync", path }, () => {
      const slot = this.#disk?.slot(path);
      this.#base.removeSync(path);
      if (slot) this.#disk?.removed(slot);
    });
  }

  lstatSync(path: string): FileInfo {
    return this.perform({ name: "lstatSync", path }, () => this.#base.lstatSync(path));
  }

  readDirSync(
    path: string,
  ): Iterable<{ name: string; isDirectory: boolean; isSymlink: boolean }> {
    return this.perform({ name: "readDirSync", path }, () => this.#base.readDirSync(path));
  }

  /**
   * Writes one state that the disk may be in if the power goes now (or went at the cut) into `target`,
   * which must not exist yet. Seed 0 keeps only what is durable, 1 keeps everything, 2 keeps all names
   * and sizes but has NULs for data; every other seed draws. Changes nothing else.
   */
  crashImage(target: string, seed: number): void {
    if (this.#disk === undefined) {
      throw new TypeError("Cannot make a crash image: the port was created without a root");
    }
    writeCrashImage(this.#disk, target, seed);
  }

  /**
   * Closes what a program left open, as the end of its process would. Not recorded. Locks are given up
   * before: a child that another test is just starting has a copy of every handle for a moment.
   */
  closeAll(): void {
    for (const [handle, base] of [...this.#open]) {
      base.unlockSync();
      this.#close(handle);
    }
  }

  #close(handle: FaultHandle): void {
    const base = this.#open.get(handle);
    if (base === undefined) {
      if (this.isCut) return;
      throw new Deno.errors.BadResource("Cannot close: the handle is closed already");
    }
    this.#open.delete(handle);
    base.close();
  }
}

function trackOpened(
  disk: DiskModel,
  path: string,
  options: Deno.OpenOptions,
  slot: ReturnType<DiskModel["slot"]>,
): { disk: DiskModel; node: DiskModel["root"] | FileNode } | undefined {
  if (slot !== undefined && !slot.directory.names.has(slot.name)) {
    const node = new FileNode(new Uint8Array(), Deno.lstatSync(path).mode);
    disk.created(slot, node);
    return { disk, node };
  }
  const node = disk.nodeAt(path);
  if (node === undefined || node.kind === "link") return undefined;
  if (node.kind === "file" && options.truncate) node.truncated(0);
  return { disk, node };
}
