import type { FileHandle } from "../../_internal/file_port.ts";
import {
  cutFileSync,
  lastLineEndSync,
  quarantineSync,
  recoverTailSync,
  type Recovery,
} from "../../_internal/line_file.ts";
import { NEWLINE } from "../../_internal/text.ts";
import { LogBytes, type LogEnd } from "../files/log_lines.ts";
import type { LogWriter } from "../files/log_writer.ts";
import { type RuntimeFolder, sizeOf } from "../files/runtime_folder.ts";
import type { UnappliedLog, UnappliedMutations } from "../journal/unapplied_mutations.ts";
import type { RuntimeStoreError } from "../runtime_store_error.ts";
import { storeCorruptError } from "../store_errors.ts";

/**
 * The logs of a runtime that is being opened: what the journal holds for a log goes where the journal
 * says, and a last line that is torn goes aside. An owner does that to the files ({@linkcode
 * RedoneLogs}), a reader only sees it so ({@linkcode ViewedLogs}).
 */

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
  folder: RuntimeFolder;
  unapplied: UnappliedMutations;
  /** Gets what is found to be wrong. */
  problems: RuntimeStoreError[];
}

/** A log as opening its runtime would leave it: bytes of its file, and lines that follow them. */
export interface LogView {
  /** How many bytes come from the file; a line begins behind them if others follow. */
  fileEnd: number;
  tail: Uint8Array;
  /** How many bytes the file lacks before the lines of the journal. */
  missing: number;
}

/** A log whose file is `size` bytes long, with what the journal holds for it. */
export function viewLog(
  folder: RuntimeFolder,
  path: string,
  { size, unapplied }: { size: number; unapplied: UnappliedLog | undefined },
): LogView {
  const { start = size, bytes: tail = new Uint8Array() } = unapplied ?? {};
  const fileEnd = size >= start
    ? start
    : size === 0
    ? 0
    : folder.use(path, (file) => lastLineEndSync(file, size));
  return { fileEnd, tail, missing: start - fileEnd };
}

/** The logs as a reader sees them, which changes nothing. */
export class ViewedLogs implements LogSource {
  readonly #options: LogSourceOptions;
  /** Those of which not all bytes come from the file. */
  readonly #views = new Map<string, Pick<LogView, "fileEnd" | "tail">>();

  constructor(options: LogSourceOptions) {
    this.#options = options;
  }

  sizeOf(name: string, fileSize: number): number {
    const { folder, unapplied: { logs } } = this.#options;
    const unapplied = logs.get(name);
    if (unapplied === undefined) return fileSize;
    checkStart(name, { unapplied, fileSize, options: this.#options });
    const view = viewLog(folder, folder.log(name), { size: fileSize, unapplied });
    this.#views.set(name, view);
    return view.fileEnd + view.tail.length;
  }

  mendTail(name: string, size: number, { tail, end }: LogEnd): number {
    if (tail === "whole") {
      this.#views.set(name, { fileEnd: size, tail: new Uint8Array([NEWLINE]) });
      return size + 1;
    }
    this.#options.problems.push(tornError(this.#options.folder.log(name), end, undefined));
    return end;
  }

  read(name: string, end: number): LogBytes {
    const { folder } = this.#options;
    const view = this.#views.get(name) ?? { fileEnd: end };
    return LogBytes.open({ port: folder.port, path: folder.log(name), ...view });
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
    const { folder, unapplied: { logs } } = this.#options;
    const unapplied = logs.get(name);
    if (unapplied === undefined) return fileSize;
    const path = folder.log(name);
    let start = checkStart(name, { unapplied, fileSize, options: this.#options });
    if (start < unapplied.start && fileSize > 0) {
      start = this.#mendShortened(path, fileSize);
    } else {
      const end = start + unapplied.bytes.length;
      if (fileSize > end) this.#keepSurplus(path, { tailStart: end, size: fileSize });
      if (fileSize > start) cutFileSync(folder.port, path, start);
    }
    this.#writer.add(name, start, [unapplied.bytes]);
    return start + unapplied.bytes.length;
  }

  mendTail(name: string, size: number, { end }: LogEnd): number {
    const path = this.#options.folder.log(name);
    const { completed, tornFile } = this.#mend(path, size);
    if (completed) return size + 1;
    this.#options.problems.push(tornError(path, end, tornFile));
    return end;
  }

  read(name: string, end: number): LogBytes {
    return this.#writer.read(name, end);
  }

  /** A log that was cut behind our back may end anywhere; the journal's lines go behind its end. */
  #mendShortened(path: string, size: number): number {
    const { tornFile } = this.#mend(path, size);
    const end = this.#withLog(path, sizeOf);
    if (tornFile !== undefined) this.#options.problems.push(tornError(path, end, tornFile));
    return end;
  }

  /** Nobody of us writes to a log before the journal holds it. */
  #keepSurplus(path: string, { tailStart, size }: { tailStart: number; size: number }): void {
    const { folder: { port }, problems, unapplied } = this.#options;
    const source = { path, tailStart, size };
    const tornFile = this.#withLog(path, (file) => quarantineSync(port, { ...source, file }));
    const isClean = unapplied.torn === undefined;
    problems.push(storeCorruptError({ operation: "open runtime store", path }, {
      problem: `${size - tailStart} bytes behind what the journal holds` +
        `${isClean ? " were written by another program" : ""}; they are kept in ${tornFile}`,
      byteOffset: tailStart,
      ...(isClean && { remedy: "open a runtime with one program at a time" }),
    }));
  }

  #mend(path: string, size: number): Recovery {
    return this.#withLog(path, (file) => {
      const tailStart = lastLineEndSync(file, size);
      return recoverTailSync(this.#options.folder.port, { path, file, tailStart, size });
    });
  }

  #withLog<T>(path: string, body: (file: FileHandle) => T): T {
    return this.#options.folder.use(path, body, { read: true, append: true });
  }
}

/** Where the journal's lines begin in a log; earlier than they should when the file was cut. */
function checkStart(
  name: string,
  { unapplied, fileSize, options }: {
    unapplied: UnappliedLog;
    fileSize: number;
    options: LogSourceOptions;
  },
): number {
  if (fileSize >= unapplied.start) return unapplied.start;
  const path = options.folder.log(name);
  options.problems.push(storeCorruptError({ operation: "open runtime store", path }, {
    problem: `it has ${fileSize} bytes, and had ${unapplied.start} when the journal was begun`,
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
