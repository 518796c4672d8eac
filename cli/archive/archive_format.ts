/**
 * What an archive of a run is: a tar, compressed by gzip, of which the first file is a manifest that names all others
 * in their order, with their sizes and digests. `docs/format/run_archive.md` says it for people.
 *
 * What is always true: **what is written is what is read.** The same function says what may stand in a manifest for
 * who writes one and for who reads one.
 */
import { isObject } from "../../_internal/errors.ts";
import { basename } from "../../_internal/path.ts";
import {
  type AttemptFile,
  foreignRunIdProblem,
  MAX_RUN_FILE_BYTES,
  outputName,
  runPaths,
} from "../../_internal/root_layout.ts";
import { encodeUtf8, parseJsonFile } from "../../_internal/text.ts";
import { VERSION } from "../../_internal/version.ts";
import { streamPath } from "../../run/file_root/file_run_view.ts";
import { DOCUMENTS, type PartPlace, STREAMS } from "../engine/run_parts.ts";
import { formatSize } from "../text/units.ts";

/** The format that this version reads and writes. */
export const ARCHIVE_FORMAT = 1;

/** The name of the manifest. */
export const MANIFEST = "manifest.json";

/** As many entries as a run of 100,000 nodes has. */
export const MOST_MANIFEST_BYTES = 64 * 1024 ** 2;
/** An entry has a digest, and braces in the ids of few. */
const LEAST_ENTRY_BYTES = 50;
/** What an object and a list begin with. */
const OPENING: readonly number[] = [0x7b, 0x5b];
/** The engine holds no longer texts. */
const MOST_DOCUMENT_BYTES = 500 * 1024 ** 2;
/** Far more than the times of an attempt take, of which there is a bounded number. */
const MOST_TIMES_BYTES = 4 * 1024 ** 2;
/** What a database takes. */
const MOST_ATTEMPTS = 2 ** 31 - 1;

/** A file in an archive, as its manifest names it. */
export interface ManifestEntry {
  /** Its name below the folder of the run. */
  path: string;
  /** How many bytes it has. */
  bytes: number;
  /** The digest of them, as 64 hexadecimal digits. */
  sha256: string;
  /** Of what an attempt gave: the node, since a name may be shortened. */
  node_id?: string;
  /** Which attempt at it. */
  attempt?: number;
  /** What of it. */
  stream?: AttemptFile["stream"];
}

/** What stands in front of all else. */
export interface Manifest {
  format: number;
  /** What wrote it. */
  taffrail_version: string;
  run_id: string;
  /** Whether what may be private was left out. */
  redacted: boolean;
  /** All other files, in their order. */
  entries: ManifestEntry[];
}

const PATHS = runPaths(".", "run");
const NODES = basename(PATHS.nodes);

/** What a part of a run is called in an archive: as in the folder of a run. */
export function pathOfPart(place: PartPlace): string {
  switch (place.kind) {
    case "stream":
      return basename(streamPath(PATHS, place.stream));
    case "document":
      return place.name;
    case "attempt":
      return `${NODES}/${outputName(place.of)}`;
  }
}

const PLACES: ReadonlyMap<string, PartPlace> = new Map(
  [
    ...STREAMS.map((stream) => ({ kind: "stream", stream } as const)),
    ...DOCUMENTS.map((name) => ({ kind: "document", name } as const)),
  ].map((place) => [pathOfPart(place), place]),
);

/** The entry of a part. */
export function entryOf(
  place: PartPlace,
  { bytes, sha256 }: Pick<ManifestEntry, "bytes" | "sha256">,
): ManifestEntry {
  const entry = { path: pathOfPart(place), bytes, sha256 };
  if (place.kind !== "attempt") return entry;
  const { nodeId, attempt, stream } = place.of;
  return { ...entry, node_id: nodeId, attempt, stream };
}

/** The part of a run that an entry is; undefined where it is none. */
export function placeOf({ path, node_id, attempt, stream }: ManifestEntry): PartPlace | undefined {
  if (node_id === undefined || attempt === undefined || stream === undefined) {
    return PLACES.get(path);
  }
  const of = { nodeId: node_id, attempt, stream };
  return pathOfPart({ kind: "attempt", of }) === path ? { kind: "attempt", of } : undefined;
}

/** The manifest of a run. */
export function manifestOf(
  runId: string,
  { redacted, entries }: Pick<Manifest, "redacted" | "entries">,
): Manifest {
  return {
    ...{ format: ARCHIVE_FORMAT, taffrail_version: VERSION },
    ...{ run_id: runId, redacted, entries },
  };
}

/** The bytes of a manifest, an entry a line. Throws for what nobody would read again. */
export function encodeManifest({ entries, ...head }: Manifest): Uint8Array {
  const texts = entries.map((entry) => `  ${JSON.stringify(entry)}`);
  const members = JSON.stringify(head, null, 1).slice(0, -2);
  const bytes = encodeUtf8(`${members},\n "entries": [\n${texts.join(",\n")}\n ]\n}\n`);
  checkManifest({ entries, ...head }, bytes.length);
  return bytes;
}

/**
 * Reads a manifest.
 *
 * @throws {TypeError} If it is none, or names what is no part of a run; the message says what is wrong with it.
 */
export function parseManifest(bytes: Uint8Array): Manifest {
  // What is parsed takes many times as much as its text where that is nothing but small objects.
  const opened = bytes.reduce((count, byte) => count + Number(OPENING.includes(byte)), 0);
  refuse(opened > bytes.length / LEAST_ENTRY_BYTES + 10, "it has more in it than entries");
  const content = parseJsonFile(bytes);
  if (!isObject(content)) throw new TypeError("it is no JSON object");
  const { format } = content;
  if (!isCount(format, Infinity) || format === 0) throw new TypeError("it names no format");
  if (format > ARCHIVE_FORMAT) {
    throw new TypeError(
      `its format is ${format}, and ${ARCHIVE_FORMAT} is known; use a newer version of taffrail`,
    );
  }
  checkManifest(content, bytes.length);
  return content;
}

function checkManifest(
  content: Record<keyof Manifest, unknown> | Record<string, unknown>,
  byteLength: number,
): asserts content is Record<keyof Manifest, unknown> & Manifest {
  const { taffrail_version: version, run_id: runId, redacted, entries } = content;
  refuse(byteLength > MOST_MANIFEST_BYTES, `it has more than ${formatSize(MOST_MANIFEST_BYTES)}`);
  refuse(typeof version !== "string", "its taffrail_version is no text");
  refuse(typeof redacted !== "boolean", "its redacted is neither true nor false");
  if (typeof runId !== "string") throw new TypeError("its run_id is no text");
  const problem = foreignRunIdProblem(runId);
  refuse(problem !== undefined, `its run_id is no id of a run: ${problem}`);
  if (!Array.isArray(entries)) throw new TypeError("its entries are no list");
  const paths = new Set<string>();
  for (const [index, entry] of entries.entries()) {
    const path = checkEntry(entry, `entry ${index + 1}`);
    refuse(paths.has(path), `it names ${path} twice`);
    paths.add(path);
  }
}

/** What is wrong with an entry is said by its path, as soon as that is known to be one. */
function checkEntry(entry: unknown, which: string): string {
  if (!isObject(entry)) throw new TypeError(`its ${which} is no object`);
  const { path, bytes, sha256, node_id: nodeId, attempt } = entry;
  if (typeof path !== "string") throw new TypeError(`the path of its ${which} is no text`);
  const isOfAttempt = nodeId !== undefined;
  if (isOfAttempt) {
    const isId = typeof nodeId === "string" && nodeId.isWellFormed() && !nodeId.includes("\0");
    refuse(!isId, `the node_id of ${path} is none`);
    refuse(!isCount(attempt, MOST_ATTEMPTS), `the attempt of ${path} is none`);
  }
  const place = placeOf(entry as unknown as ManifestEntry);
  if (place === undefined) throw new TypeError(`it names ${path}, which is no part of a run`);
  if (place.kind === "attempt") {
    const known: readonly string[] = ["out", "err", "result", "times"];
    refuse(!known.includes(place.of.stream), `the stream of ${path} is none`);
  }
  refuse(typeof sha256 !== "string" || !/^[0-9a-f]{64}$/.test(sha256), `${path} has no digest`);
  const most = mostBytesOf(place);
  if (!isCount(bytes, most)) {
    const what = isCount(bytes, Infinity) ? `more than ${formatSize(most)}` : "no number of bytes";
    throw new TypeError(`${path} has ${what}`);
  }
  return path;
}

/** How long a part may be: what has to be held in memory as a whole is bounded. */
function mostBytesOf(place: PartPlace): number {
  if (place.kind === "document") {
    return place.name === "run.json" ? MAX_RUN_FILE_BYTES : MOST_DOCUMENT_BYTES;
  }
  const isOfTimes = place.kind === "attempt" && place.of.stream === "times";
  return isOfTimes ? MOST_TIMES_BYTES : Number.MAX_SAFE_INTEGER;
}

function refuse(isWrong: boolean, problem: string): void {
  if (isWrong) throw new TypeError(problem);
}

function isCount(value: unknown, most: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most;
}
