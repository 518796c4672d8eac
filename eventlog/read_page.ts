import type { FilePort } from "../_internal/file_port.ts";
import { linePiecesSync } from "../_internal/json_lines.ts";
import { wrapIo } from "./event_log_error.ts";
import { firstLines, openForReading, RunReader } from "./run_reader.ts";
import type { EventPage, ReadOptions, StandardSchema } from "./types.ts";

const PAGE_BLOCK_BYTES = 32 * 1024;
const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 10_000;

/** Reads one page of a run, at the cost of the page. */
export function readPageSync<E>(
  port: FilePort,
  run: { root: string; runId: string; schema?: StandardSchema<E> | undefined },
  options: ReadOptions,
): EventPage<E> {
  const limit = options.limit ?? DEFAULT_LIMIT;
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > MAX_LIMIT) {
    throw new RangeError(`Cannot read ${limit} lines: limit must be from 1 to ${MAX_LIMIT}`);
  }
  const opened = openForReading(port, run.root, run.runId);
  try {
    return wrapIo(opened.paths.events, () => {
      const reader = new RunReader<E>(opened, { after: options.after, schema: run.schema });
      const start = reader.position.byteOffset;
      const page: EventPage<E> = { events: [], gaps: [], next: "", hasMore: false };
      let left = limit;
      for (const piece of linePiecesSync(opened.file, { start, blockBytes: PAGE_BLOCK_BYTES })) {
        const wanted = piece.kind === "lines" ? firstLines(piece, left) : piece;
        const { events, gaps, lines } = reader.lines(wanted);
        page.events.push(...events);
        page.gaps.push(...gaps);
        left -= lines;
        if (left === 0 || piece.kind === "end") break;
      }
      page.next = reader.cursor();
      page.hasMore = left === 0 && reader.hasMore();
      if (left === 0 && !page.hasMore) page.gaps.push(...reader.tail());
      return page;
    });
  } finally {
    opened.file.close();
  }
}
