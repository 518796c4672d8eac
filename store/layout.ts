import { lookAtSync } from "../_internal/directories.ts";
import type { FilePort } from "../_internal/file_port.ts";
import { join } from "../_internal/path.ts";
import type { StoreOperation } from "./runtime_store_error.ts";
import type { LogNames } from "./state/mutation.ts";
import { invalidRequestError, storeCorruptError, symlinkError } from "./store_errors.ts";
import { decodeUtf8, encodeUtf8, toHex } from "../_internal/text.ts";

const JOURNAL_NAME = /^journal-([1-9]\d{0,14})\.jsonl$/;

/** Where the files of a runtime are. */
export class StorePaths implements LogNames {
  readonly root: string;
  /** The folders from the root down to the runtime's own. */
  readonly folders: readonly string[];
  readonly directory: string;
  readonly snapshot: string;
  readonly workers: string;
  readonly ownerLock: string;
  /** The name of the events' log, as it stands in a journal. */
  readonly events = "events.jsonl";

  constructor(root: string, runtimeId: string) {
    this.root = root;
    this.folders = ["runtimes", directoryOfId(runtimeId)];
    this.directory = join(root, ...this.folders);
    this.snapshot = join(this.directory, "runtime.json");
    this.workers = join(this.directory, "workers");
    this.ownerLock = join(this.directory, "owner.lock");
  }

  journal(number: number): string {
    return join(this.directory, `journal-${number}.jsonl`);
  }

  workerDirectory(workerId: string): string {
    return join(this.workers, directoryOfId(workerId));
  }

  workerSnapshot(workerId: string): string {
    return join(this.workerDirectory(workerId), "worker.json");
  }

  /** The name of a worker's transcript, as it stands in a journal. */
  transcript(workerId: string): string {
    return `workers/${directoryOfId(workerId)}/transcript.jsonl`;
  }

  /** Where the log of a name is. */
  log(name: string): string {
    return join(this.directory, ...name.split("/"));
  }
}

/** The number of the journal of a name; undefined when it is none. */
export function journalNumberOf(name: string): number | undefined {
  const number = JOURNAL_NAME.exec(name)?.[1];
  return number === undefined ? undefined : Number(number);
}

/** The numbers of the journals in a runtime's directory, the newest first. */
export function journalNumbersSync(port: FilePort, directory: string): number[] {
  const numbers: number[] = [];
  for (const { name } of port.readDirSync(directory)) {
    const number = journalNumberOf(name);
    if (number !== undefined) numbers.push(number);
  }
  return numbers.sort((a, b) => b - a);
}

/** Refuses what is not a directory where one must be; tells whether there is one. */
export function isDirectorySync(
  port: FilePort,
  path: string,
  { operation, what }: { operation: StoreOperation; what: string },
): boolean {
  const info = lookAtSync(port, path);
  if (info === undefined) return false;
  if (info.isSymlink) throw symlinkError({ operation, path });
  if (info.isDirectory) return true;
  throw storeCorruptError({ operation, path }, {
    problem: `${what} path exists but is not a directory`,
    remedy: "move it away",
  });
}

/** Refuses a link, or a directory, where a file must be; tells how big it is, if it is there. */
export function fileSizeSync(
  port: FilePort,
  path: string,
  operation: StoreOperation,
): number | undefined {
  const info = lookAtSync(port, path);
  if (info === undefined) return undefined;
  if (info.isSymlink) throw symlinkError({ operation, path });
  if (info.isFile) return info.size;
  throw storeCorruptError({ operation, path }, {
    problem: "it is not a file",
    remedy: "move it away",
  });
}

/** An id has two characters a byte in a directory's name, which has at most 255. */
export const MAX_ID_BYTES = 126;

const PREFIX = "id-";

/**
 * Refuses what can be no id: blank, a lone surrogate in it, or too long for a directory's name
 * (W-FRS-14). Everything else is one: no character can lead out of the directory.
 */
export function checkId(id: unknown, what: "runtime id" | "worker id"): asserts id is string {
  if (typeof id !== "string") throw invalidRequestError(`${what} must be a string`);
  if (id.trim() === "") throw invalidRequestError(`${what} must not be empty`);
  if (!id.isWellFormed()) throw invalidRequestError(`${what} has a lone surrogate`);
  const { length } = encodeUtf8(id);
  if (length > MAX_ID_BYTES) {
    const problem = `${what} has ${length} bytes, and at most ${MAX_ID_BYTES} fit into the name ` +
      "of its directory";
    throw invalidRequestError(problem);
  }
}

/** The name of an id's directory: `id-` and the hexadecimal digits of its UTF-8 bytes. */
export function directoryOfId(id: string): string {
  return PREFIX + toHex(encodeUtf8(id));
}

/** The id whose directory has this name; undefined when it is that of no id. */
export function idOfDirectory(name: string): string | undefined {
  if (!/^id-(?:[0-9a-f]{2})+$/.test(name)) return undefined;
  try {
    return decodeUtf8(Uint8Array.fromHex(name.slice(PREFIX.length)));
  } catch {
    return undefined;
  }
}

/** The id of the n-th worker. */
export function workerIdOf(number: number): string {
  return `worker-${number.toString(16).padStart(8, "0")}`;
}

/** The number in an id that a runtime gave out; 0 for others. */
export function workerNumberOf(workerId: string): number {
  const digits = /^worker-([0-9a-f]{8,13})$/.exec(workerId)?.[1];
  return digits === undefined ? 0 : Number.parseInt(digits, 16);
}

/**
 * Where a runtime has its files. `docs/format/store.md` says what they are.
 *
 * Permissions: none.
 *
 * @param root The directory of the store.
 * @param runtimeId The runtime.
 * @returns The directory.
 *
 * @example Usage
 * ```ts
 * import { runtimeDirectory } from "@taffrail/taffrail/store";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(runtimeDirectory("store", "rt-1"), "store/runtimes/id-72742d31");
 * ```
 */
export function runtimeDirectory(root: string, runtimeId: string): string {
  return new StorePaths(root, runtimeId).directory;
}
