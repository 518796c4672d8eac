/**
 * States that a disk may be in after a power cut, made from the book-keeping of `disk_model.ts`.
 *
 * What was synced is there. Of the rest, each change of names is there or not, each by itself, a rename
 * as a whole; each 4 KiB page is as it was after some operation since the sync, or has NULs where it
 * was written, whatever became of the pages before it; the size is the durable one, the newest, one
 * in between, or a page boundary in between.
 */

import type { DirectoryNode, DiskModel, NameOperation, Node } from "./disk_model.ts";
import { type DataOperation, type FileNode, GrowingBytes } from "./file_node.ts";
import { Random } from "./random.ts";

/** The unit in which file data reach the disk. */
export const PAGE_BYTES = 4096;

/** What becomes of all that is not durable. */
interface Fate {
  /** Is this change of a name or of a mode kept? */
  keepsMetadata(): boolean;
  /** Which size does a file have? `between` lists what it may have been on the way. */
  size(durable: number, newest: number, between: number[]): number;
  /** How many of the operations on a page reached it; "nul" = its size did, its bytes did not. */
  page(operationCount: number): number | "nul";
}

const nothingKept: Fate = { keepsMetadata: () => false, size: (durable) => durable, page: () => 0 };

const everythingKept: Fate = {
  keepsMetadata: () => true,
  size: (_durable, newest) => newest,
  page: (operationCount) => operationCount,
};

const namesWithoutData: Fate = { ...everythingKept, page: () => "nul" };

/**
 * The extremes find most mistakes at once and need no luck, so the first three seeds are theirs:
 * 0 keeps only what is durable, 1 keeps everything, 2 keeps names and sizes but no data.
 */
function fateOf(seed: number): Fate {
  return [nothingKept, everythingKept, namesWithoutData][seed] ?? randomFate(new Random(seed));
}

/** The number of seeds with a meaning of their own, see {@linkcode writeCrashImage}. */
export const EXTREME_SEEDS = 3;

function randomFate(random: Random): Fate {
  // Drawn once an image: a crash early or late in the write-back, not always half of everything.
  const keptNames = random.pick([0.2, 0.5, 0.8]);
  const nulPages = random.pick([0.1, 0.3, 0.6]);
  return {
    keepsMetadata: () => random.chance(keptNames),
    size: (durable, newest, between) => {
      if (between.length > 0 && random.chance(0.3)) return random.pick(between);
      return random.pick([durable, newest]);
    },
    page: (operationCount) => {
      if (random.chance(nulPages)) return "nul";
      if (random.chance(0.3)) return random.below(operationCount + 1);
      return random.pick([0, operationCount]);
    },
  };
}

/**
 * Writes the state that `seed` stands for into `target`, a directory that does not exist yet. Seed 0
 * keeps only what is durable, seed 1 everything, seed 2 all names and sizes but NULs for data; every
 * other seed draws.
 */
export function writeCrashImage(model: DiskModel, target: string, seed: number): void {
  model.verify();
  const fate = fateOf(seed);
  const image: Image = new Map();
  copyDurableNames(model.root, image);
  for (const operation of model.nameOperations) {
    if (operation.durable || fate.keepsMetadata()) applyName(image, model.root, operation);
  }
  writeDirectory(image, model.root, target, fate);
}

/** The names of each directory in the state that is being made. */
type Image = Map<DirectoryNode, Map<string, Node>>;

function namesIn(image: Image, directory: DirectoryNode): Map<string, Node> {
  let names = image.get(directory);
  if (names === undefined) {
    names = new Map();
    image.set(directory, names);
  }
  return names;
}

function copyDurableNames(directory: DirectoryNode, image: Image): void {
  image.set(directory, new Map(directory.durableNames));
  for (const node of directory.durableNames.values()) {
    if (node.kind === "directory") copyDurableNames(node, image);
  }
}

/** Applies one change of names unless one that it builds on was lost. */
function applyName(image: Image, root: DirectoryNode, operation: NameOperation): void {
  const { node, from, to } = operation;
  if (from !== undefined && namesIn(image, from.directory).get(from.name) !== node) return;
  if (to !== undefined) {
    // A file must not vanish because it was moved into a directory that is lost or inside itself.
    if (!reaches(image, root, to.directory, node)) return;
    if (from === undefined && namesIn(image, to.directory).has(to.name)) return;
  }
  if (from !== undefined) namesIn(image, from.directory).delete(from.name);
  if (to !== undefined) namesIn(image, to.directory).set(to.name, node);
}

/** Is `wanted` below `start` in the image, on a way that does not lead through `avoided`? */
function reaches(image: Image, start: Node, wanted: DirectoryNode, avoided: Node): boolean {
  if (start === wanted) return true;
  if (start.kind !== "directory" || start === avoided) return false;
  return namesIn(image, start).values().some((node) => reaches(image, node, wanted, avoided));
}

function writeDirectory(image: Image, directory: DirectoryNode, path: string, fate: Fate): void {
  Deno.mkdirSync(path, { mode: 0o700 });
  for (const [name, node] of namesIn(image, directory)) {
    const child = `${path}/${name}`;
    if (node.kind === "directory") writeDirectory(image, node, child, fate);
    else if (node.kind === "link") Deno.symlinkSync(node.target, child);
    else writeFile(node, child, fate);
  }
  // Last, because the mode may forbid to write.
  setMode(path, directory.mode);
}

function writeFile(file: FileNode, path: string, fate: Fate): void {
  Deno.writeFileSync(path, crashedBytes(file, fate));
  const isModeOpen = file.mode !== file.durableMode;
  setMode(path, isModeOpen && fate.keepsMetadata() ? file.mode : file.durableMode);
}

function setMode(path: string, mode: number | null): void {
  if (mode !== null && Deno.build.os !== "windows") Deno.chmodSync(path, mode & 0o777);
}

function crashedBytes(file: FileNode, fate: Fate): Uint8Array {
  const bytes = new GrowingBytes(file.durable.view());
  if (file.pending.length === 0) return bytes.view();
  const sizes = sizesOnTheWay(file);
  const size = fate.size(file.durable.size, sizes.at(-1) ?? 0, [...sizes, ...boundaries(sizes)]);
  for (let start = 0; start < size; start += PAGE_BYTES) {
    const touching = file.pending.filter((operation) => touches(operation, start));
    if (touching.length > 0) {
      bytes.write(start, crashedPage(file, start, touching, fate.page(touching.length)));
    }
  }
  bytes.truncate(size);
  return bytes.view();
}

/** The durable size and the size after each operation since. */
function sizesOnTheWay(file: FileNode): number[] {
  const sizes = [file.durable.size];
  for (const operation of file.pending) {
    const before = sizes.at(-1) ?? 0;
    const end = operation.kind === "write" ? operation.offset + operation.bytes.length : 0;
    sizes.push(operation.kind === "write" ? Math.max(before, end) : operation.length);
  }
  return sizes;
}

/** The page boundaries between the smallest and the largest of the sizes. */
function boundaries(sizes: number[]): number[] {
  const smallest = sizes.reduce((least, size) => Math.min(least, size));
  const largest = sizes.reduce((most, size) => Math.max(most, size));
  const result: number[] = [];
  const first = Math.ceil((smallest + 1) / PAGE_BYTES) * PAGE_BYTES;
  for (let size = first; size < largest; size += PAGE_BYTES) result.push(size);
  return result;
}

function touches(operation: DataOperation, start: number): boolean {
  const end = start + PAGE_BYTES;
  if (operation.kind === "truncate") return operation.length < end;
  return operation.offset < end && operation.offset + operation.bytes.length > start;
}

/** One page after the first `kept` operations on it, or with NULs for all that was written. */
function crashedPage(
  file: FileNode,
  start: number,
  touching: DataOperation[],
  kept: number | "nul",
): Uint8Array {
  const page = new Uint8Array(PAGE_BYTES);
  page.set(file.durable.view().subarray(start, start + PAGE_BYTES));
  for (const operation of kept === "nul" ? touching : touching.slice(0, kept)) {
    if (operation.kind === "truncate") {
      page.fill(0, Math.max(0, operation.length - start));
    } else if (kept === "nul") {
      page.fill(0, Math.max(0, operation.offset - start), endInPage(operation, start));
    } else if (!operation.lost) {
      const skipped = Math.max(0, start - operation.offset);
      const at = Math.max(0, operation.offset - start);
      const length = endInPage(operation, start) - at;
      page.set(operation.bytes.subarray(skipped, skipped + length), at);
    }
  }
  return page;
}

function endInPage(operation: DataOperation & { kind: "write" }, start: number): number {
  return Math.min(PAGE_BYTES, operation.offset + operation.bytes.length - start);
}
