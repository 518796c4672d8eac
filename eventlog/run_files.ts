import { atomicReplaceSync } from "../_internal/atomic_replace.ts";
import { lookAtSync } from "../_internal/directories.ts";
import { type FilePort, readRangeSync } from "../_internal/file_port.ts";
import type { RunPaths } from "../_internal/root_layout.ts";
import { encodeUtf8, reasonOf } from "../_internal/text.ts";
import { VERSION } from "../_internal/version.ts";
import { EventLogError, ioError, wrapIo } from "./event_log_error.ts";

/** The format of a run's folder that this version reads and writes. */
export const RUN_FORMAT = 1;

/** `run.json`, written once when a run's folder is made. */
interface RunFile {
  format: number;
  /** The run id without its ULID. */
  name: string;
  /** RFC 3339, UTC. */
  created_at: string;
  taffrail_version: string;
  cwd: string;
}

/** Writes `run.json`, so that a later version knows what it has before it. */
export function writeRunFileSync(port: FilePort, paths: RunPaths, runId: string): void {
  const file: RunFile = {
    format: RUN_FORMAT,
    name: runNameOf(runId),
    created_at: new Date().toISOString(),
    taffrail_version: VERSION,
    cwd: Deno.cwd(),
  };
  atomicReplaceSync(port, {
    path: paths.run,
    bytes: encodeUtf8(JSON.stringify(file, null, 2) + "\n"),
    toError: ({ path, cause }) => ioError(path, cause),
  });
}

/** The name that a run id was made from. */
export function runNameOf(runId: string): string {
  return runId.replace(/-[0-7][0-9a-hjkmnp-tv-z]{25}$/, "");
}

/** Refuses a run of a later format. A run without `run.json` is another program's, of format 1. */
export function checkRunFormatSync(port: FilePort, paths: RunPaths): void {
  const path = paths.run;
  const info = lookAtSync(port, path);
  if (info === undefined) return;
  const format = readFormat(port, path, info.size);
  if (format > RUN_FORMAT) {
    const message = `Cannot use ${paths.directory}: it has format ${format}, and this version ` +
      `knows formats up to ${RUN_FORMAT}; use a newer version of taffrail`;
    throw new EventLogError("format", message, { path, expected: RUN_FORMAT, actual: format });
  }
}

function readFormat(port: FilePort, path: string, size: number): number {
  const bytes = wrapIo(path, () => readFile(port, path, size));
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    const { format } = JSON.parse(text) as Partial<RunFile>;
    if (!Number.isSafeInteger(format) || format! < 1) throw new TypeError("it names no format");
    return format!;
  } catch (cause) {
    const message = `Cannot read ${path}: ${reasonOf(cause)}; if it is damaged, move it away: ` +
      "the run is then opened as format 1";
    throw new EventLogError("format", message, { path, cause });
  }
}

function readFile(port: FilePort, path: string, size: number): Uint8Array {
  const file = port.openSync(path, { read: true });
  try {
    return readRangeSync(file, 0, size);
  } finally {
    file.close();
  }
}

/** Throws a `TypeError` for a link: it could lead out of the root. */
export function refuseLinksSync(port: FilePort, paths: readonly string[]): void {
  for (const path of paths) {
    if (lookAtSync(port, path)?.isSymlink) {
      throw new TypeError(`Cannot use ${path}: it is a symbolic link`);
    }
  }
}
