import { lookAtSync } from "../_internal/directories.ts";
import type { FilePort } from "../_internal/file_port.ts";
import { join } from "../_internal/path.ts";
import type { LogNames } from "./draft.ts";
import { directoryOfId } from "./id_directory.ts";
import type { StoreOperation } from "./runtime_store_error.ts";
import { storeCorruptError, symlinkError } from "./store_errors.ts";

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
