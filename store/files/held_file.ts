import {
  type FileHandle,
  type FileInfo,
  isSameFile,
  lookAtSync,
} from "../../_internal/file_port.ts";
import type { RuntimeStoreError } from "../runtime_store_error.ts";
import { replacedError } from "../store_errors.ts";
import type { RuntimeFolder } from "./runtime_folder.ts";

/**
 * A file that is held open and written to in place, which others reach by its path alone. An editor, a
 * restored copy or a cleaner may put another file there, or none: then what is written goes nowhere, and
 * nothing tells but a look at the path.
 */
export class HeldFile {
  readonly path: string;
  readonly file: FileHandle;
  readonly #folder: RuntimeFolder;
  readonly #opened: FileInfo;

  constructor(folder: RuntimeFolder, { path, file }: { path: string; file: FileHandle }) {
    this.path = path;
    this.file = file;
    this.#folder = folder;
    this.#opened = file.statSync();
  }

  /** How long the file is; refused unless it is still what its path leads to. */
  sizeInPlace(): number {
    const info = lookAtSync(this.#folder.port, this.path);
    if (info !== undefined && isSameFile(info, this.#opened)) return info.size;
    throw this.replacedError(info === undefined ? "is not there any more" : "is another file now");
  }

  /** What is told of a file with which somebody else did something. */
  replacedError(how: string): RuntimeStoreError {
    return replacedError(this.#folder.runtimeId, { path: this.path, how });
  }

  /** Whether both are one file. */
  isSame(other: HeldFile): boolean {
    return isSameFile(this.#opened, other.#opened);
  }
}
