import { type FileHandle, sizeOf } from "../../_internal/file_port.ts";
import {
  isWholeTailSync,
  lastLineEndSync,
  quarantineSync,
  recoverTailSync,
  type Recovery,
} from "../../_internal/line_file.ts";
import { joinBytes, NEWLINE } from "../../_internal/text.ts";
import { LogBytes, type LogEnd } from "../files/log_lines.ts";
import type { LogWriter } from "../files/log_writer.ts";
import type { RuntimeFolder } from "../files/runtime_folder.ts";
import type { UnappliedLog, UnappliedMutations } from "../journal/unapplied_mutations.ts";
import type { RuntimeStoreError } from "../runtime_store_error.ts";
import { changedFileError, storeCorruptError } from "../store_errors.ts";

/** A log as opening its runtime would leave it: bytes of its file, and lines that follow them. */
interface LogView {
  /** How many bytes come from the file. */
  fileEnd: number;
  /** The lines of the journal, and before them the newline that the file may lack. */
  tail: Uint8Array;
  /** How many bytes the file lacks before the lines of the journal. */
  missing: number;
}

const NEWLINE_BYTES = new Uint8Array([NEWLINE]);

/** A log whose file is `size` bytes long, with what the journal holds for it. */
export function viewLog(
  folder: RuntimeFolder,
  path: string,
  { size, unapplied }: { size: number; unapplied: UnappliedLog | undefined },
): LogView {
  if (unapplied === undefined) return { fileEnd: size, tail: new Uint8Array(), missing: 0 };
  const { start, bytes: tail } = unapplied;
  const end = Math.min(size, start);
  if (end === 0) return { fileEnd: 0, tail, missing: start };
  return folder.use({ operation: "open runtime store", path }, (file) => {
    const lineEnd = lastLineEndSync(file, end);
    const missing = start - end;
    if (lineEnd === end) return { fileEnd: end, tail, missing };
    if (size <= start && isWholeTailSync(file, { tailStart: lineEnd, size })) {
      return { fileEnd: size, tail: joinBytes([NEWLINE_BYTES, tail]), missing };
    }
    return { fileEnd: lineEnd, tail, missing: start - lineEnd };
  });
}

/** What logs are recovered with. */
interface RecoveredLogsParts {
  folder: RuntimeFolder;
  unapplied: UnappliedMutations;
  /** Gets what is found to be wrong. */
  problems: RuntimeStoreError[];
  /** Writes to the files; a reader, who changes nothing, has none. */
  writer?: LogWriter;
}

/**
 * The logs of a runtime that is being opened: what the journal holds for a log goes where the journal
 * says, and a last line that is torn goes aside. An owner does that to the files, a reader only sees
 * it so.
 */
export class RecoveredLogs {
  readonly parts: RecoveredLogsParts;
  /** Those of a reader of which not all bytes come from the file. */
  readonly #views = new Map<string, Pick<LogView, "fileEnd" | "tail">>();

  constructor(parts: RecoveredLogsParts) {
    this.parts = parts;
  }

  /** How many bytes a log has, of which the file has, or had, `fileSize`. */
  sizeOf(name: string, fileSize: number): number {
    const { folder, unapplied: { logs }, problems, writer } = this.parts;
    const unapplied = logs.get(name);
    if (unapplied === undefined) return fileSize;
    const path = folder.log(name);
    if (fileSize < unapplied.start) {
      problems.push(storeCorruptError({ operation: "open runtime store", path }, {
        problem: `it has ${fileSize} bytes, and had ${unapplied.start} when the journal was begun`,
        byteOffset: fileSize,
        remedy: "restore what is missing from a backup",
      }));
    }
    if (writer === undefined) {
      const view = viewLog(folder, path, { size: fileSize, unapplied });
      if (fileSize >= unapplied.start && view.missing > 0) {
        problems.push(shiftedError(path, { ...unapplied, lineEnd: view.fileEnd }));
      }
      this.#views.set(name, view);
      return view.fileEnd + view.tail.length;
    }
    const { start, bytes } = unapplied;
    const fileEnd = fileSize > start
      ? this.#makeRoom(path, { fileSize, start, end: start + bytes.length })
      : fileSize === 0
      ? 0
      : this.#mendShortened(path, fileSize);
    writer.addAll([{ file: name, offset: fileEnd, bytes: [bytes] }]);
    return fileEnd + bytes.length;
  }

  /** Where the next line begins in a log whose last line lacks its newline. */
  mendTail(name: string, size: number, { tail, end }: LogEnd): number {
    const { folder, problems, writer } = this.parts;
    const path = folder.log(name);
    const { completed, tornFile } = writer === undefined
      ? { completed: tail === "whole", tornFile: undefined }
      : this.#mend(path, size);
    if (!completed) {
      problems.push(tornError(path, end, tornFile));
      return end;
    }
    if (writer === undefined) {
      this.#views.set(name, { fileEnd: size, tail: NEWLINE_BYTES });
    }
    return size + 1;
  }

  /** Opens the log of a name, `end` bytes long. */
  read(name: string, end: number): LogBytes {
    const { folder, writer } = this.parts;
    if (writer !== undefined) return writer.read(name, end);
    const view = this.#views.get(name) ?? { fileEnd: end };
    return LogBytes.open({ folder, path: folder.log(name), ...view });
  }

  /** A log that was cut behind our back may end anywhere; the journal's lines go behind its end. */
  #mendShortened(path: string, size: number): number {
    const { tornFile } = this.#mend(path, size);
    const end = this.#withLog(path, sizeOf);
    if (tornFile !== undefined) this.parts.problems.push(tornError(path, end, tornFile));
    return end;
  }

  /**
   * Makes room for the lines of the journal, which begin at `start`; returns where they go. Nobody of us
   * writes to a log before the journal holds it: what stands behind them is another program's, and is
   * kept. Where no line ends at `start`, a line before it was changed by hand: what begins on one side
   * and ends on the other is kept too, as the first line of the journal must not be joined to it.
   */
  #makeRoom(
    path: string,
    { fileSize, start, end }: { fileSize: number; start: number; end: number },
  ): number {
    const { folder, problems, unapplied: { torn } } = this.parts;
    const place = { operation: "open runtime store", path } as const;
    return folder.use(place, (file) => {
      const size = sizeOf(file);
      if (size !== fileSize) throw changedFileError(place, { actual: size, expected: fileSize });
      const lineEnd = lastLineEndSync(file, start);
      const isShifted = lineEnd < start;
      const tailStart = isShifted ? lineEnd : end;
      if (tailStart < size) {
        const tornFile = quarantineSync(folder.port, { path, file, tailStart, size });
        const error = isShifted
          ? shiftedError(path, { start, lineEnd, tornFile })
          : storeCorruptError(place, {
            problem: `${size - end} bytes behind what the journal holds` +
              `${torn === undefined ? " were written by another program" : ""}; ` +
              `they are kept in ${tornFile}`,
            byteOffset: end,
            ...(torn === undefined && { remedy: "open a runtime with one program at a time" }),
          });
        problems.push(error);
      }
      file.truncateSync(lineEnd);
      return lineEnd;
    }, { read: true, write: true });
  }

  #mend(path: string, size: number): Recovery {
    return this.#withLog(path, (file) => {
      const place = { operation: "open runtime store", path } as const;
      const actual = sizeOf(file);
      if (actual !== size) throw changedFileError(place, { actual, expected: size });
      const tailStart = lastLineEndSync(file, size);
      return recoverTailSync(this.parts.folder.port, { path, file, tailStart, size });
    });
  }

  #withLog<T>(path: string, body: (file: FileHandle) => T): T {
    const place = { operation: "open runtime store", path } as const;
    return this.parts.folder.use(place, body, { read: true, append: true });
  }
}

/** A log of which a line before those of the journal has another length than it had. */
function shiftedError(
  path: string,
  { start, lineEnd, tornFile }: { start: number; lineEnd: number; tornFile?: string },
): RuntimeStoreError {
  const kept = tornFile === undefined
    ? ""
    : `; what stood from byte ${lineEnd} on is in ${tornFile}`;
  return storeCorruptError({ operation: "open runtime store", path }, {
    problem:
      `no line ends at byte ${start}, where the lines of the journal go, so that what stands ` +
      `before it was changed${kept}`,
    byteOffset: lineEnd,
    remedy: "restore what was changed from a backup",
  });
}

function tornError(path: string, byteOffset: number, tornFile: string | undefined) {
  return storeCorruptError({ operation: "open runtime store", path }, {
    problem: "the last line is torn" +
      (tornFile === undefined ? "" : `; it is kept in ${tornFile}`),
    byteOffset,
    ...(tornFile !== undefined && { remedy: "nothing needs to be done" }),
  });
}
