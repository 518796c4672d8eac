/**
 * Reads the archive of a run, which may come from anywhere. What is always true:
 *
 * - **Nothing is given of it that its manifest does not name**, in that order, by that name, as a file of that size;
 *   and who has gone through the bytes of a part to their end knows that they have their digest.
 * - **What it unpacks to is bounded before it is unpacked**: by what the manifest says, which is bounded by what the
 *   caller takes, and until that is read by what a manifest may have. A block of it is in memory.
 * - It is read to its end: what stands behind the last file is an error, and so is a sum of gzip that is not right.
 */
import { reasonOf, Sha256, toHex } from "../../_internal/text.ts";
import type { RunPart } from "../engine/run_parts.ts";
import { formatSize } from "../text/units.ts";
import {
  MANIFEST,
  type Manifest,
  type ManifestEntry,
  MOST_MANIFEST_BYTES,
  parseManifest,
  placeOf,
} from "./archive_format.ts";

/** An archive cannot be read, or is not what its manifest says. */
export class ArchiveError extends Error {
  /** The name of the class. */
  override readonly name = "ArchiveError";
}

/** Where an archive comes from, and how much of it is taken. */
interface ArchiveSource {
  /** Its name, for messages. */
  name: string;
  /** Its bytes, in small blocks, of which each may unpack to a thousand times as much. */
  bytes: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** How much it may unpack to. */
  maxBytes: number;
  /** Ends it, also while nothing comes. */
  signal: AbortSignal;
}

/** A file in a tar. */
interface TarFile {
  header: { name: string; size: number; type?: string };
  body: ReadableStream<Uint8Array>;
}

const BLOCK_BYTES = 512;
/** Heads with long names, and what tars are filled up with. */
const MOST_HEAD_BYTES = 8 * BLOCK_BYTES;
const MOST_BEHIND_BYTES = 1024 ** 2;
/** What unpacks at once is in memory before it is asked for. */
const MOST_AHEAD_BYTES = 64 * 1024 ** 2;

/** The archive of a run, of which the manifest was read. */
export class RunArchive implements AsyncDisposable {
  readonly manifest: Manifest;
  readonly #files: ArchiveFiles;

  private constructor(manifest: Manifest, files: ArchiveFiles) {
    this.manifest = manifest;
    this.#files = files;
  }

  /**
   * Reads the manifest of an archive.
   *
   * @throws {ArchiveError} If it is none, or unpacks to more than is taken.
   */
  static async open(source: ArchiveSource): Promise<RunArchive> {
    const files = await ArchiveFiles.of(source);
    try {
      const file = await files.next(MANIFEST);
      const manifest = await readManifest(files, file);
      const bytes = manifest.entries.reduce((sum, entry) => sum + entry.bytes, 0);
      const { maxBytes } = source;
      if (bytes > maxBytes) {
        const sizes = `it unpacks to ${formatSize(bytes)}, and ${formatSize(maxBytes)} is taken`;
        throw files.error(`${sizes}; --max-size takes more`);
      }
      files.mostBytes = file!.header.size + sizeInTar(manifest);
      return new RunArchive(manifest, files);
    } catch (error) {
      await files.close();
      throw error;
    }
  }

  /** Gives its parts, of which each has to be gone through to its end before the next. */
  async *parts(): AsyncGenerator<RunPart, void> {
    const files = this.#files;
    for (const entry of this.manifest.entries) {
      const file = await files.next(entry.path);
      if (file === undefined) {
        throw files.error(`it ends without ${entry.path}, which its manifest names`);
      }
      this.#check(file, entry);
      // The manifest was checked.
      yield { place: placeOf(entry)!, bytes: this.#bytesOf(file, entry) };
    }
    const more = await files.next("its end");
    if (more === undefined) return;
    throw files.error(`it has ${more.header.name}, which its manifest does not name`);
  }

  /** Gives up what was not read. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#files.close();
  }

  #check({ header: { name, size, type = "file" } }: TarFile, entry: ManifestEntry): void {
    const path = `${this.manifest.run_id}/${entry.path}`;
    if (name !== path) {
      throw this.#files.error(`it has ${name} where its manifest has ${entry.path}`);
    }
    if (type !== "file") {
      throw this.#files.error(`${entry.path} is no file in it, but a ${type}`);
    }
    if (size === entry.bytes) return;
    throw this.#files.error(
      `${entry.path} has ${size} bytes in it, and its manifest says ${entry.bytes}`,
    );
  }

  async *#bytesOf(file: TarFile, entry: ManifestEntry): AsyncGenerator<Uint8Array, void> {
    const hash = new Sha256();
    for await (const block of this.#files.bytesOf(file, entry.path)) {
      hash.update(block);
      yield block;
    }
    const sha256 = toHex(hash.digest());
    if (sha256 === entry.sha256) return;
    const digests = `its SHA-256 is ${sha256}, and the manifest has ${entry.sha256}`;
    throw this.#files.error(`${entry.path} was changed: ${digests}`);
  }
}

/** How many bytes a tar has at most in which these files are, but for the manifest. */
function sizeInTar({ entries }: Manifest): number {
  const blocks = (bytes: number) => Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
  const files = entries.reduce((sum, { bytes }) => sum + blocks(bytes) + MOST_HEAD_BYTES, 0);
  return files + MOST_HEAD_BYTES + MOST_BEHIND_BYTES;
}

async function readManifest(files: ArchiveFiles, file: TarFile | undefined): Promise<Manifest> {
  const { name, size, type = "file" } = file?.header ?? { name: "nothing", size: 0 };
  const [, folder] = /^([^/]+)\/(.+)$/.exec(name) ?? [];
  if (name !== `${folder}/${MANIFEST}` || type !== "file") {
    throw files.error(
      `it is no archive of a run: it begins with ${name}, and not with a ${MANIFEST}, as what ` +
        "taffrail export writes does",
    );
  }
  const refuse = (problem: string) => files.error(`its ${MANIFEST} is none: ${problem}`);
  if (size > MOST_MANIFEST_BYTES) throw refuse(`it has ${formatSize(size)}`);
  const bytes = new Uint8Array(size);
  let filled = 0;
  for await (const block of files.bytesOf(file!, MANIFEST)) {
    bytes.set(block, filled);
    filled += block.length;
  }
  let manifest: Manifest;
  try {
    manifest = parseManifest(bytes);
  } catch (cause) {
    throw refuse(reasonOf(cause));
  }
  if (manifest.run_id === folder) return manifest;
  throw refuse(`it is of the run ${manifest.run_id}, and stands in the folder ${folder}`);
}

/**
 * The files of a compressed tar, one by one. Where it cannot be unpacked any further, all that came before is given
 * first, so that it is known which file is not whole.
 */
class ArchiveFiles {
  /** How many bytes it may unpack to in all. */
  mostBytes = MOST_MANIFEST_BYTES + MOST_AHEAD_BYTES;
  readonly #name: string;
  readonly #signal: AbortSignal;
  readonly #files: ReadableStreamDefaultReader<TarFile>;
  readonly #end = new AbortController();
  /** Why it cannot be unpacked any further. */
  #failure: { of: unknown } | undefined;
  /** Ends what is waited for. */
  #giveUp: (reason: unknown) => void = () => {};

  private constructor({ name, signal }: ArchiveSource, files: ReadableStream<TarFile>) {
    this.#name = name;
    this.#signal = signal;
    this.#files = files.getReader();
  }

  static async of(source: ArchiveSource): Promise<ArchiveFiles> {
    const { createTarDecoder } = await import("./tar_streams.ts");
    const { readable, writable } = createTarDecoder({ strict: true });
    const files = new ArchiveFiles(source, readable);
    void files.#unpack(source.bytes, writable.getWriter());
    return files;
  }

  /** The next file, which is to be this one; undefined behind the last. */
  async next(path: string): Promise<TarFile | undefined> {
    return (await this.#reading(path, () => this.#files.read())).value;
  }

  /** The bytes of a file. */
  async *bytesOf({ body }: TarFile, path: string): AsyncGenerator<Uint8Array, void> {
    const reader = body.getReader();
    for (;;) {
      const { value } = await this.#reading(path, () => reader.read());
      if (value === undefined) return;
      yield value;
    }
  }

  /** Gives up the rest. */
  async close(): Promise<void> {
    this.#end.abort();
    await this.#files.cancel().catch(() => {});
  }

  error(problem: string, cause?: unknown): ArchiveError {
    return new ArchiveError(`Cannot import ${this.#name}: ${problem}`, { cause });
  }

  async #unpack(
    bytes: ArchiveSource["bytes"],
    tar: WritableStreamDefaultWriter<Uint8Array>,
  ): Promise<void> {
    const signal = AbortSignal.any([this.#signal, this.#end.signal]);
    let passed = 0;
    try {
      for await (
        const block of bytes.pipeThrough(new DecompressionStream("gzip"), { signal })
      ) {
        passed += block.length;
        if (passed > this.mostBytes) throw new TooMuch();
        await tar.write(block);
      }
      await tar.close();
    } catch (error) {
      this.#failure = { of: error };
      this.#fail();
    }
  }

  /** What has come is given within this turn. */
  #fail(): void {
    if (this.#failure === undefined) return;
    const { of: reason } = this.#failure;
    setTimeout(() => this.#giveUp(reason));
  }

  async #reading<T>(path: string, read: () => Promise<T>): Promise<T> {
    const { promise: failing, reject } = Promise.withResolvers<never>();
    this.#giveUp = reject;
    this.#fail();
    try {
      return await Promise.race([read(), failing]);
    } catch (cause) {
      this.#signal.throwIfAborted();
      if (cause instanceof TooMuch) throw this.error("it unpacks to more than its manifest says");
      if (reasonOf(cause).includes("gzip header")) {
        throw this.error("it is not compressed by gzip, as what taffrail export writes is", cause);
      }
      const remedy = "fetch it once more, or export the run again";
      throw this.error(`it is cut off or damaged before ${path} is whole; ${remedy}`, cause);
    }
  }
}

/** More came than was to come. */
class TooMuch extends Error {}
