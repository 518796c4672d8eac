import {
  atomicReplaceSync,
  type ReplaceFailure,
  type Replacement,
} from "../../_internal/atomic_replace.ts";
import { makeDirectorySync, syncDirectorySync } from "../../_internal/directories.ts";
import {
  blocksOf,
  createFileSync,
  type FilePort,
  lookAtSync,
  sizeOf,
  writeWholeSync,
} from "../../_internal/file_port.ts";
import { quarantineSync } from "../../_internal/line_file.ts";
import { basename, dirname, join } from "../../_internal/path.ts";
import { joinBytes, NEWLINE } from "../../_internal/text.ts";
import type { LogCodec } from "../files/log_codecs.ts";
import { LogBytes, type LogLine, logLines, parseLine, recordBytes } from "../files/log_lines.ts";
import type { RuntimeFolder } from "../files/runtime_folder.ts";
import { storeIoError } from "../store_errors.ts";

/** What repairing does to files, so that nothing is ever gone: it is in its place or kept as evidence. */

const BLOCK_BYTES = 256 * 1024;
const NEWLINE_BYTES = new Uint8Array([NEWLINE]);

/** The folder of a runtime where one repair keeps what it takes out of the way. */
export class Quarantine {
  readonly #folder: RuntimeFolder;
  #path: string | undefined;

  constructor(folder: RuntimeFolder) {
    this.#folder = folder;
  }

  /** Moves a file or directory there; returns where it is now. */
  moveSync(path: string): string {
    const { port } = this.#folder;
    const target = this.#targetOf(path);
    port.renameSync(path, target);
    syncDirectorySync(port, dirname(target));
    syncDirectorySync(port, dirname(path));
    return target;
  }

  /** Copies a file there; the copy is on disk when this returns its path. */
  copySync(path: string): string {
    const { port } = this.#folder;
    const target = this.#targetOf(path);
    this.#folder.use({ operation: "repair runtime store", path }, (source) => {
      createFileSync(port, target, blocksOf(source, { start: 0, end: sizeOf(source) }));
    });
    syncDirectorySync(port, dirname(target));
    return target;
  }

  /** A free name for what stands at a path of the runtime. */
  #targetOf(path: string): string {
    const { port, directory: top } = this.#folder;
    let directory = this.#path ??= this.#create();
    for (const folder of foldersBetween(top, dirname(path))) {
      const inner = join(directory, folder);
      if (makeDirectorySync(port, inner)) syncDirectorySync(port, directory);
      directory = inner;
    }
    const target = join(directory, basename(path));
    for (let number = 1;; number++) {
      const free = number === 1 ? target : `${target}.${number}`;
      if (lookAtSync(port, free) === undefined) return free;
    }
  }

  #create(): string {
    const { port, directory } = this.#folder;
    for (let number = 1;; number++) {
      const path = this.#folder.quarantine(number);
      if (!makeDirectorySync(port, path)) continue;
      syncDirectorySync(port, directory);
      return path;
    }
  }
}

/** The names of the folders that lead from one directory down to another. */
function foldersBetween(top: string, directory: string): string[] {
  const folders: string[] = [];
  for (let at = directory; at.length > top.length; at = dirname(at)) folders.unshift(basename(at));
  return folders;
}

/** Creates or replaces a file, whole or not at all. */
export function replaceSync(
  port: FilePort,
  path: string,
  bytes: Replacement["bytes"],
): void {
  const toError = ({ cause }: ReplaceFailure) =>
    storeIoError({ operation: "repair runtime store", path }, cause);
  atomicReplaceSync(port, { path, bytes, toError });
}

/** Gives a directory another name, for good. */
export function renameSync(port: FilePort, path: string, to: string): void {
  port.renameSync(path, to);
  syncDirectorySync(port, dirname(to));
}

/** Cuts a file, for good. */
export function cutSync(folder: RuntimeFolder, path: string, length: number): void {
  const place = { operation: "repair runtime store", path } as const;
  folder.use(place, (file) => {
    file.truncateSync(length);
    file.syncSync();
  }, { read: true, write: true });
}

function useLog<T>(folder: RuntimeFolder, path: string, body: (log: LogBytes) => T): T {
  const fileEnd = folder.fileSize(path, "repair runtime store") ?? 0;
  return LogBytes.open({ folder, path, fileEnd }).use(body);
}

/** What was done to a log, and where its former bytes are, if any were taken out. */
export interface MendedLog {
  did: "nothing" | "completed" | "cut" | "rewritten";
  evidence?: string;
}

/**
 * Brings a log into an order in which every line holds a record. A tail that lacks only its newline
 * gets it, any other one is moved to `<file>.torn-<n>`. If there are other lines without a record, the
 * file is kept as evidence, and one without them takes its place; a record behind NULs is kept.
 */
export function mendLogSync(
  folder: RuntimeFolder,
  path: string,
  { codec, quarantine }: { codec: LogCodec<unknown>; quarantine: Quarantine },
): MendedLog {
  const { port } = folder;
  return useLog(folder, path, (log) => {
    const { hasBad, tail } = survey(log, codec);
    if (hasBad) {
      const evidence = quarantine.copySync(path);
      replaceSync(port, path, goodLines(log, codec));
      return { did: "rewritten", evidence };
    }
    if (tail === undefined) return { did: "nothing" };
    const place = { operation: "repair runtime store", path } as const;
    return folder.use(place, (file): MendedLog => {
      if (recordBytes(tail, codec) === undefined) {
        const evidence = quarantineSync(port, {
          path,
          file,
          tailStart: tail.start,
          size: log.size,
        });
        file.truncateSync(tail.start);
        file.syncSync();
        return { did: "cut", evidence };
      }
      file.seekSync(0, Deno.SeekMode.End);
      writeWholeSync(file, NEWLINE_BYTES);
      file.syncSync();
      return { did: "completed" };
    }, { read: true, write: true });
  });
}

/** Whether a whole line holds no record, and the unterminated tail. */
function survey(
  log: LogBytes,
  codec: LogCodec<unknown>,
): { hasBad: boolean; tail: LogLine | undefined } {
  let hasBad = false;
  for (const line of logLines(log, codec)) {
    if (!line.isWhole) return { hasBad, tail: line };
    hasBad ||= !("record" in parseLine(line, codec));
  }
  return { hasBad, tail: undefined };
}

/** The lines that hold records, many at once. */
function* goodLines(log: LogBytes, codec: LogCodec<unknown>): Generator<Uint8Array> {
  let chunks: Uint8Array[] = [];
  let size = 0;
  for (const line of logLines(log, codec)) {
    const record = recordBytes(line, codec);
    if (record === undefined) continue;
    // A copy: the bytes of a line are good until the next one is asked for.
    chunks.push(record.slice(), NEWLINE_BYTES);
    size += record.length + 1;
    if (size < BLOCK_BYTES) continue;
    yield joinBytes(chunks);
    chunks = [];
    size = 0;
  }
  yield joinBytes(chunks);
}
