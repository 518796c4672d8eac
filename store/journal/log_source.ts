import type { FilePort } from "../../_internal/file_port.ts";
import {
  cutFileSync,
  lastLineEndSync,
  quarantineSync,
  recoverTailSync,
  type Recovery,
  type TailSource,
} from "../../_internal/line_file.ts";
import { type LogBytes, openLogBytes } from "../files/log_bytes.ts";
import type { LogEnd } from "../files/log_lines.ts";
import type { LogWriter } from "../files/log_writer.ts";
import type { StorePaths } from "../layout.ts";
import type { RuntimeStoreError } from "../runtime_store_error.ts";
import { storeCorruptError } from "../store_errors.ts";
import type { JournaledLog, JournalOverlay } from "./unapplied_mutations.ts";

/** The logs of a runtime that is being opened, with what its journal holds for them. */

/** Where logs can be read. */
export interface LogReader {
  /** Opens the log of a name, `end` bytes long. */
  read(name: string, end: number): LogBytes;
}

/** Where the logs of a runtime that is being opened can be read. */
export interface LogSource extends LogReader {
  /** How many bytes a log has, of which the file has, or had, `fileSize`. */
  sizeOf(name: string, fileSize: number): number;
  /** Where the next line begins in a log whose last line lacks its newline. */
  mendTail(name: string, size: number, end: LogEnd): number;
}

/** What both forms of opening need. */
export interface LogSourceOptions {
  port: FilePort;
  paths: StorePaths;
  overlay: JournalOverlay;
  /** Gets what is found to be wrong. */
  problems: RuntimeStoreError[];
}

/** The logs as a reader sees them, which changes nothing. */
export class JournaledLogs implements LogSource {
  readonly #options: LogSourceOptions;
  /** What follows on a log's file. */
  readonly #tails = new Map<string, { fileEnd: number; tail: Uint8Array }>();

  constructor(options: LogSourceOptions) {
    this.#options = options;
  }

  sizeOf(name: string, fileSize: number): number {
    const journaled = this.#options.overlay.logs.get(name);
    if (journaled === undefined) return fileSize;
    const fileEnd = startIn(name, { journaled, fileSize, options: this.#options });
    this.#tails.set(name, { fileEnd, tail: journaled.bytes });
    return fileEnd + journaled.bytes.length;
  }

  mendTail(name: string, size: number, end: LogEnd): number {
    if (end.tail === "whole") {
      this.#tails.set(name, { fileEnd: size, tail: new Uint8Array([10]) });
      return size + 1;
    }
    this.#options.problems.push(tornError(this.#options.paths.log(name), end.end, undefined));
    return end.end;
  }

  read(name: string, end: number): LogBytes {
    const { port, paths } = this.#options;
    const path = paths.log(name);
    const journaled = this.#tails.get(name);
    if (journaled === undefined) return openLogBytes({ port, path, fileEnd: end });
    return openLogBytes({ port, path, ...journaled });
  }
}

/** The logs of an owner, who writes what the journal holds once more and mends torn ends. */
export class RedoneLogs implements LogSource {
  readonly #options: LogSourceOptions;
  readonly #writer: LogWriter;

  constructor(options: LogSourceOptions, writer: LogWriter) {
    this.#options = options;
    this.#writer = writer;
  }

  sizeOf(name: string, fileSize: number): number {
    const journaled = this.#options.overlay.logs.get(name);
    if (journaled === undefined) return fileSize;
    const { port, paths } = this.#options;
    const path = paths.log(name);
    const start = startIn(name, { journaled, fileSize, options: this.#options });
    const end = start + journaled.bytes.length;
    if (start < journaled.start && fileSize > 0) return this.#appendTo(name, fileSize, journaled);
    if (fileSize > end) this.#keepSurplus(path, { tailStart: end, size: fileSize });
    if (fileSize > start) cutFileSync(port, path, start);
    this.#writer.add(name, start, [journaled.bytes]);
    return end;
  }

  /** A log that was cut behind our back may end anywhere; the journal's lines go behind its end. */
  #appendTo(name: string, fileSize: number, journaled: JournaledLog): number {
    const path = this.#options.paths.log(name);
    const { tornFile } = this.#mend(path, fileSize);
    const kept = this.#withTail(path, (file) => file.seekSync(0, Deno.SeekMode.End));
    if (tornFile !== undefined) this.#options.problems.push(tornError(path, kept, tornFile));
    this.#writer.add(name, kept, [journaled.bytes]);
    return kept + journaled.bytes.length;
  }

  mendTail(name: string, size: number, { end }: LogEnd): number {
    const path = this.#options.paths.log(name);
    const recovery = this.#mend(path, size);
    if (recovery.completed) return size + 1;
    this.#options.problems.push(tornError(path, end, recovery.tornFile));
    return end;
  }

  read(name: string, end: number): LogBytes {
    return this.#writer.read(name, end);
  }

  /** Nobody of us writes to a log before the journal holds it. */
  #keepSurplus(path: string, { tailStart, size }: { tailStart: number; size: number }): void {
    const { port, problems } = this.#options;
    const source = { path, tailStart, size };
    const tornFile = this.#withTail(path, (file) => quarantineSync(port, { ...source, file }));
    const isClean = this.#options.overlay.torn === undefined;
    problems.push(storeCorruptError({ operation: "open runtime store", path }, {
      problem: `${size - tailStart} bytes behind what the journal holds` +
        `${isClean ? " were written by another program" : ""}; they are kept in ${tornFile}`,
      byteOffset: tailStart,
      ...(isClean && { remedy: "open a runtime with one program at a time" }),
    }));
  }

  #mend(path: string, size: number): Recovery {
    return this.#withTail(path, (file) => {
      const tailStart = lastLineEndSync(file, size);
      return recoverTailSync(this.#options.port, { path, file, tailStart, size });
    });
  }

  #withTail<T>(path: string, use: (file: TailSource["file"]) => T): T {
    const file = this.#options.port.openSync(path, { read: true, append: true });
    try {
      return use(file);
    } finally {
      file.close();
    }
  }
}

/** Where the journal's lines begin in a log; earlier than they should when the file was cut. */
function startIn(
  name: string,
  { journaled, fileSize, options }: {
    journaled: JournaledLog;
    fileSize: number;
    options: LogSourceOptions;
  },
): number {
  if (fileSize >= journaled.start) return journaled.start;
  const path = options.paths.log(name);
  options.problems.push(storeCorruptError({ operation: "open runtime store", path }, {
    problem: `it has ${fileSize} bytes, and had ${journaled.start} when the journal was begun`,
    byteOffset: fileSize,
    remedy: "restore what is missing from a backup",
  }));
  return fileSize;
}

function tornError(path: string, byteOffset: number, tornFile: string | undefined) {
  return storeCorruptError({ operation: "open runtime store", path }, {
    problem: "the last line is torn" +
      (tornFile === undefined ? "" : `; it is kept in ${tornFile}`),
    byteOffset,
    ...(tornFile !== undefined && { remedy: "nothing needs to be done" }),
  });
}
