/**
 * Imports a run: a copy of which the source is an archive. What is always true:
 *
 * - **There is a run when all of its archive was read, and is right, and else none.**
 * - Nothing is made, not even the root, before the manifest was read.
 */
import { openNamedFile } from "../../_internal/file_port.ts";
import { parseRunFile, RUN_FORMAT } from "../../_internal/run_folder.ts";
import { joinBytes, reasonOf } from "../../_internal/text.ts";
import { RunError } from "../../run/run_error.ts";
import type { ReceivedRun, RunsRoot } from "../../run/types.ts";
import { LineTooLongError, PartsReceiver, type TakenParts } from "../engine/receive_parts.ts";
import { once, type RunPart } from "../engine/run_parts.ts";
import { UsageError } from "../exit_codes.ts";
import { prepareRootDirectory } from "../reading/find_root.ts";
import { openRoot } from "../reading/open_root.ts";
import { pathOfPart } from "./archive_format.ts";
import { ArchiveError, RunArchive } from "./read_archive.ts";

/** For standard input. */
export const STDIN = "-";

/** What is imported, and where to. */
interface ImportOptions {
  /** The path of the archive, or {@linkcode STDIN}. */
  source: string;
  /** What the root was named. */
  root: string;
  /** The id that the run gets; its own where that is undefined. */
  newId: string | undefined;
  /** How much the archive may unpack to. */
  maxBytes: number;
  /** Ends it. */
  signal: AbortSignal;
  /** Told what has been taken so far. */
  onProgress: (taken: TakenParts) => void;
}

/** What was imported. */
export interface ImportedRun extends TakenParts {
  /** The id that the run has in the archive. */
  runId: string;
  /** The id that it has got. */
  newId: string;
  redacted: boolean;
}

/** Imports a run. */
export async function importRun(options: ImportOptions): Promise<ImportedRun> {
  const { source, root, maxBytes, signal, onProgress } = options;
  const name = source === STDIN ? "what comes by standard input" : source;
  const bytes = await open(source);
  await using archive = await RunArchive.open({ name, bytes, maxBytes, signal });
  const { run_id: runId, redacted } = archive.manifest;
  const { newId = runId } = options;
  prepareRootDirectory(root);
  await using runs = await openRoot(root);
  await using received = await receive(runs, { name, newId, root });
  const receiver = new PartsReceiver(received, { runId, newId, onProgress });
  for await (const part of archive.parts()) {
    await receiver.take(await checked(name, part)).catch((cause) => {
      if (!(cause instanceof LineTooLongError)) throw cause;
      throw refusal(name, `${pathOfPart(part.place)}: ${reasonOf(cause)}`);
    });
  }
  await commit(received, { name, newId, root });
  return { ...receiver.taken, runId, newId, redacted };
}

const BLOCK_BYTES = 16 * 1024;

async function open(source: string): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  if (source !== STDIN) return ReadableStream.from(blocksOf(await openNamedFile(source)));
  if (!Deno.stdin.isTerminal()) return ReadableStream.from(blocksOf(Deno.stdin));
  throw new UsageError("Cannot read an archive from a terminal: name a file, or pass it in by <");
}

/** Small blocks, since each may unpack to a thousand times as much at once. */
async function* blocksOf(
  file: Pick<Deno.FsFile, "read" | "close">,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
  try {
    for (;;) {
      const block = new Uint8Array(BLOCK_BYTES);
      const count = await file.read(block);
      if (count === null) return;
      yield block.subarray(0, count);
    }
  } finally {
    file.close();
  }
}

/** Where a run is to go. */
interface Destination {
  name: string;
  newId: string;
  root: string;
}

async function receive(runs: RunsRoot, to: Destination): Promise<ReceivedRun> {
  return await runs.receive(to.newId).catch((error) => refuseExisting(to, error));
}

async function commit(received: ReceivedRun, to: Destination): Promise<void> {
  await received.commit().catch((error) => refuseExisting(to, error));
}

function refuseExisting({ name, newId, root }: Destination, error: unknown): never {
  if (!(error instanceof RunError) || error.kind !== "exists") throw error;
  const remedy = "--as ID gives it another id";
  throw refusal(name, `there is a run ${newId} in ${root} already; ${remedy}`);
}

/** A part, after a look at whether this version can read its run. */
async function checked(name: string, part: RunPart): Promise<RunPart> {
  const { place } = part;
  if (place.kind !== "document" || place.name !== "run.json") return part;
  const bytes = joinBytes(await Array.fromAsync(part.bytes, (block) => block.slice()));
  const format = formatIn(bytes);
  if (format > RUN_FORMAT) {
    const remedy = "use a newer version of taffrail";
    throw refusal(name, `its run has format ${format}, and ${RUN_FORMAT} is known; ${remedy}`);
  }
  return { place, bytes: once(bytes) };
}

/** One that is damaged is damaged in the run, too, and told by who reads that. */
function formatIn(bytes: Uint8Array): number {
  try {
    return parseRunFile(bytes).format;
  } catch {
    return RUN_FORMAT;
  }
}

function refusal(name: string, problem: string): ArchiveError {
  return new ArchiveError(`Cannot import ${name}: ${problem}`);
}
