/**
 * Writes a run into an archive. What is always true:
 *
 * - **The same run gives the same bytes**, wherever it is kept: files are in the order of its parts, with one time and
 *   one owner, and nothing says when it was exported.
 * - The run is read twice, since the head of each file says how long it is, and the manifest, in front of all, what it
 *   is: what is not the same the second time is an error, and never an archive.
 * - Memory holds a block of the run, and of its manifest an entry for each file.
 */
import { NEWLINE, reasonOf, Sha256, toHex } from "../../_internal/text.ts";
import { noParts, type TakenParts } from "../engine/receive_parts.ts";
import type { RunPart } from "../engine/run_parts.ts";
import {
  encodeManifest,
  entryOf,
  MANIFEST,
  type Manifest,
  type ManifestEntry,
  manifestOf,
  pathOfPart,
} from "./archive_format.ts";

/** The parts of a run that is to be exported, each time anew. */
export type PartsReader = () => AsyncIterable<RunPart>;

/** What of a run goes into an archive. */
export interface MeasuredRun {
  manifest: Manifest;
  /** The bytes of the manifest. */
  head: Uint8Array;
  amounts: TakenParts;
}

/** How to write. */
interface WritingOptions {
  /** Ends it. */
  signal: AbortSignal;
  /** Told how many bytes were read. */
  onProgress: (bytes: number) => void;
}

/** Reads a run for its manifest. */
export async function measureRun(
  runId: string,
  read: PartsReader,
  { redacted, signal, onProgress }: WritingOptions & { redacted: boolean },
): Promise<MeasuredRun> {
  const amounts = noParts();
  const entries: ManifestEntry[] = [];
  for await (const { place, bytes } of read()) {
    const hash = new Sha256();
    let [size, lines] = [0, 0];
    for await (const block of bytes) {
      signal.throwIfAborted();
      hash.update(block);
      size += block.length;
      if (place.kind === "stream") lines += newlinesIn(block);
      onProgress(amounts.bytes + size);
    }
    // A stream without a line is there on every root.
    if (place.kind === "stream" && size === 0) continue;
    amounts.bytes += size;
    if (place.kind === "stream") amounts.lines[place.stream] = lines;
    else if (place.kind === "document") amounts.documents.push(place.name);
    else if (place.of.stream !== "times") amounts.outputs++;
    entries.push(entryOf(place, { bytes: size, sha256: toHex(hash.digest()) }));
  }
  const manifest = manifestOf(runId, { redacted, entries });
  try {
    return { manifest, head: encodeManifest(manifest), amounts };
  } catch (cause) {
    throw new Error(`Cannot export ${runId}: ${reasonOf(cause)}`, { cause });
  }
}

function newlinesIn(block: Uint8Array): number {
  let count = 0;
  for (let at = block.indexOf(NEWLINE); at !== -1; at = block.indexOf(NEWLINE, at + 1)) count++;
  return count;
}

/** The bytes of an archive. */
export async function* archiveBytes(
  measured: MeasuredRun,
  read: PartsReader,
  options: WritingOptions,
): AsyncGenerator<Uint8Array, void> {
  const { createTarPacker } = await import("./tar_streams.ts");
  const { readable, controller } = createTarPacker();
  const archive = new ArchiveWriter(controller, measured, options);
  const writing = archive.write(read).catch((error) => controller.error(error));
  try {
    yield* readable.pipeThrough(new CompressionStream("gzip"));
  } finally {
    // Who has enough of it ends the writer by that.
    await writing;
  }
}

/** What takes the files of a tar. */
interface TarFiles {
  add(header: {
    name: string;
    size: number;
    mode: number;
    mtime: Date;
    uid: number;
    gid: number;
    type: "file";
  }): WritableStream<Uint8Array>;
  finalize(): void;
}

class ArchiveWriter {
  readonly #files: TarFiles;
  readonly #measured: MeasuredRun;
  readonly #options: WritingOptions;
  #bytes = 0;

  constructor(files: TarFiles, measured: MeasuredRun, options: WritingOptions) {
    this.#files = files;
    this.#measured = measured;
    this.#options = options;
  }

  /** Writes all files. */
  async write(read: PartsReader): Promise<void> {
    const { head, manifest: { entries } } = this.#measured;
    const first = this.#begin(MANIFEST, head.length);
    await first.write(head);
    await first.close();
    let next = 0;
    for await (const { place, bytes } of read()) {
      const path = pathOfPart(place);
      const entry = entries[next];
      if (entry?.path === path) {
        await this.#part(entry, bytes);
        next++;
      } else if (place.kind !== "stream" || await hasBytes(bytes)) throw this.#changed(path);
    }
    if (next < entries.length) throw this.#changed(entries[next]!.path);
    this.#files.finalize();
  }

  async #part(entry: ManifestEntry, bytes: AsyncIterable<Uint8Array>): Promise<void> {
    const file = this.#begin(entry.path, entry.bytes);
    const hash = new Sha256();
    let size = 0;
    for await (const block of bytes) {
      this.#options.signal.throwIfAborted();
      size += block.length;
      if (size > entry.bytes) break;
      hash.update(block);
      // It is read later, and the block is another one then.
      await file.write(block.slice());
      this.#options.onProgress(this.#bytes += block.length);
    }
    const isSame = size === entry.bytes && toHex(hash.digest()) === entry.sha256;
    if (!isSame) throw this.#changed(entry.path);
    await file.close();
  }

  #begin(path: string, size: number): WritableStreamDefaultWriter<Uint8Array> {
    const name = `${this.#measured.manifest.run_id}/${path}`;
    const always = { mode: 0o600, mtime: new Date(0), uid: 0, gid: 0, type: "file" } as const;
    return this.#files.add({ name, size, ...always }).getWriter();
  }

  #changed(path: string): Error {
    const { run_id: runId } = this.#measured.manifest;
    return new Error(
      `Cannot export ${runId}: its ${path} has changed meanwhile; export it again`,
    );
  }
}

async function hasBytes(bytes: AsyncIterable<Uint8Array>): Promise<boolean> {
  for await (const block of bytes) if (block.length > 0) return true;
  return false;
}
